/**
 * Records of refused requests and failed log-ins. The caller decides how often a refusal happens, so rows are bounded: the first
 * few of a minute have a row each, and the rest are counted and recorded when the minute is over. The principals of each tenant
 * have a bound of their own, and all addresses together have one: strangers, however many, cannot hide the refusal of a
 * principal.
 */
import type { Role } from '@corral/protocol/api/roles';
import { MACHINE } from '@corral/protocol/limits';
import type { Acts } from '../operation-log.ts';

export interface Refusal {
  /** `refuse-request`: the caller is known. `fail-login`: only the address is known. */
  readonly operation: 'refuse-request' | 'fail-login';
  readonly by: string;
  readonly roles: readonly Role[];
  readonly tenant: string | undefined;
  readonly route: string;
  readonly code: string;
}

interface Counted {
  readonly first: Refusal;
  count: number;
}

/** The refusals of one minute to the principals of one tenant, to those of the host, or to addresses. */
class Room {
  /** By caller and reason. */
  readonly seen = new Map<string, Counted>();
  /** Refusals beyond the bound, counted together. */
  others: Counted | undefined;
  /** Entries of `seen` by caller. */
  readonly #places = new Map<string, number>();
  #rows = 0;

  /** @returns the refusal if it is to have a row at once, and therefore is not counted */
  count(refusal: Refusal): Refusal | undefined {
    const rest = { ...refusal, ...REST };
    const known = this.seen.get(keyOf(refusal)) ?? this.seen.get(keyOf(rest));
    if (known !== undefined) {
      known.count += 1;
      return undefined;
    }
    if (this.seen.size >= MACHINE.refusals_counted_per_minute.default) {
      (this.others ??= { first: refusal, count: 0 }).count += 1;
      return undefined;
    }
    const places = (this.#places.get(refusal.by) ?? 0) + 1;
    this.#places.set(refusal.by, places);
    // A caller who is refused for many different reasons must not take the entries of others.
    const first = places < MACHINE.refusals_counted_per_principal.default ? refusal : rest;
    const at_once = this.#rows < MACHINE.refusal_rows_per_minute.default;
    this.seen.set(keyOf(first), { first, count: at_once ? 0 : 1 });
    if (!at_once) return undefined;
    this.#rows += 1;
    return first;
  }
}

const MINUTE_MS = 60_000;
/** Marks the entry that counts a principal's further reasons. */
const REST = { route: 'others', code: 'others' } as const;
const keyOf = ({ by, code }: Refusal) => `${by} ${code}`;

export class Refusals {
  readonly #acts: Acts;
  readonly #now: () => number;
  #minute = 0;
  #rooms = new Map<string, Room>();

  constructor(acts: Acts, now: () => number) {
    this.#acts = acts;
    this.#now = now;
  }

  count(refusal: Refusal): void {
    this.settle();
    const { operation, tenant } = refusal;
    const name = operation === 'fail-login' ? operation : `${operation} ${tenant ?? ''}`;
    let room = this.#rooms.get(name);
    if (room === undefined) this.#rooms.set(name, (room = new Room()));
    const kept = room.count(refusal);
    if (kept !== undefined) this.#keep(kept, 1);
  }

  /** Records the counts of a minute that is over. @param now_over the host stops: the current minute counts as over */
  settle(now_over = false): void {
    const minute = Math.floor(this.#now() / MINUTE_MS);
    if (minute === this.#minute && !now_over) return;
    const rooms = this.#rooms;
    this.#minute = minute;
    this.#rooms = new Map();
    if (rooms.size === 0) return;
    this.#acts.together(() => {
      for (const { seen, others } of rooms.values()) {
        for (const { first, count } of seen.values()) if (count > 0) this.#keep(first, count);
        if (others !== undefined) this.#keepOthers(others);
      }
    });
  }

  #keep({ operation, by, roles, tenant, route, code }: Refusal, count: number): void {
    this.#acts.keep({ id: by, roles }, { operation, target: { route, code, count }, tenant });
  }

  #keepOthers({ first: { operation, tenant }, count }: Counted): void {
    this.#acts.keep({ id: 'host', roles: [] }, { operation, target: { by: 'others', count }, tenant });
  }
}
