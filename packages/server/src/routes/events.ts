/** Server-sent events (WHATWG HTML, 9.2): what happens, from after `Last-Event-ID` where that is still known. */
import type { Operation } from '@corral/protocol/api/roles';
import type { Event } from '@corral/protocol/api/schemas';
import type { Door } from '../door.ts';
import { passes } from '../feed.ts';
import { TooSoon } from '../people/rate.ts';
import { findRun, type Context } from './handler.ts';
import type { RouteRequest } from '@corral/protocol/api/routes';

/** Who does not read is let go, and comes back with the last id it has. */
const BEHIND_BYTES = 1024 * 1024;
const HEARTBEAT_MS = 15_000;
const FOLLOWERS = 1_000;
const ERRAND_S = 5;

export class Followers {
  readonly #door: Door;
  readonly #open = new Set<() => void>();

  constructor(door: Door) {
    this.#door = door;
  }

  /** Takes the connection over; it lasts until either side ends it. @throws CORRAL_RUN_UNKNOWN, CORRAL_FORBIDDEN, CORRAL_RATE_LIMITED */
  follow({ query, headers }: RouteRequest<'events'>, { access, reply }: Context): void {
    const { feed } = this.#door;
    if (this.#open.size >= FOLLOWERS) throw new TooSoon('CORRAL_RATE_LIMITED', `${FOLLOWERS} follow already.`, ERRAND_S);
    if (query.run !== undefined) findRun(this.#door, access, 'run.read', query.run);
    const tenant = access.some('run.read', query.tenant);
    const filter = {
      tenant,
      run: query.run,
      agent: query.agent,
      kinds: query.kinds === undefined ? undefined : new Set(query.kinds.split(',')),
      may: (operation: Operation, of: string | null) => access.may(operation, of ?? undefined),
    };
    const last = headers['last-event-id'];
    const missed = last === undefined ? [] : feed.since(last);

    reply.hijack();
    const { raw } = reply;
    raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' });
    const send = (event: Event) => {
      if (!passes(event, filter)) return;
      raw.write(`id: ${event.id}\nevent: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`);
      if (raw.writableLength > BEHIND_BYTES) raw.destroy();
    };
    if (missed === undefined) raw.write(`id: ${feed.last}\nevent: reset\ndata: {}\n\n`);
    else {
      // So that whoever follows has a place to come back to from the start.
      raw.write(`id: ${last ?? feed.last}\n: following\n\n`);
      for (const event of missed) send(event);
    }
    const stop = feed.listen(send);
    const heartbeat = setInterval(() => raw.write(': \n\n'), HEARTBEAT_MS);
    const end = () => {
      stop();
      clearInterval(heartbeat);
      this.#open.delete(end);
      raw.end();
    };
    this.#open.add(end);
    raw.on('close', end);
  }

  close(): void {
    for (const end of this.#open) end();
  }
}
