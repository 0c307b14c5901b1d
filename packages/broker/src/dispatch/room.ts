/**
 * Room in memory for results of calls. A call that leaves may bring back as much as one result of its run may have; a call for which its
 * tenant has no room waits until others have ended. A tenant always has room for one call. Its runs take turns, so that one with thousands of
 * calls delays a call of another by one of them. Calls of a run for which nothing more may be kept wait until something may: their results
 * would be kept until the run has taken them.
 */
import type { RunId, TenantId } from '@corral/protocol/ids';
import type { Clock } from '@corral/protocol/ports/machine';
import { STALE_MS, type Coming } from '../memory.ts';
import type { Gates } from './gates.ts';

/** A call that is to leave. */
export interface Leaving {
  readonly tenant: TenantId;
  readonly run: RunId;
  readonly tool: string;
  /** The largest result that it may bring back. */
  readonly bytes: number;
}

interface Waiting {
  readonly call: Leaving;
  readonly go: () => void;
}

interface Line {
  bytes: number;
  /** Calls that wait, by run; the run whose turn is next comes first. */
  readonly waiting: Map<RunId, Waiting[]>;
}

/** How often it is looked whether more may be kept for runs whose calls wait. */
const LOOK_MS = 50;
/** Runs of a tenant whose next call is looked at in one go. */
const LOOKED = 256;

export interface RoomMost {
  readonly tenant: number;
  readonly all: number;
}

export interface RoomOptions {
  readonly clock: Clock;
  /** Bytes for results of one tenant, and of all; undefined: they have no bound. */
  readonly most: (() => RoomMost) | undefined;
  /** Why nothing more may be kept in memory for a run. */
  readonly lacks: ((run: RunId, coming: Coming) => string | undefined) | undefined;
}

export class Room {
  readonly #options: RoomOptions;
  /** Tenants with calls; the one whose turn is next comes first. */
  readonly #lines = new Map<TenantId, Line>();
  #bytes = 0;
  /** Bytes by run. */
  readonly #runs = new Map<RunId, number>();
  /** Calls that wait. */
  #waiting = 0;
  #looking = false;
  /** Room that is given back later, in the order of its time. There is one timer for all, because a call would pay for one of its own. */
  readonly #back: { readonly at: number; readonly give: () => void }[] = [];
  #isGiving = false;

  constructor(options: RoomOptions) {
    this.#options = options;
  }

  /**
   * Takes room for a result, now or when there is some.
   * @param go called with a function that gives the room back; before `enter` returns, if there is room now
   * @returns a function that stops waiting; undefined if the call need not wait
   */
  enter(call: Leaving, go: (leave: () => void) => void): (() => void) | undefined {
    const { tenant } = call;
    let line = this.#lines.get(tenant);
    if (line === undefined) this.#lines.set(tenant, (line = { bytes: 0, waiting: new Map() }));
    if (line.waiting.size === 0 && this.#fits(line, call)) {
      this.#take(line, call, go);
      return undefined;
    }
    const own = line;
    const waiting = { call, go: () => this.#take(own, call, go) };
    const queue = line.waiting.get(call.run) ?? [];
    queue.push(waiting);
    line.waiting.set(call.run, queue);
    this.#waiting += 1;
    this.#lookLater();
    return () => {
      const at = queue.indexOf(waiting);
      if (at < 0) return;
      queue.splice(at, 1);
      if (queue.length === 0 && own.waiting.get(call.run) === queue) own.waiting.delete(call.run);
      this.#waiting -= 1;
    };
  }

  #fits({ bytes }: Line, { run, bytes: more }: Leaving): boolean {
    const { most, lacks } = this.#options;
    if (lacks?.(run, { run: this.#runs.get(run) ?? 0, tenant: bytes }) !== undefined) return false;
    if (bytes === 0 || most === undefined) return true;
    const { tenant, all } = most();
    return bytes + more <= tenant && this.#bytes + more <= all;
  }

  #take(line: Line, { tenant, run, bytes }: Leaving, go: (leave: () => void) => void): void {
    line.bytes += bytes;
    this.#bytes += bytes;
    this.#runs.set(run, (this.#runs.get(run) ?? 0) + bytes);
    let over = false;
    go(() => {
      if (over) return;
      over = true;
      this.#afterLook(() => {
        line.bytes -= bytes;
        this.#bytes -= bytes;
        const left = (this.#runs.get(run) ?? bytes) - bytes;
        if (left > 0) this.#runs.set(run, left);
        else this.#runs.delete(run);
        this.#admit();
        if (line.bytes === 0 && line.waiting.size === 0 && this.#lines.get(tenant) === line) this.#lines.delete(tenant);
      });
    });
  }

  /** Gives room back once the result is counted where it is kept: until then nobody else knows of it. */
  #afterLook(give: () => void): void {
    const { most, clock } = this.#options;
    if (most === undefined) return give();
    this.#back.push({ at: clock.monotonic() + STALE_MS, give });
    this.#giveLater();
  }

  #giveLater(): void {
    const { clock } = this.#options;
    const [first] = this.#back;
    if (this.#isGiving || first === undefined) return;
    this.#isGiving = true;
    clock.after(Math.max(0, first.at - clock.monotonic()), () => {
      this.#isGiving = false;
      const now = clock.monotonic();
      const left = this.#back.findIndex(({ at }) => at > now);
      for (const { give } of this.#back.splice(0, left < 0 ? this.#back.length : left)) give();
      this.#giveLater();
    });
  }

  /** Takes the next call of a tenant that has room out of its line. */
  #next(line: Line): Waiting | undefined {
    let looked = 0;
    for (const [run, queue] of line.waiting) {
      const [first] = queue;
      if (first !== undefined && this.#fits(line, first.call)) {
        queue.shift();
        line.waiting.delete(run);
        if (queue.length > 0) line.waiting.set(run, queue);
        return first;
      }
      looked += 1;
      if (looked >= LOOKED) break;
    }
    return undefined;
  }

  /** Lets waiting calls go, one of each tenant in turn. */
  #admit(): void {
    for (let went = true; went && this.#waiting > 0;) {
      went = false;
      // A copy, because a tenant whose call goes moves to the end of the map.
      const turn = [...this.#lines];
      for (const [tenant, line] of turn) {
        const next = this.#next(line);
        if (next === undefined) continue;
        this.#waiting -= 1;
        this.#lines.delete(tenant);
        this.#lines.set(tenant, line);
        went = true;
        next.go();
      }
    }
  }

  #lookLater(): void {
    if (this.#looking || this.#options.lacks === undefined) return;
    this.#looking = true;
    this.#options.clock.after(LOOK_MS, () => {
      this.#looking = false;
      this.#admit();
      if (this.#waiting > 0) this.#lookLater();
    });
  }
}

/** A call leaves once both its tool and the memory have room; see `Gates.enter` for the parameters. */
export function enterBoth(gates: Gates, room: Room, call: Leaving, go: (leave: () => void) => void): (() => void) | undefined {
  let stopBehind: (() => void) | undefined;
  const stop = gates.enter(call.tenant, call.tool, (leave) => {
    const stopWaiting = room.enter(call, (leaveRoom) => {
      stopBehind = undefined;
      go(() => {
        leaveRoom();
        leave();
      });
    });
    if (stopWaiting === undefined) return;
    stopBehind = () => {
      stopWaiting();
      leave();
    };
  });
  if (stop === undefined && stopBehind === undefined) return undefined;
  return () => (stopBehind ?? stop)?.();
}
