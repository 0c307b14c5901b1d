/** Counts of runs: by state now, and by hour or day. */
import { SPANS } from '@corral/protocol/api/counts';
import { CorralError } from '@corral/protocol/errors';
import { LIVE_STATES } from '@corral/protocol/model/run-lists';
import { refuseUnknown } from '../../jobs/selection.ts';
import type { ServerContext } from '../context.ts';
import type { Handlers } from './handler.ts';

const HOUR_MS = 3_600_000;
const DAY_HOURS = 24;

export function countRoutes(door: ServerContext): Handlers<'countRuns' | 'runHistory'> {
  const { reads, clock } = door;
  return {
    async countRuns({ query }, { access }) {
      const rows = await door.lists.take(access.principal.tenant, () => reads.states(access.some('run.read', query.tenant)));
      const states = new Counts();
      const agents = new Map<string, { tenant: string; agent: string; counts: Counts }>();
      for (const { tenant, agent, state, runs } of rows) {
        const key = `${tenant} ${agent}`;
        const one = agents.get(key) ?? { tenant, agent, counts: new Counts() };
        agents.set(key, one);
        one.counts.add(state, runs);
        states.add(state, runs);
      }
      const sorted = [...agents.values()].sort((a, b) => b.counts.live - a.counts.live || b.counts.all - a.counts.all);
      return {
        states: states.toJSON(),
        agents: sorted.slice(0, query.limit).map(({ tenant, agent, counts }) => ({ tenant, agent, states: counts.toJSON() })),
        more: sorted.length > query.limit,
      };
    },

    async runHistory({ query }, { access }) {
      const tenant = access.some('run.read', query.tenant);
      if (query.agent !== undefined) refuseUnknown(door, { tenant, agent: [query.agent] });
      const hours = query.by === 'day' ? DAY_HOURS : 1;
      const step = hours * HOUR_MS;
      const until = query.until ?? clock.now();
      const first = Math.floor((query.from ?? until - DAY_HOURS * HOUR_MS) / step);
      const last = Math.floor(until / step);
      if (first > last) throw new CorralError('CORRAL_REQUEST_INVALID', '`from` is after `until`.');
      if (last - first >= SPANS)
        throw new CorralError(
          'CORRAL_REQUEST_INVALID',
          `That would be ${last - first + 1} ${query.by}s; at most ${SPANS} are answered at a time.`,
        );
      const items = Array.from({ length: last - first + 1 }, (_, i) => ({
        at: (first + i) * step,
        admitted: 0,
        ended: {} as Record<string, number>,
        cpu_ms: 0,
        calls: 0,
        tokens: 0,
        money_micros: 0,
      }));
      const wanted = { tenant, agent: query.agent, from: first * step, until: (last + 1) * step, hours };
      for (const { at, state, runs, ...used } of await door.lists.take(access.principal.tenant, () => reads.spans(wanted))) {
        const span = items[at / step - first];
        if (span === undefined) continue;
        if (state === 'admitted') span.admitted += runs;
        else span.ended[state] = runs;
        for (const amount of ['cpu_ms', 'calls', 'tokens', 'money_micros'] as const) span[amount] += used[amount];
      }
      return { items };
    },
  };
}

const LIVE: ReadonlySet<string> = new Set(LIVE_STATES);

/** How many runs are in each state. */
class Counts {
  readonly #states = new Map<string, number>();
  /** Runs that have not ended. */
  live = 0;
  all = 0;

  add(state: string, runs: number): void {
    this.#states.set(state, (this.#states.get(state) ?? 0) + runs);
    this.all += runs;
    if (LIVE.has(state)) this.live += runs;
  }

  toJSON(): Record<string, number> {
    return Object.fromEntries(this.#states);
  }
}
