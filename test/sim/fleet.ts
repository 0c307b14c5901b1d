/** Further hosts of a simulated world, each with a port of its own to the same disk: they crash, close, stand still and are slow. */
import type { RunId } from '@corral/protocol/ids';
import type { AgentVersion } from '@corral/protocol/model/manifest';
import type { NodeOptions } from '@corral/supervisor/runs/membership';
import type { Supervisor } from '@corral/supervisor/supervisor';
import type { Dice } from './dice.ts';
import { Pulse } from './pulse.ts';
import type { Seat } from './seats.ts';
import type { Setup } from './setup.ts';
import type { Timeline } from './timeline.ts';

export class Host {
  readonly seat: Seat;
  readonly number: number;
  readonly pulse = new Pulse();
  supervisor: Supervisor | undefined;
  /** The versions that were deployed for each tenant. */
  readonly versions = new Map<string, readonly AgentVersion[]>();
  configure: (setup: Setup) => void = () => undefined;
  /** Runs that it was told to kill and has not answered about, by command. */
  readonly kills = new Map<symbol, RunId>();
  /** Runs that it wanted to take from other nodes by force. */
  readonly fences = new Set<RunId>();

  constructor(seat: Seat, number: number) {
    this.seat = seat;
    this.number = number;
  }

  get alive(): boolean {
    return this.pulse.alive();
  }
}

export interface FleetOptions {
  readonly timeline: Timeline;
  readonly dice: Dice;
  readonly seats: readonly Seat[];
  /** Starts a host. @param failed called if it could not start */
  readonly boot: (seat: Seat, dice: Dice, failed: (host: Host) => void) => Host;
  /** The first host of the world, which is not one of these. */
  readonly first: () => Host | undefined;
  readonly lost: () => void;
  /** A host is lost, stands still, goes on, or is slower or faster from now on. */
  readonly disturbed: () => void;
  readonly broken: (what: string) => void;
  readonly say: (what: string) => void;
}

/** Time within which an answer of the store that took effect reaches its host. */
const KNOWN_MS = 50;
/** Probability that a host stands still just after one of its commits took effect, before it learns of that. */
const STILL = 0.03;

export class Fleet {
  readonly #options: FleetOptions;
  readonly #hosts: (Host | undefined)[];
  #chaos = true;

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#hosts = options.seats.map(() => undefined);
  }

  /** All hosts that are alive, the first one included. */
  living(): Host[] {
    return [this.#options.first(), ...this.#hosts].filter((host) => host?.alive === true) as Host[];
  }

  /** One of the hosts that take commands. */
  pick(): Host | undefined {
    const ready = this.ready();
    return ready.length === 0 ? undefined : this.#options.dice.pick(ready);
  }

  /** Hosts that take commands. */
  ready(): Host[] {
    return this.living().filter(({ supervisor, pulse }) => supervisor !== undefined && !pulse.isStopped);
  }

  isAlive(number: number): boolean {
    return this.living().some((host) => host.number === number);
  }

  start(): void {
    const { dice, seats } = this.#options;
    for (const i of seats.keys()) this.#start(i);
    const now = (least: number, most: number, what: () => void) => {
      const next = () =>
        this.#options.timeline.after(dice.spread(least, most), () => {
          if (!this.#chaos) return;
          what();
          next();
        });
      next();
    };
    now(200, 4_000, () => this.#end());
    now(50, 1_500, () => this.#stand(dice.pick(this.living())));
    now(100, 2_000, () => void this.pick()?.supervisor?.park());
    now(200, 3_000, () => {
      const { disk } = dice.pick(this.living())?.seat ?? {};
      if (disk === undefined) return;
      this.#slow(disk, dice.spread(3, 100));
      this.#options.timeline.after(dice.spread(20, 500), () => this.#slow(disk, 1));
    });
  }

  /**
   * A host was told that another node holds a run. If it was told to kill that run, it may not wait for the other node: it must want to take
   * it as soon as it knows.
   */
  heldElsewhere(seat: Seat, run: RunId, holder: number): void {
    const host = this.living().find((one) => one.seat === seat);
    if (host === undefined || ![...host.kills.values()].includes(run) || host.fences.has(run)) return;
    const { stops } = host.pulse;
    this.#options.timeline.after(KNOWN_MS, () => {
      const isIdle = host.alive && host.pulse.stops === stops && !host.pulse.isStopped;
      if (isIdle && [...host.kills.values()].includes(run) && !host.fences.has(run))
        this.#options.broken(`8: the kill of ${run} by host ${host.number} waits for node ${holder}, which holds it`);
    });
  }

  #slow(disk: Seat['disk'], factor: number): void {
    disk.slow = factor;
    this.#options.disturbed();
  }

  /** A commit has taken effect, and its host does not know yet. */
  committed(seat: Seat): void {
    if (this.#chaos && this.#options.dice.chance(STILL)) this.#stand(this.living().find((host) => host.seat === seat));
  }

  /** The faults end: everybody goes on, and those that are gone are started. */
  calm(): void {
    this.#chaos = false;
    for (const host of this.living()) this.#goOn(host);
    for (const [i, seat] of this.#options.seats.entries()) {
      seat.disk.slow = 1;
      seat.cells.calm = true;
      if (this.#hosts[i]?.alive !== true) this.#start(i);
    }
  }

  end(): void {
    for (const host of this.#hosts) host?.pulse.die();
  }

  #start(i: number): void {
    const { boot, seats, dice, timeline } = this.#options;
    if (this.#hosts[i]?.alive === true) return;
    this.#hosts[i] = boot(seats[i] as Seat, dice.fork(), (host) => {
      this.#crash(host);
      timeline.after(dice.spread(1, 500), () => this.#start(i));
    });
  }

  #end(): void {
    const { dice, timeline, lost } = this.#options;
    const i = dice.below(this.#hosts.length);
    const host = this.#hosts[i];
    if (host?.alive !== true) return;
    const again = () => void timeline.after(dice.spread(1, 2_000), () => this.#start(i));
    if (dice.chance(0.7) || host.supervisor === undefined) {
      this.#options.say(`host ${host.number} dies`);
      lost();
      this.#crash(host);
      return again();
    }
    this.#options.say(`host ${host.number} closes`);
    lost();
    void host.supervisor.close().then(() => {
      if (!host.alive) return undefined;
      this.#crash(host);
      again();
      return undefined;
    });
  }

  #crash(host: Host): void {
    this.#options.disturbed();
    host.pulse.die();
    host.seat.cells.orphaned();
    host.seat.disk.crash();
  }

  /** A host stands still for a while, often for longer than its lease. */
  #stand(host: Host | undefined): void {
    if (host === undefined || host.pulse.isStopped) return;
    const { dice, timeline, say } = this.#options;
    const lease_ms = host.seat.node?.lease_ms ?? 0;
    say(`host ${host.number} stands still`);
    host.pulse.stop();
    this.#options.disturbed();
    // The others may take it for dead.
    this.#options.lost();
    timeline.after(dice.spread(lease_ms / 5, lease_ms * 3), () => this.#goOn(host));
  }

  #goOn(host: Host): void {
    if (!host.pulse.isStopped) return;
    this.#options.say(`host ${host.number} goes on`);
    this.#options.disturbed();
    host.pulse.go((then) => void this.#options.timeline.after(0, then));
  }
}

/** How far the clock of a host may be from that of the world. Milliseconds */
export const APART_MS = 3;

/** Names, leases and clocks of hosts that share a store. @returns the node of a place, and how far a clock is ahead */
export function nodesFrom(dice: Dice): [(i: number) => NodeOptions, () => number] {
  const lease_ms = dice.spread(300, 1_500);
  return [(i) => ({ name: `node-${i}`, lease_ms, margin_ms: lease_ms / 5 }), () => (dice.next() * 2 - 1) * APART_MS];
}
