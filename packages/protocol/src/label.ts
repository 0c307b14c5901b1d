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
