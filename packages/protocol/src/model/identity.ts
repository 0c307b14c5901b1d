/**
 * The identity behind a principal's name. The name of a token can be given again once the token is revoked, and one person can
 * make many tokens. Entries and operations therefore record the token's id, its maker, and the person it counts as.
 */
export interface Identity {
  /** The token's id. Absent: no token was used. */
  readonly token?: string;
  /** Maker of the token or the schedule. */
  readonly made_by?: string;
  /** The person it counts as, where people are counted. */
  readonly person: string;
}
