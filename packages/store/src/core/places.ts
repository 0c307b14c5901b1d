/** The place of each sealed text, as associated data, so that it opens nowhere else. */

export const PLACE = {
  entry: (run: string, seq: number) => `${run}:entry:${seq}`,
  /** A delivery of inbox format 1. */
  inbox: (run: string, seq: number) => `${run}:inbox:${seq}`,
  /** A delivery of inbox format 2: its number is not in it, so that it can be sealed before it has one. */
  sent: (run: string, sender: string, key: string) => `${run}:from:${sender}:${key}`,
  record: (run: string) => `${run}:record`,
  ledger: (run: string) => `${run}:ledger`,
  outcome: (run: string) => `${run}:outcome`,
};
