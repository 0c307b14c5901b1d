/** Labels as data: who could have influenced something, and who may read it. What may be done with them is in packages/policy. */

/** Sorted, distinct, bounded. `['*']` stands for all names there are. */
export type Names = readonly string[];

export interface Label {
  /** Who, other than the principal and the host, could have influenced this: tools and senders whose words may be a stranger's. Empty: nobody. More is lower integrity. */
  readonly influenced_by: Names;
  /** Whose private data may be in this. Empty: public. More is more confidential. */
  readonly private_to: Names;
  readonly sticky: Sticky;
}

/** What has happened to a run or state so far. No single operation clears all three. */
export interface Sticky {
  readonly untrusted_input: boolean;
  readonly private_data: boolean;
  readonly outside_effect: boolean;
}

/** A change of a label that is not a join: who took it upon themselves, over what, and why. Goes to the decision log as it is. */
export interface LabelChange {
  readonly kind: 'endorse' | 'declassify';
  /** The owner whose capability it was; from the channel, never from a payload. */
  readonly by: string;
  readonly reason: string;
  /** Names taken out of the label; `*` for all. */
  readonly names: Names;
  readonly before: Label;
  readonly after: Label;
}
