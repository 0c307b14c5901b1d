/**
 * Accounts above runs: what a tenant, an agent and a person have spent by day. A call counts for the day (UTC) of its decision,
 * however late its answer comes. A month is the sum of its days. There are no schemas here: the store's threads load this file, and zod
 * would be half of the time that a thread takes to start.
 */
import type { BudgetName } from '../limits.ts';

/** The amounts that are counted in accounts. */
export const SPEND_NAMES = ['money_micros', 'tokens', 'calls'] as const satisfies readonly BudgetName[];
export type SpendName = (typeof SPEND_NAMES)[number];
export type Spend = Readonly<Record<SpendName, number>>;
export const NO_SPEND: Spend = { money_micros: 0, tokens: 0, calls: 0 };

export const HOLDER_KINDS = ['tenant', 'agent', 'person'] as const;
export type HolderKind = (typeof HOLDER_KINDS)[number];
export const SPEND_PERIODS = ['day', 'month'] as const;
export type SpendPeriod = (typeof SPEND_PERIODS)[number];

/** The holder of an account: a tenant itself, or one of its agents or people. */
export interface Holder {
  readonly tenant: string;
  readonly kind: HolderKind;
  /** For a tenant's own account, the tenant. */
  readonly name: string;
}

/** One day of an account, or the change of it by a commit. */
export interface DaySpend {
  /** `2026-11-28`, in UTC. */
  readonly day: string;
  readonly spent: Spend;
  /** For calls that have no answer yet. */
  readonly reserved: Spend;
}

/** A row of the accounts. */
export type AccountDay = Holder & DaySpend;

/** The cost of calls of one tool. A model is a tool named `model:NAME`, a service `service:NAME`; the cost of inspectors has an empty name. */
export interface ToolSpend {
  readonly tool: string;
  readonly spent: Spend;
}

/** The change of one day by a commit. The amounts of its tools add up to `spent`. */
export interface DayChange extends DaySpend {
  readonly tools: readonly ToolSpend[];
}

/** A hard limit that an account must keep with a commit that reserves more of it. */
export interface SpendLimit {
  readonly holder: Holder;
  /** `2026-11-28` or `2026-11`. */
  readonly which: string;
  readonly name: SpendName;
  readonly most: number;
}

/** Changes that a commit makes to the accounts its run is charged to. */
export interface SpendChange {
  readonly holders: readonly Holder[];
  readonly days: readonly DayChange[];
  /**
   * Limits of which the run reserves more. With other nodes on the same accounts, only the store knows whether they can pay: it refuses
   * the commit otherwise. An amount that was spent already has no limit, since it has to be paid.
   */
  readonly limits?: readonly SpendLimit[];
}

export interface SpendFilter {
  readonly tenant?: string;
  readonly kind?: HolderKind;
  readonly name?: string;
  /** The first day. */
  readonly from: string;
}

export const USAGE_KEYS = ['tenant', 'agent', 'person', 'tool'] as const;
export type UsageKey = (typeof USAGE_KEYS)[number];

/** Spending, summed by one key and by a span of time. */
export interface UsageWanted {
  /** Conditions that all hold. */
  readonly where: { readonly [K in UsageKey]?: string | undefined };
  /** Only calls of models. */
  readonly models?: boolean | undefined;
  /** Undefined: everything together. */
  readonly by?: UsageKey | undefined;
  /** Undefined: the whole time together. */
  readonly per?: SpendPeriod | undefined;
  /** The first and the last day. */
  readonly from: string;
  readonly until: string;
  readonly limit: number;
  readonly offset: number;
}
export interface UsageRow {
  /** A day or a month; null for the whole time. */
  readonly period: string | null;
  /** Null where several tenants are summed. */
  readonly tenant: string | null;
  /** The value of the key; null where all are summed. */
  readonly name: string | null;
  readonly money_micros: number;
  readonly tokens: number;
  readonly calls: number;
}
export interface Usage {
  /** The latest period first, in it the most money first. */
  readonly rows: readonly UsageRow[];
  /** The sums of all rows, on whichever page. */
  readonly total: Spend & { readonly rows: number };
}

const DAY_MS = 86_400_000;
let last = { n: Number.NaN, day: '' };

/** The day of a time in milliseconds since 1970. */
export function dayOf(at: number): string {
  const n = Math.floor(at / DAY_MS);
  if (n !== last.n) last = { n, day: new Date(n * DAY_MS).toISOString().slice(0, 10) };
  return last.day;
}

/** The days of a period, `2026-11-28` or `2026-11`. */
export const daysOf = (which: string): readonly string[] =>
  which.length > 7 ? [which] : Array.from({ length: 31 }, (_, i) => `${which}-${String(i + 1).padStart(2, '0')}`);

export const monthOf = (day: string): string => day.slice(0, 7);

/** The first day of the month that lies this many months before the month of a day. */
export function monthsBefore(day: string, months: number): string {
  const [year = 0, month = 1] = day.split('-').map(Number);
  return new Date(Date.UTC(year, month - 1 - months, 1)).toISOString().slice(0, 10);
}
