/**
 * Follows the host and keeps what the front door answers from: the index of runs, how many each tenant has under way, who
 * waits for an end, what is to be told to whom.
 */
import { outcomeText, type Outcome } from '@corral/protocol/outcome';
import type { RunId } from '@corral/protocol/ids';
import type { Observation, RunView } from '@corral/supervisor';
import type { Event } from '@corral/protocol/api/schemas';
import type { Json } from '@corral/protocol/json';
import type { Feed } from './feed.ts';
import type { HostPort } from './ports.ts';
import type { FrontStore } from './store/front.ts';
import type { RunIndex } from './store/runs.ts';

export interface ProjectionOptions {
  readonly host: HostPort;
  readonly db: FrontStore;
  readonly index: RunIndex;
  readonly feed: Feed;
  readonly now: () => number;
  /** Version of the configuration in force. */
  readonly config: () => string;
  /** Puts an event into the outbox of whoever is to be told; within the transaction of what it tells. */
  readonly notify: (event: Event) => void;
}

/** A run whose budget is this near its end is told of, once. */
const LOW = 0.1;

export class Projection {
  readonly #options: ProjectionOptions;
  /** Live runs by tenant. */
  readonly #live = new Map<string, Set<string>>();
  readonly #agents = new Map<string, { readonly tenant: string; readonly agent: string }>();
  readonly #waiting = new Map<string, Set<() => void>>();
  readonly #low = new Set<string>();
  /** Runs whose submitter writes them down itself. */
  readonly #expected = new Set<string>();
  /** Ends of such runs that came before they were written down. */
  readonly #early = new Map<string, Outcome>();

  constructor(options: ProjectionOptions) {
    this.#options = options;
    options.host.observe((observation) => this.#observe(observation));
  }

  /** Brings the index up to what the store says. @returns how many runs go on */
  async catchUp(inOrder: boolean): Promise<number> {
    const { host, index, config } = this.#options;
    const views = host.views();
    for (const view of views) this.#count(view.id, view.tenant, view.agent);
    if (!inOrder) for (const { record } of await host.everyRun()) index.add(record, config());
    for (const row of index.live()) {
      const stored = await host.stored(row.id as RunId);
      if (stored?.status.outcome !== undefined)
        this.#end(row.id, row, stored.status.outcome, stored.status.ended_at ?? stored.record.created_at);
    }
    return views.length;
  }

  /** A run that is about to be submitted, and will be written down by whoever does; it counts from now on. */
  expect(run: string, tenant: string): void {
    this.#expected.add(run);
    this.#runsOf(tenant).add(run);
  }
  admitted(run: string): void {
    this.#expected.delete(run);
    const outcome = this.#early.get(run);
    this.#early.delete(run);
    if (outcome !== undefined) this.#options.index.end(run, outcome, this.#options.now());
  }
  refused(run: string, tenant: string): void {
    this.#expected.delete(run);
    this.#runsOf(tenant).delete(run);
  }

  live(tenant: string): number {
    return this.#live.get(tenant)?.size ?? 0;
  }

  /** Resolves when the run has ended, or after so long. */
  waitForEnd(run: string, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const waiters = this.#waiting.get(run) ?? new Set();
      this.#waiting.set(run, waiters);
      const done = () => {
        clearTimeout(timer);
        waiters.delete(done);
        if (waiters.size === 0) this.#waiting.delete(run);
        resolve();
      };
      const timer = setTimeout(done, ms);
      waiters.add(done);
    });
  }

  /** Lets everybody go who waits; the host stops. */
  release(): void {
    for (const waiters of this.#waiting.values()) for (const done of waiters) done();
  }

  /** Tells of runs whose budget is nearly spent. Called now and then. */
  checkBudgets(): void {
    for (const view of this.#options.host.views()) {
      if (view.left >= LOW || view.outcome !== undefined || this.#low.has(view.id)) continue;
      this.#low.add(view.id);
      this.tell('run.budget_low', view, { left: view.left });
    }
  }

  /** An event that webhooks may want, written down as it is told. */
  tell(kind: Event['kind'], about: Pick<RunView, 'id' | 'tenant' | 'agent'>, data: Json): void {
    this.#options.notify(this.#options.feed.tell(kind, { tenant: about.tenant, run: about.id, agent: about.agent, data }));
  }

  #observe(observation: Observation): void {
    const { feed } = this.#options;
    switch (observation.kind) {
      case 'admitted':
        this.#admitted(observation.run);
        return;
      case 'began':
        feed.tell('run.began', { ...this.#agents.get(observation.run), run: observation.run });
        return;
      case 'ended': {
        const { view, outcome } = observation;
        this.#end(observation.run, view, outcome, this.#options.now(), view);
        return;
      }
      case 'refused':
        this.#gone(observation.run);
        feed.tell('run.refused', { ...this.#agents.get(observation.run), run: observation.run, data: { code: observation.error.code } });
        return;
      case 'emitted':
        feed.tell('run.emitted', {
          ...this.#agents.get(observation.run),
          run: observation.run,
          data: { event: observation.event, data: (observation.data ?? null) as Json },
        });
        return;
      case 'logged':
        feed.tell('run.logged', {
          ...this.#agents.get(observation.run),
          run: observation.run,
          data: { level: observation.level, text: observation.text },
        });
        return;
      case 'answered':
      case 'hopeless':
    }
  }

  #admitted(run: RunId): void {
    const { host, feed } = this.#options;
    const view = host.view(run);
    if (view === undefined) return;
    this.#count(run, view.tenant, view.agent);
    feed.tell('run.admitted', { tenant: view.tenant, run, agent: view.agent, data: { parent: view.parent ?? null } });
    if (this.#expected.has(run)) return;
    void this.#writeDown(run);
  }

  /** A child run, which its parent's commit made. */
  async #writeDown(run: RunId): Promise<void> {
    const { host, index, config } = this.#options;
    const stored = await host.stored(run);
    if (stored === undefined) return;
    index.add(stored.record, config());
    // It may have ended before it was written down here.
    if (stored.status.outcome !== undefined) index.end(run, stored.status.outcome, stored.status.ended_at ?? 0);
  }

  #end(
    run: string,
    about: { readonly tenant: string; readonly agent: string; readonly parent?: string | null | undefined },
    outcome: Outcome,
    at: number,
    spent?: Pick<RunView, 'cpu_ms' | 'calls'>,
  ): void {
    const { db, index, feed, notify } = this.#options;
    const event = feed.tell('run.ended', {
      tenant: about.tenant,
      run,
      agent: about.agent,
      data: { ended_as: outcomeText(outcome), parent: about.parent ?? null },
    });
    if (this.#expected.has(run)) this.#early.set(run, outcome);
    db.together(() => {
      if (index.end(run, outcome, at, spent) || index.get(run) === undefined) notify(event);
    });
    this.#gone(run);
  }

  #count(run: string, tenant: string, agent: string): void {
    this.#runsOf(tenant).add(run);
    this.#agents.set(run, { tenant, agent });
  }

  #runsOf(tenant: string): Set<string> {
    let runs = this.#live.get(tenant);
    if (runs === undefined) this.#live.set(tenant, (runs = new Set()));
    return runs;
  }

  #gone(run: string): void {
    const known = this.#agents.get(run);
    if (known !== undefined) this.#live.get(known.tenant)?.delete(run);
    this.#agents.delete(run);
    this.#low.delete(run);
    for (const done of this.#waiting.get(run) ?? []) done();
  }
}
