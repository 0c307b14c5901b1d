/** Labels of kept values: the join of what was written together or is shown together, and whether a caller may read it. */
import { CLEAN, join, LABEL_MAX_NAMES, mayHear, unionOf } from '@corral/policy/flow/labels';
import type { Kept, Label, Writer } from '@corral/protocol/model/label';
import type { MemoryCaller } from '@corral/protocol/ports/memory';
import type { Head } from './tables.ts';

/** Writers that an entry or an answer names at most. */
const WRITERS = LABEL_MAX_NAMES;

/** The label and the writer of a value that a call writes. */
export function written({ label, run, call, agent, person }: MemoryCaller, at: number): Head {
  return { ...(label === undefined ? {} : { label }), by: [{ run, call, agent, person, at }], people: [person] };
}

/** A value of two parts. */
export function joined(later: Head, earlier: Head): Head {
  const label = bothOf(later.label, earlier.label);
  return {
    ...(label === undefined ? {} : { label }),
    by: writersOf([...later.by, ...earlier.by]),
    people: unionOf(later.people, earlier.people),
  };
}

/** The join of what is shown together; of nothing, that of nobody. */
export function keptOf(heads: readonly Head[]): Kept {
  const label = heads.reduce<Label | undefined>((all, one) => bothOf(all, one.label), CLEAN);
  return { ...(label === undefined ? {} : { label }), by: writersOf(heads.flatMap(({ by }) => by).toSorted((a, b) => b.at - a.at)) };
}

/**
 * Whether a caller may read or replace a value. Runs for the people whose runs wrote it have read what is in it already; others may if they
 * are all those whose private data it holds. Where labels were not tracked when it was written, it may be private to anybody: then it is
 * for callers of which nothing is known either.
 */
export function mayRead({ label, people }: Head, { label: own, person, names }: MemoryCaller): boolean {
  if (people.every((one) => one === person)) return true;
  if (label === undefined) return own === undefined || names.includes('*');
  return mayHear(label, names);
}

/** Unknown with anything is unknown. */
const bothOf = (a: Label | undefined, b: Label | undefined): Label | undefined =>
  a === undefined || b === undefined ? undefined : join(a, b);

function writersOf(all: readonly Writer[]): Writer[] {
  const found = new Map(all.toReversed().map((one) => [`${one.run}:${one.call}`, one]));
  return [...found.values()].toReversed().slice(0, WRITERS);
}
