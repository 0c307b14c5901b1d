/**
 * Limits on how many calls of a tool may run at once, and how many may begin in a minute, for one tenant and for all together. Calls
 * beyond a limit wait in order. Where tenants share a limit they take turns, so that a tenant with many calls delays only its own.
 */
import type { TenantId } from '@corral/protocol/ids';
import type { Clock } from '@corral/protocol/ports/machine';

export interface ToolLimits {
  /** Maximum number of calls under way. */
  readonly concurrent?: number;
  /** Maximum number of calls that begin within any 60 seconds. */
  readonly per_minute?: number;
}

/** The limits of a tool for a tenant: the tenant's own, and those shared by all tenants. */
export interface BothLimits {
  readonly own?: ToolLimits | undefined;
  readonly host?: ToolLimits | undefined;
}

/** The calls of one tool by one tenant, or by all. */
interface Count {
  going: number;
  /** Start times of the calls in the last minute. Monotonic, in milliseconds. */
  readonly began: number[];
}

interface Line {
  readonly all: Count;
  readonly tenants: Map<TenantId, Count>;
  /** Waiting calls by tenant; the tenant whose turn is next comes first. */
  readonly waiting: Map<TenantId, (() => void)[]>;
  stopTimer: (() => void) | undefined;
}

const MINUTE_MS = 60_000;

export class Gates {
  readonly #clock: Clock;
  readonly #limits: (tenant: TenantId, tool: string) => BothLimits | undefined;
  readonly #lines = new Map<string, Line>();

  constructor(clock: Clock, limits: (tenant: TenantId, tool: string) => BothLimits | undefined) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /**
   * Admits a call, at once or when its turn comes.
   * @param go called when the call is admitted, with a function to call when it has ended; called before `enter` returns if the call is
   * admitted at once
   * @returns a function that stops waiting; undefined if the call was admitted
   */
  enter(tenant: TenantId, tool: string, go: (leave: () => void) => void): (() => void) | undefined {
    const limits = this.#limits(tenant, tool);
    if (limits === undefined && !this.#lines.has(tool)) {
      go(() => undefined);
      return undefined;
    }
    const line = this.#line(tool);
    let isIn = false;
    const enters = () => {
      isIn = true;
      go(this.#in(line, tenant, tool));
    };
    if (!line.waiting.has(tenant) && this.#opensAt(line, tenant, tool) === undefined) {
      enters();
      return undefined;
    }
    const queue = line.waiting.get(tenant) ?? [];
    queue.push(enters);
    line.waiting.set(tenant, queue);
    this.#admit(line, tool);
    // If the limits were raised meanwhile, the calls before this one and this one may all have been admitted.
    if (isIn) return undefined;
    return () => {
      const at = queue.indexOf(enters);
      if (at >= 0) queue.splice(at, 1);
      if (queue.length === 0 && line.waiting.get(tenant) === queue) line.waiting.delete(tenant);
    };
  }

  /** To be called when limits have changed; admits waiting calls. */
  changed(): void {
    for (const [tool, line] of this.#lines) this.#admit(line, tool);
  }

  #line(tool: string): Line {
    let line = this.#lines.get(tool);
    if (line === undefined) {
      line = { all: { going: 0, began: [] }, tenants: new Map(), waiting: new Map(), stopTimer: undefined };
      this.#lines.set(tool, line);
    }
    return line;
  }

  #countOf(line: Line, tenant: TenantId): Count {
    let count = line.tenants.get(tenant);
    if (count === undefined) line.tenants.set(tenant, (count = { going: 0, began: [] }));
    return count;
  }

  #in(line: Line, tenant: TenantId, tool: string): () => void {
    const counts = [line.all, this.#countOf(line, tenant)];
    for (const count of counts) {
      count.going += 1;
      count.began.push(this.#clock.monotonic());
    }
    let over = false;
    return () => {
      if (over) return;
      over = true;
      for (const count of counts) count.going -= 1;
      this.#admit(line, tool);
    };
  }

  /** The time at which a call may start. Undefined: now. Infinity: when another call ends. */
  #opensAt(line: Line, tenant: TenantId, tool: string): number | undefined {
    const { own, host } = this.#limits(tenant, tool) ?? {};
    const times = [opensAt(line.all, host, this.#clock.monotonic()), opensAt(this.#countOf(line, tenant), own, this.#clock.monotonic())];
    const at = Math.max(...times.map((time) => time ?? Number.NEGATIVE_INFINITY));
    return at === Number.NEGATIVE_INFINITY ? undefined : at;
  }

  /** Admits waiting calls, one of each tenant in turn. */
  #admit(line: Line, tool: string): void {
    let first = Number.POSITIVE_INFINITY;
    for (let went = true; went;) {
      went = false;
      first = Number.POSITIVE_INFINITY;
      // A copy, because an admitted tenant moves to the end of the map.
      const turn = [...line.waiting];
      for (const [tenant, queue] of turn) {
        // An admitted call may end at once and admit others.
        if (line.waiting.get(tenant) !== queue) continue;
        const at = this.#opensAt(line, tenant, tool);
        if (at !== undefined) {
          first = Math.min(first, at);
          continue;
        }
        const next = queue.shift();
        line.waiting.delete(tenant);
        if (queue.length > 0) line.waiting.set(tenant, queue);
        went = true;
        next?.();
      }
    }
    line.stopTimer?.();
    line.stopTimer = undefined;
    if (line.waiting.size === 0 || first === Number.POSITIVE_INFINITY) return;
    line.stopTimer = this.#clock.after(Math.max(1, first - this.#clock.monotonic()), () => this.#admit(line, tool));
  }
}

function opensAt({ going, began }: Count, limits: ToolLimits | undefined, now: number): number | undefined {
  while (began[0] !== undefined && began[0] <= now - MINUTE_MS) began.shift();
  const { concurrent = Number.POSITIVE_INFINITY, per_minute = Number.POSITIVE_INFINITY } = limits ?? {};
  if (going >= concurrent) return Number.POSITIVE_INFINITY;
  return began.length >= per_minute ? (began[began.length - per_minute] ?? now) + MINUTE_MS : undefined;
}
