/**
 * Keeps the last calls of each tool, for whoever asks who used it. They are written down together, and of what many calls within a second leave
 * the latest alone: a tool may be called thousands of times in it.
 */
import { LATE_CALLS } from '@corral/protocol/api/tool-view';
import type { LateCall, LateCallTable } from '@corral/protocol/ports/tool-reads';
import type { Observation } from '@corral/supervisor';

export class LateCalls {
  readonly #table: LateCallTable;
  readonly #about: (run: string) => { readonly tenant: string } | undefined;
  readonly #now: () => number;
  /** By tenant and tool: those that were not written down yet, the latest last. */
  readonly #late = new Map<string, LateCall[]>();

  /** @param about the tenant of a run */
  constructor(table: LateCallTable, about: (run: string) => { readonly tenant: string } | undefined, now: () => number) {
    this.#table = table;
    this.#about = about;
    this.#now = now;
  }

  readonly heard = (seen: Observation): void => {
    if (seen.kind === 'left') this.#add(seen, seen.code);
    else if (seen.kind === 'answered') this.#add(seen, 'error' in seen.result ? seen.result.error.code : null);
  };

  #add({ run, call, tool, ms }: Extract<Observation, { readonly kind: 'answered' | 'left' }>, code: string | null): void {
    const { tenant } = this.#about(run) ?? {};
    if (tenant === undefined) return;
    const key = `${tenant} ${tool}`;
    const one = { tenant, tool, run, call, ms: ms ?? null, code, at: this.#now() };
    const late = this.#late.get(key);
    if (late === undefined) this.#late.set(key, [one]);
    else if (late.push(one) > 2 * LATE_CALLS) late.splice(0, late.length - LATE_CALLS);
  }

  /** Called periodically, before they are read, and when the host stops. @throws CORRAL_DISK_FULL */
  write(): void {
    if (this.#late.size === 0) return;
    const calls = [...this.#late.values()].flatMap((late) => late.slice(-LATE_CALLS));
    this.#late.clear();
    this.#table.add(calls, LATE_CALLS);
  }
}
