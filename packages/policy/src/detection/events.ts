/**
 * What detectors see and what they say. Events are what the bus sees anyway; findings are data, for the ladder, the
 * audit log and people.
 */

/** A call as the broker decided it, once a logical call: its retries are `attempt` events. `at` is in milliseconds. */
export interface CallSeen {
  readonly kind: 'call';
  readonly at: number;
  /** The run's number of the effect. */
  readonly id: number;
  readonly tool: string;
  readonly input: unknown;
  /** Of the whole input, where the host has it anyway: it counts when the input is too large to be read whole. */
  readonly digest?: string;
  /** By path of argument: where its value stood before. A list of `prompt` or of earlier calls' tools; empty: the agent made it. */
  readonly origins?: Readonly<Record<string, readonly string[]>>;
  /** What the call touches, after the tool's `resource` annotation. */
  readonly resource?: string;
  /** It was refused, so it did nothing: no profile learns from it or judges it. */
  readonly refused?: boolean;
  /** Whether it changes something, after the tool's annotations; absent: not known. */
  readonly effect?: boolean;
}
/** The broker tried again on its own account. */
export interface AttemptSeen {
  readonly kind: 'attempt';
  readonly at: number;
  readonly id: number;
}
export interface ResultSeen {
  readonly kind: 'result';
  readonly at: number;
  readonly id: number;
  /** Either of them; neither if there was no content. */
  readonly value?: unknown;
  /** As that of a call, of the whole value. */
  readonly digest?: string;
  readonly error?: { readonly code: string; readonly message: string };
}
/** A message that the run sent or was given. */
export interface MessageSeen {
  readonly kind: 'sent' | 'received';
  readonly at: number;
  /** The other side. */
  readonly peer: string;
  readonly body: unknown;
}
/** What the run has used so far, by name of the purse's amounts or of a ceiling, and how much there is. */
export interface MeterSeen {
  readonly kind: 'meter';
  readonly at: number;
  readonly used: Readonly<Record<string, number>>;
  readonly limits: Readonly<Record<string, number>>;
}

export type Seen = CallSeen | AttemptSeen | ResultSeen | MessageSeen | MeterSeen;

/** What one detector says; `Finding` of list.ts is that of any of them. */
export interface FindingOf<Name extends string> {
  readonly detector: Name;
  /** From 0 to 1: how sure, not how bad. What follows from it is the ladder's to say. */
  readonly confidence: number;
  readonly evidence: {
    /** One sentence for a person. */
    readonly text: string;
    /** Positions in the run's stream of events, from 0, of those that make the case; of a long case the first and the last. */
    readonly events: readonly number[];
    /** Tools, agents or runs that it is about. */
    readonly subjects: readonly string[];
    /** Figures behind the sentence, such as `times`, `period` or `seconds_left`. */
    readonly figures: Readonly<Record<string, number>>;
  };
}
