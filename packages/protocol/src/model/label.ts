/** Labels as data: who may have influenced a value, and who may read it. Their rules are in packages/policy. */

/** Sorted, distinct, bounded. `['*']` stands for all names there are. */
export type Names = readonly string[];

export interface Label {
  /**
   * Names, besides the principal and the host, that may have influenced this: tools and senders whose text may come from a stranger.
   * Empty: nobody. More names mean lower integrity.
   */
  readonly influenced_by: Names;
  /** Names whose private data this may contain. Empty: public. More names mean higher confidentiality. */
  readonly private_to: Names;
  readonly sticky: Sticky;
}

/** A value that a tool kept and gives back: the label that it was kept with, and who wrote it. */
export interface Kept {
  /** The join over all parts of the value; absent: the label of some part is not known, since labels were not tracked when it was written. */
  readonly label?: Label;
  /** Distinct writers of its parts, the latest first; at most 16. */
  readonly by: readonly Writer[];
}

/** The call that wrote a value. */
export interface Writer {
  readonly run: string;
  /** Its number in that run. */
  readonly call: number;
  readonly agent: string;
  /** The person whom the run acted for. */
  readonly person: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** History of a run or state. No single operation clears all three. */
export interface Sticky {
  readonly untrusted_input: boolean;
  readonly private_data: boolean;
  readonly outside_effect: boolean;
}

/** A lowering of a label: by whom, of what, and why. It goes to the decision log unchanged. */
export interface LabelChange {
  readonly kind: 'endorse' | 'declassify';
  /** The owner, who approved it; from the channel, never from a payload. */
  readonly by: string;
  readonly reason: string;
  /** Names that were removed from the label; `*` for all. */
  readonly names: Names;
  readonly before: Label;
  readonly after: Label;
}
