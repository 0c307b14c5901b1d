/**
 * Events that detectors take, and findings that they return. Events contain what the broker sees anyway; findings are data for the
 * ladder, the audit log and people.
 */
import type { Attempt, RefusedWay } from './ends.ts';

/** A call as the broker decided it; its retries are `attempt` events. `at` is in milliseconds. */
export interface CallSeen {
  readonly kind: 'call';
  readonly at: number;
  /** The run's number of the effect. */
  readonly id: number;
  readonly tool: string;
  readonly input: unknown;
  /** Digest of the whole input, if the host has it; used if the input is too large to be read completely. */
  readonly digest?: string;
  /**
   * By path of an argument: where its value occurred before, as a list of `prompt` and of tools of earlier calls. An empty list: the
   * agent made it up.
   */
  readonly origins?: Readonly<Record<string, readonly string[]>>;
  /** The resource that the call touches, from the tool's `resource` annotation. */
  readonly resource?: string;
  /** The call was refused and had no effect; profiles neither learn from it nor judge it. */
  readonly refused?: boolean;
  /** The ends of a refused call, if a grant, a policy or a person refused it. */
  readonly attempts?: readonly Attempt[];
  /** Whether the call changes something, from the tool's annotations; absent: not known. */
  readonly effect?: boolean;
  /** The tool may be asked again and again, by its annotations. */
  readonly polled?: boolean;
}
/** A refusal that came with no call of the run: of a message or a child, after people were asked, or of an effect of a child. */
export interface RefusalSeen extends RefusedWay {
  readonly kind: 'refusal';
  readonly at: number;
}
/** A retry by the broker. */
export interface AttemptSeen {
  readonly kind: 'attempt';
  readonly at: number;
  readonly id: number;
}
export interface ResultSeen {
  readonly kind: 'result';
  readonly at: number;
  readonly id: number;
  /** One of `value` and `error`; neither if there was no content. */
  readonly value?: unknown;
  /** Digest of the whole value, as for a call. */
  readonly digest?: string;
  readonly error?: { readonly code: string; readonly message: string };
}
/** A message that the run sent or received. */
export interface MessageSeen {
  readonly kind: 'sent' | 'received';
  readonly at: number;
  /** The other side. */
  readonly peer: string;
  readonly body: unknown;
}
/** The use of the run so far, and its limits, by name of a purse's amount or of a ceiling. */
export interface MeterSeen {
  readonly kind: 'meter';
  readonly at: number;
  readonly used: Readonly<Record<string, number>>;
  readonly limits: Readonly<Record<string, number>>;
}

export type Seen = CallSeen | RefusalSeen | AttemptSeen | ResultSeen | MessageSeen | MeterSeen;

/** A finding of one detector; `Finding` of list.ts is the union of all. */
export interface FindingOf<Name extends string> {
  readonly detector: Name;
  /** Confidence from 0 to 1, not severity. The ladder decides about the consequences. */
  readonly confidence: number;
  readonly evidence: {
    /** One sentence for people. */
    readonly text: string;
    /** Positions in the run's stream, from 0, of the events that the finding is based on; for a long series its first and last. */
    readonly events: readonly number[];
    /** Names of the tools, agents or runs that the finding is about. */
    readonly subjects: readonly string[];
    /** The numbers behind the sentence, such as `times`, `period` or `seconds_left`. */
    readonly figures: Readonly<Record<string, number>>;
  };
}
