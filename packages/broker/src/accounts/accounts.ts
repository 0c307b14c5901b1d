/**
 * Spending accounts above the purses of runs: limits for a tenant, an agent and a person, by day and by month (UTC). They are decided in
 * memory: the amounts of a call are reserved in the same synchronous step that decides the call, and the change is part of the call's
 * commit, so the store's rows agree with the journal after a crash. If the commit is refused, the reservation is undone.
 * Where other nodes spend from the same accounts, the commit carries the limits too, and the store refuses it if they do not suffice. Then
 * this node reads from the store what others have spent, and the crank is decided again.
 */
import { amountText, budgetName } from '@corral/protocol/model/cost';
import { CorralError } from '@corral/protocol/errors';
import type { Identity } from '@corral/protocol/model/identity';
import type { TenantId } from '@corral/protocol/ids';
import type { Budget } from '@corral/protocol/model/manifest';
import type { RunRecord } from '@corral/protocol/model/run';
import {
  dayOf,
  monthOf,
  NO_SPEND,
  SPEND_NAMES,
  SPEND_PERIODS,
  type Holder,
  type HolderKind,
  type Spend,
  type SpendChange,
  type SpendLimit,
  type SpendName,
  type SpendPeriod,
} from '@corral/protocol/model/spend';
import { boundOf, type AccountBounds } from '@corral/protocol/model/spend-bounds';
import type { Store } from '@corral/protocol/ports/store';
import type { Books } from '../ledger/books.ts';

/** The limits of a tenant's accounts. `*`: every agent or person that is not named. */
export interface SpendBounds extends AccountBounds {
  readonly agents?: Readonly<Record<string, AccountBounds>>;
  readonly people?: Readonly<Record<string, AccountBounds>>;
}

/** The amount of an account in one period, with its limit. */
export interface AccountState {
  readonly holder: Holder;
  readonly period: SpendPeriod;
  /** `2026-11-28` or `2026-11`. */
  readonly which: string;
  readonly name: SpendName;
  /** The sum of what was spent and what is reserved. */
  readonly committed: number;
  readonly bound: number;
}

/** A run, or a job that may become one. */
type Spender = Pick<RunRecord, 'tenant' | 'agent' | 'principal' | 'submitter'> & { readonly who?: Identity | undefined };
/** The change of a commit, and the soft limits that it passes. Each soft limit is reported once in its period. */
export interface Posted {
  readonly change: SpendChange;
  readonly passed: readonly AccountState[];
}

type Sums = { -readonly [K in SpendName]: number };

/**
 * The accounts from which a run spends. A child uses the account of its own agent, and the account of the person who submitted its
 * family.
 */
export function holdersOf({ tenant, agent, principal, submitter, who }: Spender): readonly Holder[] {
  return [
    { tenant, kind: 'tenant', name: tenant },
    { tenant, kind: 'agent', name: agent },
    { tenant, kind: 'person', name: who?.person ?? submitter ?? principal },
  ];
}

/** The limits of one account; undefined if it has none. */
export function boundsOf(bounds: SpendBounds | undefined, { kind, name }: Pick<Holder, 'kind' | 'name'>): AccountBounds | undefined {
  if (bounds === undefined || kind === 'tenant') return bounds;
  const named: Readonly<Record<string, AccountBounds>> = (kind === 'agent' ? bounds.agents : bounds.people) ?? {};
  return Object.hasOwn(named, name) ? named[name] : named['*'];
}

const keyOf = ({ tenant, kind, name }: Holder, which: string) => `${which} ${tenant} ${kind} ${name}`;
const isOf = (key: string, tenant: string) => key.startsWith(`${tenant} `, key.indexOf(' ') + 1);
const KIND_WORDS: Readonly<Record<HolderKind, string>> = { tenant: 'Tenant', agent: 'Agent', person: 'Person' };

export class Accounts {
  readonly #bounds: (tenant: TenantId) => SpendBounds | undefined;
  readonly #isShared: boolean;
  /** Tenants whose limits were looked at since what others have spent was read. */
  #asked = new Set<TenantId>();
  /** The last reading of what others have spent. */
  #following: Promise<unknown> = Promise.resolve();
  /** Spent plus reserved, by account and period. Past periods are dropped. */
  readonly #committed = new Map<string, Sums>();
  /** Reservations of cranks that are being decided, by account and period. */
  readonly #drafted = new Map<string, Sums>();
  #drafts = 0;
  /** Soft limits that were reported. */
  readonly #warned = new Set<string>();
  #day = '';

  /** @param isShared whether other nodes spend from the same accounts */
  constructor(bounds: (tenant: TenantId) => SpendBounds | undefined, isShared = false) {
    this.#bounds = bounds;
    this.#isShared = isShared;
  }

  /** Loads the current month from the store. */
  async load(store: Store, now: number): Promise<void> {
    this.#day = dayOf(now);
    const rows = await store.spend({ from: `${monthOf(this.#day)}-01` });
    this.#committed.clear();
    for (const { day, spent, reserved, ...holder } of rows) this.#add(holder, day, spent, reserved, 1);
    // The host that saw a soft limit pass has reported it.
    for (const holder of rows) for (const state of this.#over(holder, 'soft')) this.#warned.add(warningKey(state));
  }

  /**
   * Reads what other nodes have spent and reserved in the accounts that were looked at since the last time. Commits of this node that are
   * under way count as read; where they are not, this node reserves too much, and the store refuses that.
   * A reading that has begun before may lack what this one is asked for, so this one comes after it.
   * @param tenant is read in any case
   */
  follow(store: Pick<Store, 'spend'>, now: number, tenant?: TenantId): Promise<void> {
    const reading = this.#following.then(() => this.#follow(store, now, tenant));
    this.#following = reading.catch(() => undefined);
    return reading;
  }

  async #follow(store: Pick<Store, 'spend'>, now: number, also: TenantId | undefined): Promise<void> {
    const tenants = this.#asked;
    if (also !== undefined) tenants.add(also);
    this.#asked = new Set();
    try {
      for (const tenant of tenants) {
        const rows = await store.spend({ tenant, from: `${monthOf(dayOf(now))}-01` });
        for (const key of this.#committed.keys()) if (isOf(key, tenant)) this.#committed.delete(key);
        for (const { day, spent, reserved, ...holder } of rows) this.#add(holder, day, spent, reserved, 1);
      }
    } catch (error) {
      for (const tenant of tenants) this.#asked.add(tenant);
      throw error;
    }
  }

  /** The day to which a call's reservation belongs; undefined if no account counts the call. */
  dayFor(record: Spender, reserved: Budget, now: number): string | undefined {
    const counted = (reserved.tokens ?? 0) > 0 || (reserved.money_micros ?? 0) > 0 || this.#countsCalls(record);
    return counted ? dayOf(now) : undefined;
  }

  /** The remainder of an amount in the account that has least of it; Infinity without a limit. */
  left({ record, tally }: Pick<Books, 'record' | 'tally'>, name: SpendName, now: number): number {
    let left = Number.POSITIVE_INFINITY;
    for (const { committed, bound } of this.#bound(record, name, 'hard', now, tally.committedOn(dayOf(now))))
      left = Math.min(left, bound - committed);
    return left;
  }

  /** Money that the run's agent has spent or reserved on this day, in millionths, with what the crank has decided so far. */
  today({ record: { tenant, agent }, tally }: Pick<Books, 'record' | 'tally'>, now: number): number {
    if (this.#isShared) this.#asked.add(tenant);
    const day = dayOf(now);
    const key = keyOf({ tenant, kind: 'agent', name: agent }, day);
    const others = (this.#committed.get(key)?.money_micros ?? 0) + (this.#drafted.get(key)?.money_micros ?? 0);
    return Math.max(0, others + tally.committedOn(day).money_micros);
  }

  /**
   * The first account that cannot pay. An overdrawn account pays nothing.
   * @param held the day on which the amounts are reserved already; they count once in the periods that contain it
   */
  lacks({ record, tally }: Books, amounts: Budget, now: number, held?: string): AccountState | undefined {
    // This runs for every call, and most tenants have no limits.
    if (this.#bounds(record.tenant) === undefined) return undefined;
    const own = tally.committedOn(dayOf(now));
    for (const name of SPEND_NAMES) {
      const amount = amounts[name] ?? 0;
      for (const state of this.#bound(record, name, 'hard', now, own)) {
        const more = held?.startsWith(state.which) === true ? 0 : amount;
        if (state.committed + more > state.bound) return state;
      }
    }
    return undefined;
  }

  /** @throws CORRAL_SPEND_EXCEEDED if a limit of a new run's accounts is used up */
  mustHaveLeft(record: Spender, now: number): void {
    for (const name of SPEND_NAMES)
      for (const state of this.#bound(record, name, 'hard', now, NO_SPEND))
        if (state.committed >= state.bound)
          throw new CorralError('CORRAL_SPEND_EXCEEDED', `${spentText(state)} Jobs that would spend more of it are refused.`, {
            limit: limitOf(state),
          });
  }

  /**
   * @param held the day on which the amounts are reserved already
   * @throws CORRAL_SPEND_EXCEEDED if an account cannot pay for amounts that a person wants to reserve
   */
  mustPay(ledger: Books, amounts: Budget, now: number, held?: string): void {
    const lacks = this.lacks(ledger, amounts, now, held);
    if (lacks !== undefined) throw new CorralError('CORRAL_SPEND_EXCEEDED', spentText(lacks), { limit: limitOf(lacks) });
  }

  /** Counts the change of a run's commit, just before it is handed to the store. It counts until `takeBack`. */
  postOf({ record, tally }: Books, now: number): Posted | undefined {
    if (tally.isEmpty) return undefined;
    const holders = holdersOf(record);
    const limits = this.#isShared ? this.#limits(record.tenant, holders, tally) : [];
    const change = { holders, days: tally.take(), ...(limits.length === 0 ? {} : { limits }) };
    return { change, passed: this.#post(change, now) };
  }

  /** The hard limits of which something was reserved. */
  #limits(tenant: TenantId, holders: readonly Holder[], tally: Books['tally']): SpendLimit[] {
    const bounds = this.#bounds(tenant);
    if (bounds === undefined) return [];
    const limits = new Map<string, SpendLimit>();
    for (const holder of holders)
      for (const { day, amounts } of tally.asked())
        for (const period of SPEND_PERIODS)
          for (const name of SPEND_NAMES) {
            const most = boundOf(boundsOf(bounds, holder), period, name)?.hard;
            if (most === undefined || amounts[name] <= 0) continue;
            const which = period === 'day' ? day : monthOf(day);
            limits.set(`${keyOf(holder, which)} ${name}`, { holder, which, name, most });
          }
    return [...limits.values()];
  }

  /** Undoes a refused commit, including the soft limits that it passed. */
  takeBack({ change: { holders, days }, passed }: Posted): void {
    for (const holder of holders) for (const { day, spent, reserved } of days) this.#add(holder, day, spent, reserved, -1);
    for (const state of passed) this.#warned.delete(warningKey(state));
  }

  /**
   * Counts the reservations of a draft against other runs until the returned function is called. Amounts that its crank gives back are
   * not counted, because others could spend them and the draft may still be dropped.
   */
  hold({ record, tally }: Books): (() => void) | undefined {
    if (tally.isEmpty) return undefined;
    const held = tally.days().map(({ day, spent, reserved }) => ({ day, amounts: aboveNothing(sumOf(spent, reserved)) }));
    const holders = holdersOf(record);
    const count = (sign: 1 | -1) => {
      this.#drafts += sign;
      for (const holder of holders) for (const { day, amounts } of held) add(this.#drafted, holder, day, amounts, sign);
      if (this.#drafts === 0) this.#drafted.clear();
    };
    count(1);
    return () => count(-1);
  }

  #post({ holders, days }: SpendChange, now: number): readonly AccountState[] {
    this.#roll(now);
    for (const holder of holders) for (const { day, spent, reserved } of days) this.#add(holder, day, spent, reserved, 1);
    const passed: AccountState[] = [];
    for (const holder of holders)
      for (const state of this.#over(holder, 'soft')) {
        const key = warningKey(state);
        if (this.#warned.has(key)) continue;
        this.#warned.add(key);
        passed.push(state);
      }
    return passed;
  }

  #countsCalls(record: Spender): boolean {
    const bounds = this.#bounds(record.tenant);
    if (bounds === undefined) return false;
    return holdersOf(record).some((holder) => {
      const own = boundsOf(bounds, holder);
      return SPEND_PERIODS.some((period) => boundOf(own, period, 'calls') !== undefined);
    });
  }

  /** The accounts of a run that limit an amount, with what is committed of it. */
  *#bound(record: Spender, name: SpendName, kind: 'hard' | 'soft', now: number, besides: Spend): Generator<AccountState> {
    const bounds = this.#bounds(record.tenant);
    if (bounds === undefined) return;
    if (this.#isShared) this.#asked.add(record.tenant);
    const day = dayOf(now);
    for (const holder of holdersOf(record)) {
      const own = boundsOf(bounds, holder);
      for (const period of SPEND_PERIODS) {
        const bound = boundOf(own, period, name)?.[kind];
        if (bound === undefined) continue;
        const which = period === 'day' ? day : monthOf(day);
        const key = keyOf(holder, which);
        const committed = (this.#committed.get(key)?.[name] ?? 0) + (this.#drafted.get(key)?.[name] ?? 0) + besides[name];
        yield { holder, period, which, name, committed, bound };
      }
    }
  }

  /** The limits of one account that are reached. */
  *#over(holder: Holder, kind: 'hard' | 'soft'): Generator<AccountState> {
    const own = boundsOf(this.#bounds(holder.tenant as TenantId), holder);
    if (own === undefined) return;
    for (const period of SPEND_PERIODS)
      for (const name of SPEND_NAMES) {
        const bound = boundOf(own, period, name)?.[kind];
        if (bound === undefined) continue;
        const which = period === 'day' ? this.#day : monthOf(this.#day);
        const committed = this.#committed.get(keyOf(holder, which))?.[name] ?? 0;
        if (committed >= bound) yield { holder, period, which, name, committed, bound };
      }
  }

  #add(holder: Holder, day: string, spent: Spend, reserved: Spend, sign: 1 | -1): void {
    add(this.#committed, holder, day, sumOf(spent, reserved), sign);
  }

  /** Drops days and months that are over; no decision needs them, and the store has them. */
  #roll(now: number): void {
    const day = dayOf(now);
    if (day === this.#day) return;
    this.#day = day;
    const goes = (key: string) => !key.startsWith(`${day} `) && !key.startsWith(`${monthOf(day)} `);
    for (const key of this.#committed.keys()) if (goes(key)) this.#committed.delete(key);
    for (const key of this.#warned) if (goes(key)) this.#warned.delete(key);
  }
}

const sumOf = (one: Spend, other: Spend): Spend => each((name) => one[name] + other[name]);
const aboveNothing = (amounts: Spend): Spend => each((name) => Math.max(0, amounts[name]));
const each = (of: (name: SpendName) => number): Spend => ({ money_micros: of('money_micros'), tokens: of('tokens'), calls: of('calls') });

function add(to: Map<string, Sums>, holder: Holder, day: string, amounts: Spend, sign: 1 | -1): void {
  for (const which of [day, monthOf(day)]) {
    const key = keyOf(holder, which);
    let sums = to.get(key);
    if (sums === undefined) to.set(key, (sums = { ...NO_SPEND }));
    for (const name of SPEND_NAMES) sums[name] += sign * amounts[name];
  }
}

const warningKey = ({ holder, which, name }: AccountState) => `${keyOf(holder, which)} ${name}`;

/** The name of a limit for agents: `tenant.day.money_micros`. */
export const limitOf = ({ holder, period, name }: Pick<AccountState, 'holder' | 'period' | 'name'>): string =>
  `${holder.kind}.${period}.${name}`;

const whoseOf = ({ kind, name }: Holder): string => `${KIND_WORDS[kind]} ${name}`;

/** `Tenant acme has spent or reserved 49.99 of its 50.00 of money for 2026-11-28 (UTC).` */
export function spentText({ holder, which, name, committed, bound }: AccountState): string {
  const amount = (n: number) => amountText(name, Math.max(0, n));
  return `${whoseOf(holder)} has spent or reserved ${amount(committed)} of its ${amount(bound)} of ${budgetName(name)} for ${which} (UTC).`;
}
