/**
 * Who stands behind the name of somebody who acted. A token's name is a label: it can be given again once the token is gone, and
 * whoever makes tokens can make many. Entries and operations therefore say which token it was, who made it, and whom it counts as.
 */
export interface Identity {
  /** The token's id. Absent: no token was used. */
  readonly token?: string;
  /** Who made the token, or the schedule. */
  readonly made_by?: string;
  /** The person it counts as, where people are counted. */
  readonly person: string;
}
