/** A whole simulated world: hosts that come and go, agents at work, operators who meddle, and an oracle that watches. */
import { emptyProfile, learn } from '@corral/policy/detect/profile';
import { CorralError, type ErrorCode } from '@corral/protocol/errors';
import type { PrincipalId, RunId, TenantId } from '@corral/protocol/ids';
import type { AgentVersion } from '@corral/protocol/manifest';
import type { Commit } from '@corral/protocol/store';
import { Supervisor } from '@corral/supervisor/supervisor';
import type { Known } from './book.ts';
import { Cells } from './cells.ts';
import { Dice } from './dice.ts';
import { Disk } from './disk.ts';
import { lostWake } from './endings.ts';
import { Oracle } from './oracle.ts';
import { Powers } from './powers.ts';
import { replayAll } from './replays.ts';
import { policiesFor } from './rules.ts';
import { EAGER, temperOf, type Temper } from './temper.ts';
import { Timeline } from './timeline.ts';
import { jobs, MANIFESTS, SOURCE, type Job } from './workload.ts';

export interface Result {
  readonly seed: number;
  readonly violation: string | undefined;
  readonly at_ms: number;
  readonly events: number;
  readonly cranks: number;
  readonly hosts: number;
  readonly runs: number;
  readonly ends: ReadonlyMap<string, number>;
}

/** What an operator may be told. Anything else is a fault of the host. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'CORRAL_RUN_UNKNOWN',
  'CORRAL_RUN_STATE',
  'CORRAL_DISK_FULL',
  'CORRAL_STOPPING',
  'CORRAL_CELL_START',
  'CORRAL_APPROVER',
]);
/** How long a world may take to come to rest once nothing goes wrong any more. */
const SETTLE_MS = 60_000;

interface Host {
  alive: boolean;
  supervisor: Supervisor | undefined;
  /** What each tenant has been served, once it has. */
  readonly versions: Map<string, readonly AgentVersion[]>;
}

const STRANGE = emptyProfile();
for (let run = 0; run < 8; run++) learn(STRANGE, [{ tool: 'elsewhere', input: { to: run } }]);

export class World {
  readonly timeline = new Timeline();
  readonly oracle = new Oracle();
  readonly disk: Disk;
  readonly cells: Cells;
  readonly powers: Powers;
  readonly #seed: number;
  readonly #dice: Dice;
  readonly #temper: Temper;
  readonly #verbose: boolean;
  host: Host | undefined;
  /** A write took effect. */
  onWritten: ((op: string, args: readonly unknown[], value: unknown) => void) | undefined;
  /** How often somebody has asked to resume a run. */
  readonly #resumed = new Map<RunId, number>();
  /** Of them, those that have not been answered. */
  readonly #resuming = new Map<RunId, number>();
  #hosts = 0;
  #chaos = true;

  /** @param temper what is not to be drawn from the seed */
  constructor(seed: number, verbose = false, temper: Partial<Temper> = {}) {
    this.#seed = seed;
    this.#verbose = verbose;
    const dice = new Dice(seed);
    this.#temper = { ...temperOf(dice.fork()), ...temper };
    const { timeline, oracle } = this;
    const clock = timeline.clock(() => true);
    oracle.now = () => clock.now();
    const broken = (what: string) => oracle.broken(what);
    this.disk = new Disk(
      timeline,
      dice.fork(),
      {
        before: (op, args) => {
          const after = oracle.before(op, args);
          return (value) => {
            if (verbose && op !== 'alive') this.#say(`disk ${op} ${short(args)} -> ${short(value)}`);
            after(value);
            this.onWritten?.(op, args, value);
          };
        },
        broken,
      },
      this.#temper.disk,
    );
    this.powers = new Powers(
      timeline,
      dice.fork(),
      {
        invoked: (tool, call) => {
          this.#say(`tool ${tool.name} ${call.idempotency_key} attempt ${call.attempt}`);
          oracle.invoked(tool, call);
        },
      },
      this.#temper.powers,
    );
    this.cells = new Cells(
      timeline,
      dice.fork(),
      {
        cranking: (run, delivery, text) => {
          this.#say(`cell cranks ${run} ${text}`);
          oracle.cranking(run as RunId, delivery);
        },
        dying: (runs) => {
          this.#say(`cell dies under ${runs.join(' ')}`);
          oracle.dying(runs);
        },
        excused: (run, why) => oracle.excuse(run, why),
        broken,
      },
      this.#temper.cells,
    );
    oracle.governed = this.#temper.governed;
    oracle.core = this.disk.core;
    oracle.powers = this.powers;
    this.#dice = dice.fork();
  }

  /** Lives through the whole of it. */
  async live(): Promise<Result> {
    const { chaos_ms } = this.#temper;
    this.#say(JSON.stringify(this.#temper));
    const work = jobs(this.#dice.fork(), this.#temper.work, this.#temper.jobs, chaos_ms * 0.7);
    this.start();
    for (const job of work) this.timeline.after(job.at, () => this.submit(job));
    this.#trouble();
    this.#parkOnWake(this.#temper.parkOnWake);
    await this.#until(chaos_ms);
    if (this.oracle.violation === undefined) await this.#settle();
    if (this.oracle.violation === undefined) replayAll(this.disk.core, this.oracle);
    this.end();
    return this.#result();
  }

  end(): void {
    if (this.host !== undefined) this.host.alive = false;
    this.disk.dispose();
  }

  /** A host opens the store. */
  start(): void {
    if (this.host?.alive === true) return;
    this.#hosts += 1;
    this.#resuming.clear();
    const host: Host = { alive: true, supervisor: undefined, versions: new Map() };
    this.host = host;
    const alive = () => host.alive;
    const tools = this.powers.tools(alive);
    const dice = this.#dice.fork();
    this.#say(`host ${this.#hosts} starts`);
    Supervisor.start({
      store: this.disk.open(alive),
      launcher: this.cells.launcher(alive),
      clock: this.timeline.clock(alive),
      random: (n) => dice.bytes(n),
      image: 'sha256:simulated',
      tenants: this.#temper.governed
        ? {
            red: { tools, policies: { current: policiesFor(tools) }, loops: { ladder: EAGER, slow_ms: 50 } },
            blue: { tools, policies: { current: policiesFor(tools) }, loops: dice.chance(0.5) ? false : {} },
          }
        : { red: { tools }, blue: { tools } },
      // One of the tenants has its agents judged by what they never do, so that every fold goes through drift as well.
      profiles: { current: (tenant) => (tenant === 'red' ? 'strange' : undefined), get: () => STRANGE },
      ...this.#temper.host,
    })
      .then(async (supervisor) => {
        host.supervisor = supervisor;
        supervisor.observe((seen) => {
          if (this.#verbose) this.#say(`host sees ${short(seen)}`);
          if (seen.kind === 'damaged') this.oracle.broken(`7: ${seen.run} is damaged: ${seen.error.message}`);
        });
        for (const tenant of ['red', 'blue']) host.versions.set(tenant, await supervisor.deploy(tenant as TenantId, SOURCE, MANIFESTS));
        return undefined;
      })
      .catch((error: unknown) => {
        this.#expected(error, 'starting a host');
        if (host.supervisor === undefined) this.crash();
        else this.timeline.after(100, () => this.crash());
      });
  }

  /** The host is gone in the middle of whatever it was at. Another one follows after a while. */
  crash(): void {
    const { host } = this;
    if (host?.alive !== true) return;
    this.#say('host dies');
    this.oracle.hostsLost += 1;
    host.alive = false;
    this.cells.orphaned();
    this.disk.crash();
    this.timeline.after(this.#dice.spread(1, 2_000), () => this.start());
  }

  /** It is shut down properly. */
  #stop(): void {
    const { host } = this;
    if (host?.alive !== true || host.supervisor === undefined) return;
    this.#say('host closes');
    this.oracle.hostsLost += 1;
    void host.supervisor.close().then(() => {
      if (!host.alive) return undefined;
      host.alive = false;
      this.cells.orphaned();
      this.timeline.after(this.#dice.spread(1, 2_000), () => this.start());
      return undefined;
    });
  }

  submit(job: Job): void {
    const { host } = this;
    const again = () => void (this.#chaos && this.timeline.after(50, () => this.submit(job)));
    const version = host?.versions.get(job.tenant)?.find(({ manifest }) => manifest.name === job.agent);
    if (host?.alive !== true || host.supervisor === undefined || version === undefined) return again();
    host.supervisor
      .submit({
        tenant: job.tenant as TenantId,
        version,
        input: job.program,
        principal: 'sim' as PrincipalId,
        budget: job.budget,
        ...(job.wall_ms === undefined ? {} : { ceilings: { wall_ms: job.wall_ms } }),
      })
      .then(
        (submitted) => {
          this.oracle.accepted.add(submitted.id);
          this.oracle.waiting.set(submitted.id, this.#hosts);
          void submitted.ended.then((outcome) => host.alive && this.oracle.told(submitted.id, outcome));
          return undefined;
        },
        (error: unknown) => {
          this.#expected(error, 'a submit');
          again();
        },
      );
  }

  /** Whatever may go wrong does, now and then, until there has been enough of it. */
  #trouble(): void {
    const { crash_every_ms, strike_every_ms, operate_every_ms, park_every_ms, full_every_ms, slow_every_ms } = this.#temper;
    const dice = this.#dice.fork();
    const now = (every_ms: number, what: () => void) => {
      if (!Number.isFinite(every_ms)) return;
      const next = () =>
        this.timeline.after(dice.spread(every_ms / 5, every_ms * 2), () => {
          if (!this.#chaos) return;
          what();
          next();
        });
      next();
    };
    now(crash_every_ms, () => (dice.chance(0.85) ? this.crash() : this.#stop()));
    now(strike_every_ms, () => this.cells.strike());
    now(operate_every_ms, () => this.#operate(dice));
    now(park_every_ms, () => void this.host?.supervisor?.park());
    now(full_every_ms, () => {
      this.disk.full = true;
      this.timeline.after(dice.spread(5, 1_500), () => (this.disk.full = false));
    });
    now(slow_every_ms, () => {
      this.disk.slow = dice.spread(3, 100);
      this.timeline.after(dice.spread(20, 500), () => (this.disk.slow = 1));
    });
  }

  /** Parks whatever can be, just when something is on its way to a run. */
  #parkOnWake(odds: number): void {
    const dice = this.#dice.fork();
    this.disk.onQueued = (op, args) => {
      if (!this.#chaos || op !== 'commit' || (args[0] as Commit).outbox.length === 0 || !dice.chance(odds)) return;
      this.timeline.after(dice.spread(0.01, 1), () => void this.host?.supervisor?.park());
    };
  }

  #operate(dice: Dice): void {
    const live = this.#live();
    if (live.length === 0) return;
    const known = dice.pick(live);
    const roll = dice.next();
    if (dice.chance(0.3)) this.#decide(dice);
    else if (dice.chance(0.2)) this.#revoke(known, dice);
    else if (roll < 0.4) this.#pause(known.record.id);
    else if (roll < 0.75) this.#resume(known.record.id);
    else if (roll < 0.83) this.#cancel(known.record.id);
    else if (roll < 0.91) this.#kill(known.record.id);
    else this.#resolve(known, dice);
  }

  #live(): Known[] {
    return [...this.oracle.runs.values()].filter(({ outcome }) => outcome === undefined);
  }

  #pause(run: RunId): void {
    const resumed = this.#resumed.get(run);
    this.#command(
      'pause',
      run,
      (control) => control.pause(run, 'sim', 'now'),
      () => {
        // Somebody who asked to resume it, however long ago, may be served only now.
        if (this.#resumed.get(run) === resumed && (this.#resuming.get(run) ?? 0) === 0) this.oracle.paused.add(run);
      },
    );
  }

  #resume(run: RunId): void {
    if (this.host?.alive !== true || this.host.supervisor === undefined) return;
    this.oracle.paused.delete(run);
    this.#resumed.set(run, (this.#resumed.get(run) ?? 0) + 1);
    const asked = (by: number) => this.#resuming.set(run, (this.#resuming.get(run) ?? 0) + by);
    asked(1);
    this.#command('resume', run, (control) => control.resume(run, 'sim', 'now').finally(() => asked(-1)));
  }

  #cancel(run: RunId): void {
    this.oracle.asks('cancel', run);
    this.#command('cancel', run, (control) => control.cancel(run, 'sim', 'now', this.#dice.pick([0, 20, 2_000])));
  }

  #kill(run: RunId): void {
    this.oracle.asks('kill', run);
    this.#command(
      'kill',
      run,
      (control) => control.kill(run, 'sim', 'now'),
      () => this.oracle.hasKilled(run),
    );
  }

  /** Somebody looks at what waits for approval, and decides about some of it. */
  #decide(dice: Dice, all = false): void {
    const { host } = this;
    if (host?.alive !== true || host.supervisor === undefined) return;
    host.supervisor.approvals().then(
      (waiting) => {
        for (const { run, call } of waiting) {
          if (!host.alive || (!all && dice.chance(0.5))) continue;
          const by = `person ${dice.below(1_000)}`;
          const verdict = dice.chance(0.7) ? 'approve' : 'deny';
          this.#command(`${verdict} ${call}`, run, (control) => control.decide(run, call, by, verdict, 'as they said'));
        }
        return undefined;
      },
      (error: unknown) => this.#expected(error, 'looking at approvals'),
    );
  }

  #revoke(known: Known, dice: Dice): void {
    const { supervisor } = this.host ?? {};
    const held = known.record.caps.filter(({ alias }) => alias !== '');
    if (held.length === 0 || supervisor === undefined) return;
    const { grant } = dice.pick(held);
    this.oracle.revoking.add(grant);
    this.#command(
      `revoke ${grant}`,
      known.record.id,
      () => supervisor.stops.revoke(grant, 'sim', 'now'),
      () => this.oracle.hasRevoked(grant),
    );
  }

  #resolve(known: Known, dice: Dice): void {
    const run = known.record.id;
    const [call] = [...known.calls].filter(([, one]) => one.unknown).map(([id]) => id);
    if (call === undefined) return;
    const how = dice.pick([{ how: 'retry' } as const, { how: 'fail' } as const, { how: 'result', value: 'said so' } as const]);
    this.#command(`resolve ${how.how} ${call}`, run, (control) => control.resolve(run, call, 'sim', how));
  }

  #command(what: string, run: RunId, work: (control: Supervisor['control']) => Promise<unknown>, then?: () => void): void {
    const { host } = this;
    if (host?.alive !== true || host.supervisor === undefined) return;
    this.#say(`operator ${what} ${run}`);
    work(host.supervisor.control).then(
      (receipt) => {
        if (!host.alive) return undefined;
        this.#say(`receipt of ${what} ${run} ${short(receipt)}`);
        then?.();
        return undefined;
      },
      (error: unknown) => this.#expected(error, `${what} ${run}`),
    );
  }

  #expected(error: unknown, what: string): void {
    this.#say(`${what}: ${String(error)}`);
    if (error instanceof CorralError && REFUSALS.has(error.code)) return;
    this.oracle.broken(`${what} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }

  async #until(ms: number): Promise<void> {
    await this.timeline.run(ms, () => this.oracle.violation !== undefined);
  }

  /** Nothing goes wrong any more, and operators let everything go on: it must all come to an end, or wait for a reason. */
  async #settle(): Promise<void> {
    this.#chaos = false;
    this.#say('the trouble is over');
    this.oracle.calmFrom = this.oracle.now() + 500;
    this.disk.full = false;
    this.disk.slow = 1;
    this.cells.calm = this.powers.calm = true;
    this.#temper.disk.failing = 0;
    if (this.host?.alive !== true) this.start();
    const dice = this.#dice.fork();
    const until = this.timeline.now + SETTLE_MS;
    while (this.timeline.now < until && this.oracle.violation === undefined) {
      await this.#until(this.timeline.now + 1_000);
      const live = this.#live();
      for (const known of live) {
        if (known.control === 'paused') this.#resume(known.record.id);
        this.#resolve(known, dice);
      }
      this.#decide(dice, true);
      const timers = (known: Known) => [...known.timers.values()].some(({ over }) => !over);
      if (live.every((known) => !timers(known) && lostWake(this.oracle, known) === undefined)) break;
    }
    // What ended just now is on its way to whoever waits for it.
    await this.#until(this.timeline.now + 100);
    if (this.oracle.violation !== undefined) return;
    for (const known of this.#live()) {
      const why = lostWake(this.oracle, known);
      if (why !== undefined) this.oracle.broken(`7: ${known.record.id} (${known.record.agent}) does not go on: ${why}`);
    }
    for (const [run, host] of this.oracle.waiting) {
      if (host === this.#hosts && this.oracle.runs.get(run)?.outcome !== undefined)
        this.oracle.broken(`7: whoever waits for ${run} was never told that it has ended`);
    }
    for (const comesTrue of this.oracle.owed) comesTrue();
    for (const run of this.oracle.accepted) if (!this.oracle.runs.has(run)) this.oracle.broken(`7: ${run} was accepted and is nowhere`);
  }

  #result(): Result {
    const ends = new Map<string, number>();
    for (const { outcome } of this.oracle.runs.values()) {
      const kind =
        outcome === undefined
          ? 'waiting'
          : outcome.kind === 'failed'
            ? outcome.code
            : outcome.kind === 'exceeded'
              ? `exceeded ${outcome.limit}`
              : outcome.kind;
      ends.set(kind, (ends.get(kind) ?? 0) + 1);
    }
    return {
      seed: this.#seed,
      violation: this.oracle.violation,
      at_ms: this.timeline.now,
      events: this.timeline.events,
      cranks: this.cells.cranks,
      hosts: this.#hosts,
      runs: this.oracle.runs.size,
      ends,
    };
  }

  #say(what: string): void {
    if (this.#verbose) process.stdout.write(`${this.timeline.now.toFixed(3).padStart(12)} ${what}\n`);
  }
}

const short = (value: unknown): string =>
  (JSON.stringify(value, (_, one: unknown) => (one instanceof Map ? [...one] : one)) ?? 'nothing').slice(0, 900);
