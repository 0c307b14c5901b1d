/** Server-sent events (WHATWG HTML, 9.2), resumed after `Last-Event-ID` as far as events are kept. */
import { ANY_TENANT, type Operation, type Principal } from '@corral/protocol/api/roles';
import { FOLLOWERS } from '@corral/protocol/limits';
import type { RouteRequest } from '@corral/protocol/api/routes';
import type { ServerContext } from '../context.ts';
import type { Changed } from '../../events/changes.ts';
import { passes, type EventFilter, type Feed } from '../../events/stream.ts';
import { TooSoon } from '../../people/rate.ts';
import type { Held } from '../../people/sessions.ts';
import { Outflow } from '../outflow.ts';
import type { Traffic } from '../traffic.ts';
import { findRun, type Context } from './handler.ts';
import { JournalReads, RunFollower, RunHistory } from './run-events.ts';

const ERRAND_S = 5;

export class Followers {
  readonly #door: ServerContext;
  readonly #traffic: Traffic;
  readonly #reads: JournalReads;
  readonly #open = new Map<Outflow, Principal>();
  /** Those that want to be told which runs changed. */
  readonly #changes = new Map<Outflow, EventFilter>();

  constructor(door: ServerContext, traffic: Traffic) {
    this.#door = door;
    this.#traffic = traffic;
    this.#reads = new JournalReads((...of) => door.host.journal(...of), door.labels, door.feed);
  }

  /** Takes the connection over until either side closes it. @throws CORRAL_RUN_UNKNOWN, CORRAL_FORBIDDEN, CORRAL_RATE_LIMITED */
  follow({ query, headers }: RouteRequest<'events'>, { access, reader, reply, hold }: Context): void {
    const { feed } = this.#door;
    const { principal } = access;
    if (query.run !== undefined) findRun(this.#door, access, 'run.read', query.run);
    const tenant = access.some('run.read', query.tenant);
    this.#mustHaveRoom(principal);
    const filter = {
      tenant,
      run: query.run,
      agent: query.agent,
      kinds: query.kinds === undefined ? undefined : new Set(query.kinds.split(',')),
      may: (operation: Operation, of: string | null) => access.may(operation, of ?? undefined),
      reader,
    };
    const out = this.#opened(reply, principal);
    if (out === undefined) return;
    if (query.changes === true && filter.kinds?.has('run.changed') !== false) this.#changes.set(out, filter);
    new Follower(feed, out, filter).begin(
      headers['last-event-id'],
      hold(() => out.end()),
    );
  }

  /** The same for one run, from its journal. @throws CORRAL_RUN_UNKNOWN, CORRAL_FORBIDDEN, CORRAL_RATE_LIMITED, and if it cannot be read */
  async followRun({ params, query, headers }: RouteRequest<'runEvents'>, { access, reader, reply, hold }: Context): Promise<void> {
    const { principal } = access;
    findRun(this.#door, access, 'run.payload', params.run);
    const history = new RunHistory(this.#door, this.#reads, reader, params.run, headers['last-event-id'] ?? query.after);
    // A browser asks again after the end of a stream, unless it is answered so.
    if (await history.isOver()) return void reply.code(204).send();
    this.#mustHaveRoom(principal);
    const out = this.#opened(reply, principal);
    if (out === undefined) return;
    new RunFollower(history, out).begin(hold(() => out.end()));
  }

  /** @returns undefined: the client left while the host found out who it is, and nothing would say again that it is gone */
  #opened(reply: Context['reply'], principal: Principal): Outflow | undefined {
    const { tenant } = principal;
    reply.hijack();
    const { raw } = reply;
    if (raw.closed) return undefined;
    raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' });
    this.#traffic.follows(tenant, raw);
    const out: Outflow = new Outflow(raw, { slow: () => this.#traffic.relieve(tenant), gone: () => this.#gone(out) });
    this.#open.set(out, principal);
    return out;
  }

  close(): void {
    for (const out of this.#open.keys()) out.end();
  }

  /** Whether anybody wants to be told which runs changed. */
  readonly wantChanges = (): boolean => this.#changes.size > 0;

  readonly tellChanges = (changed: Changed): void => {
    for (const [out, filter] of this.#changes) this.#tellChanged(out, filter, changed).catch(() => out.destroy());
  };

  async #tellChanged(out: Outflow, filter: EventFilter, changed: Changed): Promise<void> {
    const frames = framesOf(changed, filter);
    if (frames.length > 0 && (await out.isLet())) out.hint(frames.join(''), changeFrame({}));
  }

  #gone(out: Outflow): void {
    this.#open.delete(out);
    this.#changes.delete(out);
  }

  /**
   * Bounds for each principal and each tenant keep one from locking out the others; some places are reserved for admins of the
   * host.
   */
  #mustHaveRoom({ id, tenant, roles }: Principal): void {
    const others = [...this.#open.values()];
    const ofTenant = others.filter((one) => one.tenant === tenant);
    const isAdmin = tenant === ANY_TENANT && roles.includes('admin');
    const most = FOLLOWERS.followers.default - (isAdmin ? 0 : FOLLOWERS.followers_reserved.default);
    const refuse = (count: number, whose: string) => {
      throw new TooSoon(
        'CORRAL_RATE_LIMITED',
        `${whose} follow${whose === 'Others' ? '' : 's'} ${count} times already, which is the limit.`,
        ERRAND_S,
      );
    };
    const own = FOLLOWERS.followers_per_principal.default;
    if (ofTenant.filter((one) => one.id === id).length >= own) refuse(own, id);
    if (!isAdmin && ofTenant.length >= FOLLOWERS.followers_per_tenant.default) refuse(FOLLOWERS.followers_per_tenant.default, tenant);
    if (others.length >= most) refuse(most, 'Others');
  }
}

const changeFrame = (data: { readonly run?: string }): string => `event: run.changed\ndata: ${JSON.stringify(data)}\n\n`;

/** The frames that one follower gets: of its tenant, its agent, its run. */
function framesOf(changed: Changed, { tenant, run, agent }: EventFilter): string[] {
  return [...changed].flatMap(([of, runs]) => {
    if (tenant !== undefined && tenant !== of) return [];
    // It follows one run, which may be among those that are too many to name.
    if (runs === undefined) return [changeFrame(run === undefined ? {} : { run })];
    return runs
      .filter((one) => (run ?? one.run) === one.run && (agent ?? one.agent) === one.agent)
      .map((one) => changeFrame({ run: one.run }));
  });
}

/**
 * A follower: a position among the events, from which it reads as fast as its connection accepts data: from memory while it keeps up,
 * else from the table. A slow follower has no queue besides the connection's own buffer.
 */
class Follower {
  readonly #feed: Feed;
  readonly #out: Outflow;
  readonly #filter: EventFilter;
  /** Number of the event that it is sent next. */
  #next: number;
  /** The highest number of which it was told that events up to it are not kept. */
  #missed = 0;
  #telling = false;

  constructor(feed: Feed, out: Outflow, filter: EventFilter) {
    this.#feed = feed;
    this.#out = out;
    this.#filter = filter;
    this.#next = feed.count + 1;
  }

  /** @param last the event after which it resumes */
  begin(last: string | undefined, held: Held): void {
    const after = last === undefined ? undefined : this.#feed.numberOf(last);
    if (last !== undefined && after === undefined) this.#reset();
    else {
      if (after !== undefined) this.#next = after + 1;
      // Gives the follower an id to resume from before the first event.
      this.#out.note(`id: ${last ?? this.#feed.last}\n: following\n\n`);
    }
    this.#out.begin(
      held,
      this.#feed.follow(this.#filter, () => this.#wake()),
    );
    this.#wake();
  }

  #reset(): void {
    this.#next = this.#feed.count + 1;
    this.#out.note(`id: ${this.#feed.last}\nevent: reset\ndata: {}\n\n`);
  }

  #wake(): void {
    if (this.#telling || this.#out.ended) return;
    this.#telling = true;
    this.#tell().catch(() => this.#out.destroy());
  }

  async #tell(): Promise<void> {
    while (this.#goesOn()) {
      if (!(await this.#out.isLet())) return;
      const cached = this.#feed.cached(this.#next);
      const isSent = cached !== undefined && passes(cached.about, this.#filter);
      if (cached === undefined || (isSent && cached.text === undefined && cached.row === undefined)) {
        await this.#readBack();
        continue;
      }
      this.#next += 1;
      const text = cached.row === undefined ? cached.text : isSent ? await this.#feed.frameOf(cached.row, this.#filter.reader) : undefined;
      await this.#out.send(isSent ? text : undefined);
    }
  }

  /** Sends some of the events that are not in memory. */
  async #readBack(): Promise<void> {
    const { tenant } = this.#filter;
    const forgotten = this.#feed.forgotten(tenant);
    if (forgotten >= this.#next && forgotten > this.#missed) {
      this.#missed = forgotten;
      this.#out.note(`event: reset\ndata: {}\n\n`);
    }
    const page = this.#feed.page(this.#next, tenant);
    if (page === undefined) return this.#reset();
    for (const row of page.rows) {
      if (!(await this.#out.isLet())) return;
      this.#next = row.n + 1;
      await this.#out.send(passes(row, this.#filter) ? await this.#feed.frameOf(row, this.#filter.reader) : undefined);
    }
    this.#next = page.to + 1;
  }

  /**
   * Whether there is more to send. If not, the next event starts the loop again; no await lies between the check and clearing the
   * flag, so no event is missed.
   */
  #goesOn(): boolean {
    this.#telling = !this.#out.ended && this.#next <= this.#feed.count;
    return this.#telling;
  }
}
