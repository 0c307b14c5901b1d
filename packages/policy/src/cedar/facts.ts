/**
 * The facts every policy may ask about, whatever the tool: one table, from which come the type in Cedar's schema, the
 * check of every request, and the TypeScript type. To add a fact, add a row here and have the broker state it.
 */
import type { Field, Shape } from './shape.ts';

const bool = { kind: 'bool' } as const;
const long = { kind: 'long' } as const;
const string = { kind: 'string' } as const;
const strings = { kind: 'set', of: string } as const;
const always = <S extends Shape>(shape: S) => ({ shape, optional: false }) as const;
const maybe = <S extends Shape>(shape: S) => ({ shape, optional: true }) as const;
const record = <F extends Readonly<Record<string, Field>>>(fields: F) => ({ kind: 'record', fields }) as const;

export const FACTS = {
  /** The delivery's stamp, not the wall clock: the same on replay. Milliseconds in, `datetime` in policies. */
  now: always({ kind: 'datetime' }),
  /** Information flow: what has influenced the run, and what this call's arguments are made of. */
  flow: always(
    record({
      /** What kind of effect the call has: `none`, `fetch`, `change`. */
      effect: always(string),
      /** Sticky: the run has read what a stranger may have written. */
      untrusted_input: always(bool),
      /** Sticky: the run has read what not everybody may read. */
      private_data: always(bool),
      /** Sticky: the run has already changed something outside. */
      outside_effect: always(bool),
      /** An argument of this call stood in an untrusted result, or may have been chosen by one. */
      untrusted_influence: always(bool),
      /** Words or identifiers of private results are in arguments that are no destination. */
      carries_private: always(bool),
      /** Worst origin of a destination: `none`, `user`, `trusted`, `selected`, `quoted`, `model`, `untrusted`. */
      destination_origin: always(string),
      /** Worst origin of the other arguments. */
      argument_origin: always(string),
      /** An address, link or account that stands in untrusted text only. */
      foreign_identifier: always(bool),
      /** A link or address of that kind, and the principal said nothing of links. */
      unasked_link: always(bool),
      /** A destination, the amount, or anything for a tool without destinations, is in a handle that a stranger may have written. */
      steered_by_handle: always(bool),
      /** Every destination stands somewhere as it is. */
      destination_literal: always(bool),
      /** Whether the principal asked for this kind of effect: `yes`, `open`, `no`. */
      requested: always(string),
      /** One of the destinations was never reached before by this agent. */
      first_time_destination: always(bool),
      /** What is out of the ordinary. */
      unusual: always(strings),
    }),
  ),
  /** The run's labels, as they float. */
  labels: always(
    record({
      /** Sources that could have influenced the run. */
      integrity: always(strings),
      /** Who alone may read what the run has read; empty: anybody. */
      confidentiality: always(strings),
    }),
  ),
  /** The call itself. */
  call: always(
    record({
      /** Size of the arguments as JSON. */
      bytes: always(long),
      /** This agent version has never used this target. */
      first_use: always(bool),
      /** Calls of this run to this target within the last minute, this one not counted. */
      last_minute: always(long),
      /** Money the call moves, where the tool says which argument that is. */
      amount: maybe({ kind: 'decimal' }),
      /** `amount` and what the run has moved before. */
      amount_total: maybe({ kind: 'decimal' }),
    }),
  ),
  /** What is left in the run's purse. */
  budget: always(
    record({
      cpu_ms: always(long),
      calls: always(long),
      messages: always(long),
      bytes: always(long),
      children: always(long),
      tokens: always(long),
      /** In whole units of the currency, as `call.amount` is. */
      money: always({ kind: 'decimal' }),
    }),
  ),
  run: always(
    record({
      /** Generations above it: 0 for a run that a person submitted. */
      depth: always(long),
      /** Since its first crank, pauses not counted. */
      age_ms: always(long),
      /** Calls it has made, this one not counted. */
      calls: always(long),
    }),
  ),
} as const satisfies Readonly<Record<string, Field>>;

/** What a message carries and a child is given, beside the facts above. */
const along = { capabilities: always(long), targets: always(strings) } as const;
export const GIVEN = {
  /** `capabilities`: how many; `targets`: what they reach, as `tool:fs.read` or `mailbox`. */
  send: along,
  /** And `budget`: what of the purse is moved to it. */
  spawn: { ...along, budget: FACTS.budget },
} as const satisfies Readonly<Record<string, Readonly<Record<string, Field>>>>;

type Of<S> = S extends { kind: 'bool' }
  ? boolean
  : S extends { kind: 'long' | 'decimal' | 'datetime' }
    ? number
    : S extends { kind: 'string' }
      ? string
      : S extends { kind: 'set'; of: infer E }
        ? readonly Of<E>[]
        : S extends { kind: 'record'; fields: infer F }
          ? FactsOf<F>
          : never;
type FactsOf<F> = {
  readonly [K in keyof F as F[K] extends { optional: true } ? never : K]: F[K] extends { shape: infer S } ? Of<S> : never;
} & {
  readonly [K in keyof F as F[K] extends { optional: true } ? K : never]?: (F[K] extends { shape: infer S } ? Of<S> : never) | undefined;
};

/** What the broker states about one decision. A fact that is required and missing denies. */
export type DecisionContext = FactsOf<typeof FACTS>;
