/** The configuration and the policies, those in force and earlier ones, and the state of the host itself. */
import { CorralError } from '@corral/protocol/errors';
import { TEXT_TYPE } from '@corral/telemetry/prometheus';
import type { ServerContext } from '../context.ts';
import { statementsIn } from '../../evidence/rule-texts.ts';
import type { Handlers } from './handler.ts';
import { VERSION } from '../../version.ts';

type Names =
  | 'showConfig'
  | 'checkConfig'
  | 'applyConfig'
  | 'listConfigs'
  | 'configThen'
  | 'listPolicies'
  | 'showPolicies'
  | 'health'
  | 'metrics'
  | 'ready';

export function configurationRoutes(door: ServerContext): Handlers<Names> {
  const { settings, clock, archive } = door;
  return {
    async showConfig() {
      return settings.view;
    },
    async checkConfig() {
      return settings.check();
    },
    async applyConfig({ query }, { access, keep }) {
      return settings.apply(access.principal.id, clock.now(), keep, query.reason);
    },
    async listConfigs() {
      return { items: archive.configs() };
    },
    async configThen({ params }) {
      return archive.config(params.version);
    },
    async listPolicies({ query }, { access }) {
      return { items: archive.moves(access.some('policy.read', query.tenant)) };
    },
    async showPolicies({ params, query }, { access }) {
      const shown = archive.policies(params.version, access.some('policy.read', query.tenant));
      return { ...shown, rules: statementsIn(shown.files) };
    },
    async metrics(_, { reply }) {
      if (door.telemetry === undefined)
        throw new CorralError('CORRAL_TELEMETRY_OFF', 'This host makes no figures: its configuration has no `telemetry`.');
      const text = await door.telemetry.text();
      return reply
        .type(TEXT_TYPE)
        .serializer((said: unknown) => String(said))
        .send(text) as never;
    },
    async health() {
      return { ok: true, version: VERSION };
    },
    async ready(_, { reply }) {
      const reasons = door.unready();
      const why = reasons[0]?.detail ?? null;
      if (why !== null) reply.code(503);
      return {
        ready: why === null,
        why,
        draining: door.draining(),
        runs: door.host.views().length,
        recovered: door.recovered(),
        config_refused: door.settings.refused !== undefined,
        reasons,
        degraded: door.degraded(),
      };
    },
  };
}
