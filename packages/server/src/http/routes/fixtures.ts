/** A run as material of a test, for `corral test from`. */
import { CorralError } from '@corral/protocol/errors';
import { targetIn, type RunId } from '@corral/protocol/ids';
import { beganAt, callsFrom, outcomeFrom, privacyOf } from '../../evidence/fixture.ts';
import { pagesOf } from '../../evidence/pages.ts';
import type { ServerContext } from '../context.ts';
import { findRun, type Handlers } from './handler.ts';

/** Entries of a journal that are read at a time. */
const PAGE = 100;

export function fixtureRoutes(door: ServerContext): Handlers<'runFixture'> {
  const { host, registry, settings, turns } = door;

  const pages = (run: RunId) => pagesOf((...of) => host.journal(...of), run, PAGE);

  return {
    async runFixture({ params: { run }, query }, { access, reader }) {
      const row = findRun(door, access, 'run.payload', run);
      const stored = await host.stored(run);
      const outcome = stored?.status.outcome;
      if (stored === undefined || outcome === undefined)
        throw new CorralError('CORRAL_RUN_STATE', `${run} has not ended, so nobody knows yet what a test of it would expect.`);
      const { record } = stored;
      if (record.service !== undefined)
        throw new CorralError('CORRAL_RUN_STATE', `${run} is an instance of a service, of which a test has no beginning and no end.`);
      return turns.take(access.principal.tenant, async () => {
        const own = settings.inForce().tenants[row.tenant];
        const tools = new Map((own?.tools ?? []).map((tool) => [tool.name, tool]));
        const changes = await host.context(run, Number.POSITIVE_INFINITY);
        const privacy = await privacyOf(pages(run), record, changes, { tools, labels: own?.policies !== undefined });
        const shown = query.private === 'include';
        if (shown)
          reader.must(run, row.tenant, privacy.names, `${run} has read private data, and only its owners may take it from this host.`);
        const { uses } = registry.resolve(row.tenant, `${record.agent}@${record.version}`).manifest;
        const hidesInput = !shown && privacy.from === 0;
        return {
          run,
          agent: record.agent,
          version: record.version,
          at: beganAt((await host.journal(run, 0, 1))[0]) ?? record.created_at,
          input: hidesInput ? null : record.input,
          tools: Object.values(uses).flatMap((target) => (/^(?:tool|model|http):/.test(target) ? [targetIn(target)] : [])),
          calls: await callsFrom(run, pages(run), privacy, tools, shown),
          outcome: outcomeFrom(outcome, privacy, shown),
          private_to: [...privacy.names],
        };
      });
    },
  };
}
