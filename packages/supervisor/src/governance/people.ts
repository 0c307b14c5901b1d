/**
 * What the host knows of the people behind names, asked of whoever lets them in. Quorums and "nobody decides about their own run"
 * count people; one person may come under several names.
 */
import type { Identity } from '@corral/protocol/model/identity';

export interface People {
  /** Who stands behind a name; undefined where the name says all. */
  readonly identity: (principal: string) => Identity | undefined;
  /** Everybody who may be behind a name, the name itself among them. Two names with somebody in common are one person. */
  readonly behind: (principal: string) => ReadonlySet<string>;
  /** What rules may call somebody by: the name, a token's id, the person it was made for. */
  readonly namesOf: (principal: string) => readonly string[];
}

/** Where nobody knows more than names, each is a person. */
export const BY_NAME: People = {
  identity: () => undefined,
  behind: (principal) => new Set([principal]),
  namesOf: (principal) => [principal],
};

/** The first of these names that is the same person as another; undefined where that one is somebody else. */
export function samePerson(people: People, by: string, others: readonly string[]): string | undefined {
  const own = people.behind(by);
  return others.find((other) => !own.isDisjointFrom(people.behind(other)));
}
