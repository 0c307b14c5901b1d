/** Follows the host and maintains what the front door answers from: the index of runs, live runs by tenant, waits for ends, and notifications. */
import type { Outcome } from '@corral/protocol/model/outcome';
import { outcomeText } from '@corral/protocol/model/outcome-text';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { Asked, Observation, RunView } from '@corral/supervisor';
import type { Event } from '@corral/protocol/api/schemas';
import type { Json } from '@corral/protocol/json';
import type { Quarantine } from '@corral/protocol/model/quarantine';
import type { Feed } from '../events/stream.ts';
import type { Acts } from '../operation-log.ts';
import type { HostPort } from '../ports.ts';
import type { FrontStore, RunIndex, RunRow, Spent } from '@corral/protocol/ports/front';
import { listed, stoppedBy } from './listed.ts';
import { Noted } from './noted.ts';
import { UseWriter } from './use-writer.ts';
import { tenantOf } from '../people/quarantine-tenant.ts';

export interface ProjectionOptions {
  readonly host: HostPort;
  readonly db: FrontStore;
  readonly index: RunIndex;
  readonly feed: Feed;
  /** Records what policies do by themselves; what people do is recorded by the routes. */
  readonly acts: Acts;
  readonly now: () => number;
  /** Names of the configured tenants. */
  readonly tenants: () => readonly string[];
  /** Version of the configuration in force. */
  readonly config: () => string;
  /** Puts an event into the outboxes of its receivers, in the same transaction as the change it reports. */
  readonly notify: (event: Event, asked?: Asked) => void;
}

/** The author of quarantines that policies put up; no person has this name. */
const POLICY = 'policy';
/** Runs that one sweep checks at most. */
const SWEEP = 100;
/** Rows that are read from the index at once at most. */
const SWEEP_ROWS = 500;
/** States of waiting that only a person can end. */
const FOR_PEOPLE: ReadonlySet<string> = new Set(['resolution', 'approval', 'upgrade']);

/** Runs that a host finds at its start. */
interface CaughtUp {
  /** Number of runs that have not ended. */
  readonly live: number;
  /** Those of them that cannot go on without a person. */
  readonly forPeople: readonly RunId[];
}

export class Projection {
  readonly #options: ProjectionOptions;
  /** Live runs by tenant. */
  readonly #live = new Map<string, Set<string>>();
  readonly #agents = new Map<string, { readonly tenant: string; readonly agent: string }>();
  readonly #waiting = new Map<string, Set<() => void>>();
  readonly #low = new Set<string>();
  /** Row after which the next sweep begins. */
  #swept = 0;
  readonly #use: UseWriter;
  /** Runs that their submitter will add to the index itself. */
  readonly #expected = new Set<string>();
  /** Those of them whose admission has not been reported. */
  readonly #untold = new Set<string>();
  /** Those of them that began before they were added to the index. */
  readonly #begun = new Set<string>();
  /** Outcomes of those that ended before they were added to the index. */
  readonly #early = new Map<string, Outcome>();
  readonly #noted: Noted;

  constructor(options: ProjectionOptions) {
    this.#options = options;
    this.#use = new UseWriter(options.index);
    this.#noted = new Noted(options.index, options.now);
  }

  /** Brings the index up to date with the store, and keeps it so from then on. @returns how many runs go on */
  async catchUp(inOrder: boolean): Promise<CaughtUp> {
    const { host, index, config } = this.#options;
    host.observe((observation) => this.#heard(observation));
    // A host may have crashed after putting up a quarantine and before recording it.
    for (const one of host.quarantines()) if (one.by === POLICY) this.#keep(one);
    if (!inOrder) for (const stored of await host.everyRun()) index.add(listed(stored), config());
    let live = 0;
    const forPeople: RunId[] = [];
    for (const row of this.#everyLive()) {
      const status = await this.#settled(row.id);
      if (status === undefined) continue;
      if (status.control !== 'none' || FOR_PEOPLE.has(host.view(row.id as RunId)?.waiting ?? status.waiting))
        forPeople.push(row.id as RunId);
      this.#count(row.id, row.tenant, row.agent, !row.principal.startsWith('service:'));
      live += 1;
    }
    return { live, forPeople };
  }

  /** Asks the store about a run that is listed as live. @returns whether it is live */
  async settle(run: string): Promise<boolean> {
    return (await this.#settled(run)) !== undefined;
  }

  async #settled(run: string) {
    const { host, index } = this.#options;
    const row = index.get(run);
    const stored = row?.ended_as === null ? await host.stored(run as RunId).catch(() => undefined) : undefined;
    if (row === undefined || stored === undefined) return undefined;
    if (stored.version !== row.version) index.moved(run, stored.version);
    const { outcome, ended_at, control, lifecycle } = stored.status;
    if (outcome !== undefined) {
      this.#end(run, row, outcome, ended_at ?? stored.record.created_at);
      return undefined;
    }
    if (lifecycle === 'active' && stored.seq > 0 && row.began === 0) index.began(run);
    if (control !== row.control) index.control(run, control, await stoppedBy(host, run, stored.seq));
    return stored.status;
  }

  /** Checks some runs that are listed as live and are not in memory: one may have ended without coming back into memory. */
  async sweep(): Promise<void> {
    const { index, host } = this.#options;
    const rows = index.live(this.#swept, SWEEP_ROWS);
    const away = rows.filter(({ id }) => host.view(id as RunId) === undefined).slice(0, SWEEP);
    // Begins again after the last row; goes on after the last one that was looked at where there is more.
    this.#swept = away.length === SWEEP ? (away.at(-1) as RunRow).n : rows.length === SWEEP_ROWS ? (rows.at(-1) as RunRow).n : 0;
    for (const { id } of away) await this.settle(id);
  }

  *#everyLive(): Generator<RunRow> {
    for (let after = 0; ;) {
      const rows = this.#options.index.live(after, SWEEP_ROWS);
      yield* rows;
      if (rows.length < SWEEP_ROWS) return;
      after = (rows.at(-1) as RunRow).n;
    }
  }

  /** Writes down what lists are sorted and filtered by. Called periodically. @throws CORRAL_DISK_FULL */
  writeUse(): void {
    this.#noted.writeAll();
    this.#use.write(this.#options.host.views());
  }

  /** Adds the children of a run that never came into memory. */
  async family(run: string): Promise<void> {
    const { host, index, config } = this.#options;
    for (const stored of await host.children(run as RunId)) {
      const { record, status } = stored;
      index.add(listed(stored), config());
      if (status.outcome !== undefined) index.end(record.id, status.outcome, status.ended_at ?? record.created_at);
    }
  }

  /**
   * Announces a run that its submitter is about to submit and will add to the index; the run counts from now on.
   * @param told whether to report its admission now; else it is reported once the run is in memory
   */
  expect(run: RunId, tenant: string, agent: string, told = true): void {
    this.#expected.add(run);
    this.#count(run, tenant, agent);
    if (told) this.#tellAdmitted(run, tenant, agent);
    else this.#untold.add(run);
  }
  #tellAdmitted(run: RunId, tenant: string, agent: string): void {
    this.#options.feed.tell('run.admitted', { tenant, run, agent, data: { parent: null } });
  }
  admitted(run: string): void {
    this.#expected.delete(run);
    const outcome = this.#early.get(run);
    this.#early.delete(run);
    if (this.#begun.delete(run)) this.#options.index.began(run);
    this.#noted.write(run);
    if (outcome !== undefined) this.#options.index.end(run, outcome, this.#options.now());
  }
  refused(run: string, tenant: string): void {
    this.#expected.delete(run);
    this.#untold.delete(run);
    this.#runsOf(tenant).delete(run);
    this.#agents.delete(run);
  }

  live(tenant: string): number {
    return this.#live.get(tenant)?.size ?? 0;
  }

  /** Resolves when the run has ended, or after `ms`. */
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

  /** Ends all waits: the host stops. */
  release(): void {
    this.#noted.writeAll();
    for (const waiters of this.#waiting.values()) for (const done of waiters) done();
  }

  /** Reports runs whose budget is nearly spent. Called periodically. */
  checkBudgets(): void {
    for (const view of this.#options.host.views()) {
      if (!view.low || view.outcome !== undefined || this.#low.has(view.id)) continue;
      this.#low.add(view.id);
      this.tell('run.budget_low', view, { left: view.left });
    }
  }

  /** An event that webhooks may want, queued for them as it is sent. */
  tell(kind: Event['kind'], about: Pick<RunView, 'id' | 'tenant' | 'agent'>, data: Json): void {
    this.#options.notify(this.#options.feed.tell(kind, { tenant: about.tenant, run: about.id, agent: about.agent, data }));
  }

  /** The tenant and the agent of a run that goes on, or is listed. */
  about(run: string): { readonly tenant: string; readonly agent: string } | undefined {
    return this.#agents.get(run) ?? this.#options.index.get(run);
  }

  /** As `tell`, for a run that may not be in memory. */
  #tellOf(kind: Event['kind'], run: string, data: Json, asked?: Asked): void {
    const row = this.about(run);
    const about = row === undefined ? {} : { tenant: row.tenant, agent: row.agent };
    this.#options.notify(this.#options.feed.tell(kind, { ...about, run, data }), asked);
  }

  /** If the disk is full and the index cannot be written, the run goes on: the sweep repairs the index once there is space. */
  #heard(observation: Observation): void {
    try {
      this.#observe(observation);
    } catch (error) {
      if (!(error instanceof CorralError) || error.code !== 'CORRAL_DISK_FULL') throw error;
    }
  }

  #observe(observation: Observation): void {
    const { feed } = this.#options;
    switch (observation.kind) {
      case 'admitted':
        this.#admitted(observation.run);
        return;
      case 'woken':
        this.#woken(observation.run);
        return;
      case 'asked':
        this.#tellOf('run.asked', observation.run, { call: observation.call, tool: observation.tool }, observation.asked);
        return;
      case 'decided':
        if (observation.verdict !== 'approve') this.#noted.add(observation.run, 'refused', 1);
        this.#tellOf('run.decided', observation.run, { call: observation.call, by: observation.by, verdict: observation.verdict });
        return;
      case 'withdrawn':
        this.#tellOf('run.decided', observation.run, { call: observation.call, by: 'host', verdict: observation.kind });
        return;
      case 'quarantined':
      case 'lifted': {
        const { quarantine, by, reason } = observation;
        const tenant = tenantOf(quarantine, this.#options.tenants());
        const data = { kind: quarantine.kind, name: quarantine.name, by, reason };
        const kind = observation.kind === 'lifted' ? 'quarantine.lifted' : 'quarantine.put';
        this.#options.notify(feed.tell(kind, { ...(tenant === undefined ? {} : { tenant }), data }));
        if (observation.kind === 'quarantined' && by === POLICY) this.#keep(quarantine, observation.run);
        return;
      }
      case 'controlled':
        return this.#options.index.control(observation.run, observation.control, observation.by);
      case 'paused':
        this.#tellOf('run.paused', observation.run, { by: observation.by, reason: observation.reason });
        return;
      case 'warned': {
        const { holder, which, name, committed, soft } = observation;
        const { tenant, ...account } = holder;
        const data = { account, period: which, amount: name, committed, soft, run: observation.run };
        this.#options.notify(feed.tell('spend.warned', { tenant, data }));
        return;
      }
      case 'revoked': {
        const { run, grant, by, reason, calls_aborted } = observation;
        if (run !== undefined) this.#tellOf('grant.revoked', run, { grant, by, reason, calls_aborted });
        return;
      }
      case 'differs': {
        const { run, tenant, agent, kind: _, ...data } = observation;
        feed.tell('policy.differs', { run, tenant, agent, data });
        return;
      }
      case 'held':
        feed.tell('run.held', {
          ...this.#agents.get(observation.run),
          run: observation.run,
          data: { why: observation.why, detail: observation.detail },
        });
        return;
      case 'damaged':
        this.#options.index.control(observation.run, 'quarantined', 'host');
        feed.tell('run.damaged', { ...this.#agents.get(observation.run), run: observation.run, data: { code: observation.error.code } });
        return;
      case 'began':
        if (this.#expected.has(observation.run)) this.#begun.add(observation.run);
        else this.#options.index.began(observation.run);
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
      case 'context':
        for (const change of observation.changes)
          feed.tell('run.context', { ...this.#agents.get(observation.run), run: observation.run, data: change });
        return;
      case 'emitted':
        feed.tell('run.emitted', {
          ...this.#agents.get(observation.run),
          run: observation.run,
          data: { event: observation.event, data: (observation.data ?? null) as Json },
          place: observation.place,
        });
        return;
      case 'chunk':
        // Its parts are in the journal alone, from where followers are told.
        feed.tell('run.chunk', { ...this.#agents.get(observation.run), run: observation.run, place: observation.place });
        return;
      case 'logged':
        feed.tell('run.logged', {
          ...this.#agents.get(observation.run),
          run: observation.run,
          data: { level: observation.level, text: observation.text },
          place: observation.place,
        });
        return;
      case 'step':
        this.#tellOf('run.step', observation.run, { step: observation.step, detector: observation.detector, reason: observation.reason });
        return;
      case 'resting':
      case 'rested': {
        const { tenant, agent, version } = observation;
        const data = observation.kind === 'resting' ? { version, why: observation.why, until: observation.until } : { version };
        this.#options.notify(feed.tell(observation.kind === 'resting' ? 'agent.resting' : 'agent.recovered', { tenant, agent, data }));
        return;
      }
      case 'denied':
        this.#noted.add(observation.run, 'refused', observation.count);
        return;
      case 'withheld':
        this.#noted.add(observation.run, 'withheld', 1);
        return;
      case 'parked':
        this.#options.index.parked(observation.run, observation.view);
        return;
      case 'answered':
      case 'replied':
      case 'cranked':
      case 'left':
      case 'hopeless':
      case 'stalled':
      case 'moves':
    }
  }

  /** Records a quarantine that policies put up; what people do is recorded by the routes. */
  #keep(quarantine: Quarantine, run?: RunId): void {
    this.#options.acts.keepQuarantine(quarantine, run === undefined ? [] : [run]);
  }

  #woken(run: RunId): void {
    const known = this.#agents.get(run);
    if (known === undefined) this.#admitted(run);
    else if (this.#untold.delete(run)) this.#tellAdmitted(run, known.tenant, known.agent);
  }

  #admitted(run: RunId): void {
    const { host, feed } = this.#options;
    const view = host.view(run);
    if (view === undefined) return;
    if (this.#expected.has(run)) return;
    // A service instance never ends, so it does not count towards its tenant's queue.
    this.#count(run, view.tenant, view.agent, view.key === undefined);
    feed.tell('run.admitted', { tenant: view.tenant, run, agent: view.agent, data: { parent: view.parent ?? null } });
    void this.#writeDown(run);
  }

  /** Adds a child run, which its parent's commit created. */
  async #writeDown(run: RunId): Promise<void> {
    const { host, index, config } = this.#options;
    const stored = await host.stored(run);
    if (stored === undefined) return;
    index.add(listed(stored), config());
    // It may have begun, been stopped or ended while it had no row.
    const view = host.view(run);
    const { seq, status } = view === undefined ? ((await host.stored(run)) ?? stored) : stored;
    if (status.outcome !== undefined) index.end(run, status.outcome, status.ended_at ?? 0);
    else if (view?.lifecycle === 'active' || seq > 0) index.began(run);
    const control = view?.control ?? status.control;
    if (control !== 'none') index.control(run, control, await stoppedBy(host, run, seq));
  }

  #end(
    run: string,
    about: { readonly tenant: string; readonly agent: string; readonly parent?: string | null | undefined },
    outcome: Outcome,
    at: number,
    spent?: Spent,
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
    this.#noted.write(run);
    this.#gone(run);
  }

  /** @param queued whether the run counts towards its tenant's queue */
  #count(run: string, tenant: string, agent: string, queued = true): void {
    if (queued) this.#runsOf(tenant).add(run);
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
