/** A simulated world: hosts that start and die, agents that run programs, operators that intervene, and an oracle that checks all. */
import type { Slice } from '@corral/broker/bus';
import { emptyProfile, learn } from '@corral/policy/detection/profile';
import { CorralError } from '@corral/protocol/errors';
import type { PrincipalId, RunId, TenantId } from '@corral/protocol/ids';
import { MICROS } from '@corral/protocol/limits';
import type { HeldElsewhere } from '@corral/protocol/ports/store';
import { Supervisor } from '@corral/supervisor/supervisor';
import { accountsHold, heldBack } from './accounts.ts';
import type { Cells } from './cells.ts';
import { Dice } from './dice.ts';
import type { Disk } from './disk.ts';
import { APART_MS, Fleet, Host, nodesFrom } from './fleet.ts';
import { cellsOf, diskOf, type Parts, type Seat, short } from './seats.ts';
import { KnownNodes } from './nodes.ts';
import { Pulse } from './pulse.ts';
import { endsOf } from './endings.ts';
import { Oracle } from './oracle.ts';
import { Powers } from './powers.ts';
import { replayAll } from './replays.ts';
import { Operators } from './operators.ts';
import { isAtRest, judgeRest } from './rest.ts';
import { isExpected } from './refusals.ts';
import { Rumours } from './rumours.ts';
import { setupFrom, TENANTS, tenantsOf, WHOLE, type Setup } from './setup.ts';
import { temperOf, type Temper } from './temper.ts';
import { MIDNIGHT, Timeline } from './timeline.ts';
import { trouble } from './trouble.ts';
import { manifestsOf, SOURCE, type Job, workOf } from './workload.ts';

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

/** Maximum time until a world is at rest after the faults have ended. */
const SETTLE_MS = 60_000;
/** A limit that no world reaches, in millionths: with it the host keeps account of what is spent. */
const PLENTY = 1e15;

const isHeld = (value: unknown): value is HeldElsewhere => typeof value === 'object' && value !== null && 'holder' in value;

const STRANGE = emptyProfile();
for (let run = 0; run < 8; run++) learn(STRANGE, [{ tool: 'elsewhere', input: { to: run } }]);

export class World {
  readonly timeline = new Timeline();
  readonly oracle = new Oracle();
  readonly disk: Disk;
  readonly cells: Cells;
  readonly #seat: Seat;
  readonly #fleet: Fleet | undefined;
  readonly #nodes: KnownNodes;
  readonly powers: Powers;
  readonly #seed: number;
  readonly #dice: Dice;
  readonly #temper: Temper;
  readonly #verbose: boolean;
  host: Host | undefined;
  /** Called when a write has taken effect. */
  onWritten: ((op: string, args: readonly unknown[], value: unknown) => void) | undefined;
  readonly #people: Operators;
  readonly #setups: Dice;
  readonly #stops: Dice;
  readonly #kin: Dice;
  /** Maximum amount that a tenant may pay in a day, in millionths. */
  readonly #spend: number | undefined;
  readonly #hints: Dice;
  readonly #slices: Dice;
  #hosts = 0;
  #chaos = true;
  /** @param temper parameters that are not drawn from the seed */
  constructor(seed: number, verbose = false, temper: Partial<Temper> = {}) {
    this.#seed = seed;
    this.#verbose = verbose;
    const dice = new Dice(seed);
    this.#temper = { ...temperOf(dice.fork()), ...temper };
    const { timeline, oracle } = this;
    const { midnight } = this.#temper;
    if (midnight !== undefined) {
      timeline.epoch = MIDNIGHT - midnight.in_ms;
      this.#spend = oracle.mostADay = midnight.money * MICROS;
    } else if (this.#temper.slices !== undefined && this.#temper.supervisors === 1) this.#spend = oracle.mostADay = PLENTY;
    const clock = timeline.clock(new Pulse());
    oracle.now = () => clock.now();
    oracle.graces.endsLate = Number.isFinite(this.#temper.full_every_ms) || this.#temper.disk.failing > 0;
    oracle.places = this.#temper.host.residency.runs_in_memory;
    oracle.graces.beat_ms = this.#temper.host.residency.sweep_ms;
    const broken = (what: string) => oracle.broken(what);
    this.#nodes = new KnownNodes(() => timeline.epoch + timeline.now, broken);
    const parts: Parts = {
      timeline,
      oracle,
      nodes: this.#nodes,
      temper: this.#temper,
      say: verbose ? (what) => this.#say(what()) : () => undefined,
      written: (seat, op, args, value) => {
        this.onWritten?.(op, args, value);
        if (op === 'commit') this.#fleet?.committed(seat);
        if (op === 'claim' && isHeld(value)) this.#fleet?.heldElsewhere(seat, args[0] as RunId, value.holder);
      },
    };
    this.disk = diskOf(parts, dice.fork(), () => this.#seat);
    this.powers = new Powers(
      timeline,
      dice.fork(),
      {
        invoked: (tool, call, by) => {
          this.#say(`tool ${tool.name} ${call.idempotency_key} attempt ${call.attempt} by node ${by}`);
          oracle.calls.invoked(tool, call, this.#nodes.sendsLate(call.run, by));
          this.#nodes.invoked(tool, call, by);
          return oracle.calls.paysOn(call);
        },
      },
      // With `debts` many results are lost, payments included, and operators have those calls made again.
      { ...this.#temper.powers, ...(this.#temper.debts ? { losing: 0.4 } : {}) },
    );
    this.cells = cellsOf(parts, dice.fork(), () => this.#seat);
    oracle.nodes = this.#nodes;
    oracle.governed = this.#temper.governed;
    oracle.core = this.disk.core;
    oracle.powers = this.powers;
    this.#dice = dice.fork();
    // Forked last, so that everything above stays the same for a seed.
    this.#setups = dice.fork();
    this.#stops = dice.fork();
    this.#kin = dice.fork();
    this.#hints = dice.fork();
    this.#slices = dice.fork();
    const of = dice.fork();
    const [node, skew_ms] = this.#temper.supervisors > 1 ? nodesFrom(of) : [() => undefined, () => 0];
    this.#seat = { disk: this.disk, cells: this.cells, node: node(0), skew_ms: skew_ms() };
    this.#people = new Operators({
      oracle,
      dice: this.#dice,
      host: this.#front,
      insists: () => this.#temper.debts && this.#chaos,
      lease_ms: this.#seat.node?.lease_ms ?? 0,
      later: (ms, then) => void timeline.after(ms, then),
      say: (what) => this.#say(what),
      refused: (error, what) => this.#expected(error, what),
    });
    if (this.#temper.supervisors === 1) return;
    oracle.setups.apart_ms = APART_MS;
    const seats: Seat[] = [];
    for (let i = 1; i < this.#temper.supervisors; i++) {
      const seat = () => seats[i - 1] as Seat;
      seats.push({
        disk: diskOf(parts, of.fork(), seat, this.disk),
        cells: cellsOf(parts, of.fork(), seat),
        node: node(i),
        skew_ms: skew_ms(),
      });
    }
    this.#fleet = new Fleet({
      timeline,
      dice: of.fork(),
      seats,
      boot: (...on) => this.#boot(...on),
      first: () => this.host,
      lost: () => (oracle.hostsLost += 1),
      disturbed: () => oracle.graces.disturbed(),
      broken,
      say: (what) => this.#say(what),
    });
  }

  /** Runs the whole world. @returns its result */
  async live(): Promise<Result> {
    const { chaos_ms } = this.#temper;
    this.#say(JSON.stringify(this.#temper));
    const work = workOf(this.#dice.fork(), this.#temper);
    this.start();
    this.#fleet?.start();
    for (const job of work) this.timeline.after(job.at, () => this.submit(job));
    trouble({
      timeline: this.timeline,
      temper: this.#temper,
      disk: this.disk,
      cells: this.cells,
      people: this.#people,
      dice: this.#dice,
      stops: this.#stops,
      kin: this.#kin,
      isOver: () => !this.#chaos,
      crash: () => this.crash(),
      stop: () => this.#stop(),
      park: () => void this.host?.supervisor?.park(),
      configure: () => this.#configure(setupFrom(this.#setups)),
      configureBy: this.#setups,
    });
    await this.#until(chaos_ms);
    if (this.oracle.violation === undefined) await this.#settle();
    if (this.oracle.violation === undefined) accountsHold(this.oracle);
    if (this.oracle.violation === undefined) replayAll(this.disk.core, this.oracle);
    this.end();
    return this.#result();
  }

  end(): void {
    this.host?.pulse.die();
    this.#fleet?.end();
    this.disk.dispose();
  }

  /** Starts a host on the store. */
  start(): void {
    if (this.host?.alive === true) return;
    this.#people.forget();
    this.host = this.#boot(this.#seat, this.#dice.fork(), () => this.crash());
  }

  /** @param failed called if it could not start, or cannot go on */
  #boot(seat: Seat, dice: Dice, failed: (host: Host) => void): Host {
    this.#hosts += 1;
    const host = new Host(seat, this.#hosts);
    const { pulse } = host;
    const clock = this.timeline.clock(pulse, seat.skew_ms);
    const tools = this.powers.tools(pulse, () => seat.disk.node);
    // Several hosts have the same configuration at a time.
    const present = this.#fleet === undefined ? WHOLE : this.oracle.setups.now;
    const setup = !this.#chaos ? WHOLE : this.#temper.varied ? setupFrom(this.#setups) : present;
    this.oracle.setups.put(this.oracle.now(), setup);
    const started = this.oracle.setups.starting(setup, () => host.alive);
    // Every host draws it, used or not, so that the seed gives the same world.
    const watched = this.#temper.governed && !dice.chance(0.5);
    host.configure = (next) => host.supervisor?.configure(tenantsOf(tools, next, this.#temper.governed, watched, this.#spend));
    this.oracle.graces.hostStarts(this.oracle.now());
    this.#say(`host ${this.#hosts} starts`);
    Supervisor.start({
      store: seat.disk.open(pulse, (run) => host.fences.add(run)),
      ...(seat.node === undefined ? {} : { node: seat.node }),
      launcher: seat.cells.launcher(pulse),
      clock,
      random: (n) => dice.bytes(n),
      wakeUps: new Rumours(clock, this.#hints, () => this.#temper.hints),
      image: 'sha256:simulated',
      tenants: tenantsOf(tools, setup, this.#temper.governed, watched, this.#spend),
      // One tenant has a profile that its agents never match, so that every fold includes drift.
      profiles: { current: (tenant) => (tenant === 'red' ? 'strange' : undefined), get: () => STRANGE },
      ...this.#temper.host,
      slice: (run) => this.#slice(run),
      ...(this.#temper.approval_ms === undefined ? {} : { approval_ms: this.#temper.approval_ms }),
    })
      .then(async (supervisor) => {
        host.supervisor = supervisor;
        started(this.oracle.now());
        if (!this.#chaos) this.#configure(WHOLE);
        supervisor.observe((seen) => {
          if (this.#verbose) this.#say(`host sees ${short(seen)}`);
          // A run under which hosts die is suspected and quarantined; the oracle checks that when it becomes durable.
          const suspected = seen.kind === 'damaged' && seen.error.message.includes('hosts in a row died');
          if (seen.kind === 'damaged' && !suspected) this.oracle.broken(`7: ${seen.run} is damaged: ${seen.error.message}`);
        });
        for (const tenant of TENANTS) await this.#deploy(host, supervisor, tenant);
        return undefined;
      })
      .catch((error: unknown) => {
        this.#expected(error, 'starting a host');
        if (host.supervisor === undefined) failed(host);
        else this.timeline.after(100, () => host.alive && failed(host));
      });
    return host;
  }

  /** The size of a slice of a run's crank, and sometimes a person who intervenes before the next one. */
  #slice(run: RunId): Slice {
    const { slices } = this.#temper;
    const dice = this.#slices;
    if (slices === undefined || !this.#chaos) return { effects: Number.POSITIVE_INFINITY, gap_ms: 0 };
    const gap_ms = dice.chance(0.2) ? 0 : dice.spread(0.01, slices.gap_ms);
    if (dice.chance(slices.meddling)) this.timeline.after(dice.between(0, gap_ms), () => this.#people.meddle(run, dice));
    return { effects: 1 + dice.below(slices.effects), gap_ms };
  }

  /** Deploys the agents of a tenant. A tenant that lacks a tool cannot deploy and keeps what it has. */
  async #deploy(host: Host, supervisor: Supervisor, tenant: string): Promise<void> {
    try {
      host.versions.set(tenant, await supervisor.deploy(tenant as TenantId, SOURCE, manifestsOf(this.#temper.questions)));
    } catch (error) {
      const lacks = error instanceof CorralError && error.code === 'CORRAL_CAP_UNKNOWN';
      // A host that is just starting may have been given an earlier configuration than the others.
      if (!lacks || !this.oracle.setups.wasMissingAny(tenant)) throw error;
      this.timeline.after(
        100,
        () => host.alive && void this.#deploy(host, supervisor, tenant).catch((again: unknown) => this.#expected(again, 'a deploy')),
      );
    }
  }

  /** Kills the host at a random moment. Another one starts after a while. */
  crash(): void {
    const { host } = this;
    if (host?.alive !== true) return;
    this.#say('host dies');
    this.oracle.hostsLost += 1;
    this.oracle.graces.hostStops(this.oracle.now());
    if (this.#fleet !== undefined) this.oracle.graces.disturbed();
    host.pulse.die();
    this.cells.orphaned();
    this.disk.crash();
    this.timeline.after(this.#dice.spread(1, 2_000), () => this.start());
  }

  /** Shuts the host down properly. */
  #stop(): void {
    const { host } = this;
    if (host?.alive !== true || host.supervisor === undefined) return;
    this.#say('host closes');
    this.oracle.hostsLost += 1;
    void host.supervisor.close().then(() => {
      if (!host.alive) return undefined;
      this.oracle.graces.hostStops(this.oracle.now());
      host.pulse.die();
      this.cells.orphaned();
      this.timeline.after(this.#dice.spread(1, 2_000), () => this.start());
      return undefined;
    });
  }

  /** A host that takes jobs and commands now. */
  readonly #front = (): Host | undefined => (this.#fleet === undefined ? this.host : this.#fleet.pick());

  submit(job: Job): void {
    const host = this.#front();
    const again = () => void (this.#chaos && this.timeline.after(50, () => this.submit(job)));
    const version = host?.versions.get(job.tenant)?.find(({ manifest }) => manifest.name === job.agent);
    if (host?.alive !== true || host.supervisor === undefined || version === undefined) return again();
    const stands = () => this.oracle.stopped.against(job);
    const before = stands();
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
          if (before !== undefined && before === stands())
            this.oracle.broken(`8: a submit of ${job.agent} was accepted under the quarantine of ${before}`);
          this.oracle.waiting.set(submitted.id, host.number);
          void submitted.ended.then((outcome) => host.alive && this.oracle.told(submitted.id, outcome));
          return undefined;
        },
        (error: unknown) => {
          const lacks = error instanceof CorralError && error.code === 'CORRAL_CAP_UNKNOWN';
          if (!lacks || !this.oracle.setups.wasMissingAny(job.tenant)) this.#expected(error, 'a submit');
          again();
        },
      );
  }

  /** Gives the running hosts a new configuration. One that starts just now gets it at the end of its start; until then none is given. */
  #configure(setup: Setup): void {
    const hosts = this.#fleet === undefined ? [this.host].filter((host) => host?.alive === true) : this.#fleet.living();
    const ready = hosts.filter((host) => host?.supervisor !== undefined);
    if (ready.length === 0 || (this.#chaos && ready.length < hosts.length)) return;
    this.#say(`the host is configured: ${setup.rules} ${TENANTS.map((tenant) => [...(setup.missing[tenant] ?? [])].join()).join(' ')}`);
    this.oracle.setups.put(this.oracle.now(), setup);
    for (const host of ready) host?.configure(setup);
  }

  #expected(error: unknown, what: string): void {
    this.#say(`${what}: ${String(error)}`);
    const { supervisors, midnight } = this.#temper;
    if (isExpected(error, what, { isFleet: supervisors > 1, isBounded: midnight !== undefined, hostsLost: this.oracle.hostsLost })) return;
    this.oracle.broken(`${what} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }

  async #until(ms: number): Promise<void> {
    await this.timeline.run(ms, () => this.oracle.violation !== undefined);
  }

  /** Ends all faults and has operators resume everything: every run must end, or wait for a good reason. */
  async #settle(): Promise<void> {
    this.#chaos = false;
    this.#say('the trouble is over');
    // After cells have failed to start in a row, the host waits before the next attempt.
    this.oracle.calmFrom = this.oracle.now() + (this.#temper.stillbirths > 2 ? 5_000 : 500);
    this.disk.full = false;
    this.disk.slow = 1;
    this.cells.calm = this.powers.calm = true;
    this.#temper.disk.failing = 0;
    this.#fleet?.calm();
    if (this.host?.alive !== true) this.start();
    this.#configure(WHOLE);
    const dice = this.#dice.fork();
    const until = this.timeline.now + SETTLE_MS;
    while (this.timeline.now < until && this.oracle.violation === undefined) {
      await this.#until(this.timeline.now + 1_000);
      const live = this.#people.live();
      for (const known of live) {
        if (known.control === 'paused') this.#people.resume(known.record.id);
        this.#people.resolve(known, dice);
      }
      this.#people.liftAll();
      this.#people.decide(dice, true);
      if (isAtRest(this.oracle, live)) break;
    }
    const resumed = this.oracle.now();
    // Outcomes of runs that have just ended are still on their way to their callers.
    await this.#until(this.timeline.now + (this.#fleet === undefined ? 100 : 2_500));
    if (this.oracle.violation !== undefined) return;
    const waits = (host: number) => this.#fleet?.isAlive(host) ?? host === this.host?.number;
    // A host asks once a second for the end of a run that is not its own.
    judgeRest(this.oracle, this.#people.live(), resumed, waits, this.#fleet === undefined ? 0 : 2_000);
    await this.#accountsAgree();
    for (const comesTrue of this.oracle.owed) comesTrue();
  }

  /** Checks that the host's memory and the store agree about the accounts, once all commits are durable. */
  async #accountsAgree(): Promise<void> {
    const held = () => {
      const supervisor = this.host?.supervisor;
      return supervisor === undefined ? 0 : heldBack(this.oracle, supervisor, this.oracle.now());
    };
    for (let tries = 0; held() !== 0 && tries < 20; tries++) await this.#until(this.timeline.now + 100);
    if (held() !== 0) this.oracle.broken(`10: the host and the store differ by ${held()} about what is left of the accounts`);
  }

  #result(): Result {
    const { timeline, cells, oracle } = this;
    const { violation, runs } = oracle;
    const { now: at_ms, events } = timeline;
    return {
      seed: this.#seed,
      violation,
      at_ms,
      events,
      cranks: cells.cranks,
      hosts: this.#hosts,
      runs: runs.size,
      ends: endsOf(runs.values()),
    };
  }

  #say(what: string): void {
    if (this.#verbose) process.stdout.write(`${this.timeline.now.toFixed(3).padStart(12)} ${what}\n`);
  }
}
