/**
 * The people behind the names of principals, as the front door knows them. Quorums, and the rule that nobody decides about their own run,
 * count people; one person may act under several names.
 */
import type { Identity } from '@corral/protocol/model/identity';

export interface People {
  /** The person or token behind a name; undefined if nothing more is known than the name. */
  readonly identity: (principal: string) => Identity | undefined;
  /** Everybody who may be behind a name, the name itself included. Two names that have somebody in common count as one person. */
  readonly behind: (principal: string) => ReadonlySet<string>;
  /** The names by which rules may mean this principal: the name itself, a token's id, the person that the token was made for. */
  readonly namesOf: (principal: string) => readonly string[];
}

/** Each name counts as a person, for hosts that know nothing more than names. */
export const BY_NAME: People = {
  identity: () => undefined,
  behind: (principal) => new Set([principal]),
  namesOf: (principal) => [principal],
};

/** The first of `others` that is the same person as `by`; undefined if none is. */
export function samePerson(people: People, by: string, others: readonly string[]): string | undefined {
  const own = people.behind(by);
  return others.find((other) => !own.isDisjointFrom(people.behind(other)));
}
