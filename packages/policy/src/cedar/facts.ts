/**
 * The facts that every policy may use, for any tool: one table, from which the type in Cedar's schema, the check of every request
 * and the TypeScript type are made. To add a fact, add a row here and let the broker state it.
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
  /** The delivery's time stamp, not the wall clock: the same on replay. Milliseconds in, `datetime` in policies. */
  now: always({ kind: 'datetime' }),
  /** Information flow: what may have influenced the run, and the origins of this call's arguments. */
  flow: always(
    record({
      /** The kind of effect of the call: `none`, `fetch`, `change`. */
      effect: always(string),
      /** Sticky: the run has read text that a stranger may have written. */
      untrusted_input: always(bool),
      /** Sticky: the run has read private data. */
      private_data: always(bool),
      /** Sticky: the run has already changed something outside. */
      outside_effect: always(bool),
      /** An argument of this call occurs in an untrusted result, or may have been chosen by one. */
      untrusted_influence: always(bool),
      /** Words or identifiers of private results are in arguments that are not destinations. */
      carries_private: always(bool),
      /** Least trusted origin of a destination: `none`, `user`, `trusted`, `selected`, `quoted`, `model`, `untrusted`. */
      destination_origin: always(string),
      /** Least trusted origin of the other arguments. */
      argument_origin: always(string),
      /** An address, link or account that occurs only in untrusted text. */
      foreign_identifier: always(bool),
      /** A link or address of that kind, and the principal did not mention links. */
      unasked_link: always(bool),
      /**
       * A destination, the amount, or anything for a tool without destinations, is in a handle that a stranger may have written.
       */
      steered_by_handle: always(bool),
      /** Every destination occurs somewhere unchanged. */
      destination_literal: always(bool),
      /** Whether the principal asked for this kind of effect: `yes`, `open`, `no`. */
      requested: always(string),
      /** One of the destinations was never reached by this agent before. */
      first_time_destination: always(bool),
      /** Unusual facts about the call. */
      unusual: always(strings),
    }),
  ),
  /** The run's label. */
  labels: always(
    record({
      /** Sources that may have influenced the run. */
      integrity: always(strings),
      /** The only readers of what the run has read; empty: everybody. */
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
      /** Calls of this run to this target within the last minute, without this one. */
      last_minute: always(long),
      /** Money the call moves, if the tool declares which argument holds it. */
      amount: maybe({ kind: 'decimal' }),
      /** `amount` plus all money that its agent has spent or reserved on this day of UTC. */
      amount_day: maybe({ kind: 'decimal' }),
    }),
  ),
  /** Amounts left in the run's purse. */
  budget: always(
    record({
      cpu_ms: always(long),
      calls: always(long),
      messages: always(long),
      bytes: always(long),
      children: always(long),
      tokens: always(long),
      /** In whole units of the currency, like `call.amount`. */
      money: always({ kind: 'decimal' }),
    }),
  ),
  run: always(
    record({
      /** Number of ancestors: 0 for a run that a person submitted. */
      depth: always(long),
      /** Since its first crank, without pauses. */
      age_ms: always(long),
      /** Calls it has made, without this one. */
      calls: always(long),
      /** SHA-256 of the program that it runs, if its parent made one at run time: `context.run has program`. */
      program: maybe(string),
    }),
  ),
} as const satisfies Readonly<Record<string, Field>>;

/** Facts about what a message carries and a child receives, besides the facts above. */
const along = { capabilities: always(long), targets: always(strings) } as const;
export const GIVEN = {
  /** `capabilities`: how many; `targets`: what they refer to, such as `tool:fs.read` or `mailbox`. */
  send: along,
  /** `budget`: amounts that are moved to the child. `program`: for a child that runs a program which the agent made. */
  spawn: {
    ...along,
    budget: FACTS.budget,
    program: maybe(
      record({
        /** SHA-256 of its source in UTF-8, as `sha256:` and hex. */
        digest: always(string),
        /** Size of its source. */
        bytes: always(long),
        /** Parts of it stand in an untrusted result. */
        untrusted: always(bool),
        /** It names an address, link or account that occurs only in untrusted text. */
        foreign_identifier: always(bool),
      }),
    ),
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, Field>>>>;

/** The finding of one inspector, as `context.inspect.NAME`. */
export const FINDING = {
  found: always(bool),
  /** Kinds of findings, in its own words. */
  kinds: always(strings),
  count: always(long),
  /** From 0 to 1. */
  score: always({ kind: 'decimal' }),
} as const satisfies Readonly<Record<string, Field>>;

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

/** By inspector; one that was not asked, or did not answer, is missing. */
export type InspectionFacts = Readonly<Record<string, FactsOf<typeof FINDING>>>;

/** The facts of one decision, as the broker states them. A missing fact that is required denies. */
export type DecisionContext = FactsOf<typeof FACTS>;
