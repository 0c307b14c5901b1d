/** Services: people write to an instance, as themselves, and receive its reply. */
import type { RunId } from '@corral/protocol/ids';
import { listed } from '../../jobs/listed.ts';
import type { ServerContext } from '../context.ts';
import { shownOutcome } from '../../evidence/shown.ts';
import type { Reader } from '../../people/reader.ts';
import { waitForEnd, type Handlers } from './handler.ts';

/** Default wait for a reply. */
const WAIT_MS = 30_000;

export function serviceRoutes(door: ServerContext): Handlers<'sendToService'> {
  const { host, index, submissions } = door;
  return {
    async sendToService({ params, query, body, headers }, context) {
      const { access, reader, reply } = context;
      const tenant = access.one('service.send', query.tenant);
      const { service, key, handler } = params;
      const version = await host.sender(tenant, service, handler, key);
      const job = { tenant, agent: version.manifest.name, input: { key, on: handler, message: body ?? null } };
      const { run, replayed } = await submissions.submit(job, access.principal.id, headers['idempotency-key'], version);
      if (replayed) {
        reply.header('idempotent-replayed', 'true');
        const known = await host.stored(run);
        if (known !== undefined) index.add(listed(known), door.settings.inForce().version);
      }
      reply.header('location', `/v1/runs/${run}`);
      const wait_ms = query.wait_ms ?? WAIT_MS;
      if (wait_ms > 0 && index.get(run)?.ended_as === null) await waitForEnd(door, context, run, wait_ms);
      return { run, ...(await outcomeOf(reader, run)) };
    },
  };

  async function outcomeOf(reader: Reader, run: RunId) {
    const stored = await host.stored(run);
    return stored === undefined ? { outcome: null } : shownOutcome(door, reader, stored);
  }
}
