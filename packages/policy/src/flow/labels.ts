/**
 * Labels that follow a run (ARCHITECTURE.md, "Policies and labels at the bus"): who may have influenced it, and who may read it. They
 * form a lattice under `join`: reading joins, and only an endorsement or a declassification lowers a label; those name who did it and
 * why, and are recorded. Labels are small JSON in a canonical form, so that they can be stored, compared and hashed.
 *
 * Integrity and confidentiality as in Denning, A Lattice Model of Secure Information Flow (1976) and Biba (1977); the three
 * sticky bits as in Meta's Agents Rule of Two (2025).
 */
import type { Label, LabelChange, Names, Sticky } from '@corral/protocol/model/label';

export type { Label, LabelChange, Names, Sticky };

/** Most distinct sources, and most reader groups, in one label; beyond that the name is `*`, which stands for anyone. */
export const LABEL_MAX_NAMES = 16;
/** Longer names are cut before they enter a label. */
export const LABEL_MAX_NAME_CHARS = 128;

const ANYONE: Names = ['*'];

/** The label of the principal's input and of the host's own text: the bottom of the lattice. */
export const CLEAN: Label = {
  influenced_by: [],
  private_to: [],
  sticky: { untrusted_input: false, private_data: false, outside_effect: false },
};

/** The top of the lattice: the label of something about which nothing is known. */
export const WORST: Label = {
  influenced_by: ANYONE,
  private_to: ANYONE,
  sticky: { untrusted_input: true, private_data: true, outside_effect: true },
};

function names(all: Iterable<string>): Names {
  const set = new Set<string>();
  for (const name of all) {
    if (name === '*') return ANYONE;
    set.add(name.slice(0, LABEL_MAX_NAME_CHARS));
    if (set.size > LABEL_MAX_NAMES) return ANYONE;
  }
  return [...set].sort();
}

const within = (some: Names, all: Names) => all[0] === '*' || (some[0] !== '*' && some.every((name) => all.includes(name)));

/** The label of a result or a message. `private_to` names whose data it is; left out for public data. */
export function labelOf(source: string, what: { untrusted: boolean; private_to?: string }): Label {
  return {
    influenced_by: what.untrusted ? names([source]) : [],
    private_to: what.private_to === undefined ? [] : names([what.private_to]),
    sticky: { untrusted_input: what.untrusted, private_data: what.private_to !== undefined, outside_effect: false },
  };
}

/** The least upper bound: commutative, associative, idempotent. CLEAN is neutral, WORST absorbs. */
export function join(a: Label, b: Label): Label {
  return {
    influenced_by: names([...a.influenced_by, ...b.influenced_by]),
    private_to: names([...a.private_to, ...b.private_to]),
    sticky: {
      untrusted_input: a.sticky.untrusted_input || b.sticky.untrusted_input,
      private_data: a.sticky.private_data || b.sticky.private_data,
      outside_effect: a.sticky.outside_effect || b.sticky.outside_effect,
    },
  };
}

/** Whether `b` is at least as tainted and as confidential as `a`, so that a value labelled `a` may flow to one labelled `b`. */
export function flowsTo(a: Label, b: Label): boolean {
  return (
    within(a.influenced_by, b.influenced_by) &&
    within(a.private_to, b.private_to) &&
    (!a.sticky.untrusted_input || b.sticky.untrusted_input) &&
    (!a.sticky.private_data || b.sticky.private_data) &&
    (!a.sticky.outside_effect || b.sticky.outside_effect)
  );
}

/** All of these names. */
export function unionOf(a: Names, b: Names): Names {
  if (a.length === 0) return b;
  return b.length === 0 || a === b ? a : names([...a, ...b]);
}

/** Whether somebody who may know the private data of these names may read this; `*` stands for all names. */
export const mayHear = ({ private_to }: Pick<Label, 'private_to'>, hears: Names): boolean =>
  within(private_to, hears.includes('*') ? ANYONE : hears);

/** The label of a run after it caused an outside effect. */
export function afterOutsideEffect(label: Label): Label {
  return { ...label, sticky: { ...label.sticky, outside_effect: true } };
}

function without(from: Names, taken: Names): Names {
  if (taken[0] === '*') return [];
  // `*` stays: taking one name out of all leaves all but one, which no bounded list can express.
  if (from[0] === '*') return ANYONE;
  return from.filter((name) => !taken.includes(name));
}

/**
 * Endorses: vouches for text in spite of the named influences. The sticky bit is cleared only if no influence is left.
 * @returns the record of it; `after` is the new label
 */
export function endorse(label: Label, by: string, reason: string, taken: Iterable<string>): LabelChange {
  const cut = names(taken);
  const influenced_by = without(label.influenced_by, cut);
  const after = { ...label, influenced_by, sticky: { ...label.sticky, untrusted_input: influenced_by.length > 0 } };
  return { kind: 'endorse', by, reason, names: cut, before: label, after };
}

/** Declassifies: lets others read what was private to the named people. Otherwise like endorse(). */
export function declassify(label: Label, by: string, reason: string, taken: Iterable<string>): LabelChange {
  const cut = names(taken);
  const private_to = without(label.private_to, cut);
  const after = { ...label, private_to, sticky: { ...label.sticky, private_data: private_to.length > 0 } };
  return { kind: 'declassify', by, reason, names: cut, before: label, after };
}
