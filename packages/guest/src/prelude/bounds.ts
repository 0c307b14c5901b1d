/**
 * The limits of options on the bus, repeated here so that the SDK rejects an option at the call itself. The protocol's own
 * schemas and texts are too large to load into every isolate; tables.test.ts checks that both agree.
 */
const DAY_MS = 86_400_000;
const MIB = 1024 * 1024;

export const BOUNDS = {
  retry_attempts: 10,
  reason_characters: 500,
  event_characters: 100,
  agent_characters: 100,
  alias_characters: 64,
  message_slots: 256,
  handle_slots: 256,
  predicates: 64,
  predicate_values: 256,
  predicate_characters: 1024,
  argument_characters: 200,
  uses_per_minute: 1_000_000,
  timer_ms: 365 * DAY_MS,
} as const;

/** Smallest and largest value of each amount that a spawn may move. */
export const BUDGET_BOUNDS: Readonly<Record<string, readonly [least: number, most: number]>> = {
  cpu_ms: [1, 30 * DAY_MS],
  calls: [0, 100_000_000],
  messages: [0, 100_000_000],
  bytes: [0, 1024 * 1024 * MIB],
  children: [0, 1_000_000],
  tokens: [0, 1_000_000_000_000],
  money_micros: [0, 9_000_000_000_000_000],
};
