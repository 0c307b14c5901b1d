/**
 * How many calls of a tool may be under way at once, and how many may begin in a minute: of one tenant, and of all together. What goes
 * beyond waits in order; where tenants share a limit they take turns, so that a tenant with many calls holds up its own.
 */
import type { TenantId } from '@corral/protocol/ids';
import type { Clock } from '@corral/protocol/ports/machine';

export interface ToolLimits {
  /** Calls under way at once. */
  readonly concurrent?: number;
  /** Calls that begin within any minute. */
  readonly per_minute?: number;
}

/** What holds for a tool in a tenant: the tenant's own limits, and those that it shares with everybody. */
export interface BothLimits {
  readonly own?: ToolLimits | undefined;
  readonly host?: ToolLimits | undefined;
}

/** Calls of one tool by one tenant, or by all. */
interface Count {
  going: number;
  /** When those of the last minute began, on the monotonic clock. */
  readonly began: number[];
}

interface Line {
  readonly all: Count;
  readonly tenants: Map<TenantId, Count>;
  /** Waiting calls by tenant, in the order of turns: the next tenant comes first. */
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
   * Lets a call in, at once or in its turn.
   * @param go called when it is in, with what says that it has left again; before this returns, where it is let in at once
   * @returns stops waiting; undefined where it is in already
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
    // The limits may have been raised since those before it began to wait.
    if (isIn) return undefined;
    return () => {
      const at = queue.indexOf(enters);
      if (at >= 0) queue.splice(at, 1);
      if (queue.length === 0 && line.waiting.get(tenant) === queue) line.waiting.delete(tenant);
    };
  }

  /** Limits have changed: calls that wait and may go now are let in. */
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

  /** When a call may go: undefined is now, infinity when another one has left. */
  #opensAt(line: Line, tenant: TenantId, tool: string): number | undefined {
    const { own, host } = this.#limits(tenant, tool) ?? {};
    const times = [opensAt(line.all, host, this.#clock.monotonic()), opensAt(this.#countOf(line, tenant), own, this.#clock.monotonic())];
    const at = Math.max(...times.map((time) => time ?? Number.NEGATIVE_INFINITY));
    return at === Number.NEGATIVE_INFINITY ? undefined : at;
  }

  /** Lets in who waits and may go, a tenant after the other. */
  #admit(line: Line, tool: string): void {
    let first = Number.POSITIVE_INFINITY;
    for (let went = true; went;) {
      went = false;
      first = Number.POSITIVE_INFINITY;
      // As they stand now: whoever was let in goes to the end.
      const turn = [...line.waiting];
      for (const [tenant, queue] of turn) {
        // A call that was let in may have left already, and have let in others.
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
