/**
 * Labels that float with a run (DESIGN 5): who could have influenced this, and who may read it. They form a lattice under
 * `join`: reading joins, and nothing lowers a label but an endorsement or a declassification, which name who did it and why
 * and are recorded. Labels are small JSON in one canonical form, so that they can be stored, compared and hashed.
 *
 * Integrity and confidentiality as in Denning, A Lattice Model of Secure Information Flow (1976) and Biba (1977); the three
 * sticky bits as in Meta's Agents Rule of Two (2025).
 */
import type { Label, LabelChange, Names, Sticky } from '@corral/protocol/label';

export type { Label, LabelChange, Names, Sticky };

/** At most so many distinct sources and reader groups are named in one label; past it the name is `*`, which stands for anyone. */
export const LABEL_MAX_NAMES = 16;
/** Longer names are cut to this before they enter a label. */
export const LABEL_MAX_NAME_CHARS = 128;

const ANYONE: Names = ['*'];

/** The label of what a principal typed or a host's own text: the bottom of the lattice. */
export const CLEAN: Label = {
  influenced_by: [],
  private_to: [],
  sticky: { untrusted_input: false, private_data: false, outside_effect: false },
};

/** The label of which every other is below: what is to be assumed when nothing is known. */
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

/** The label of something read from a tool or a message. `private_to` names whose data it is; nothing for public data. */
export function labelOf(source: string, what: { untrusted: boolean; private_to?: string }): Label {
  return {
    influenced_by: what.untrusted ? names([source]) : [],
    private_to: what.private_to === undefined ? [] : names([what.private_to]),
    sticky: { untrusted_input: what.untrusted, private_data: what.private_to !== undefined, outside_effect: false },
  };
}

/** The least label that is above both: commutative, associative, idempotent; CLEAN changes nothing, WORST swallows all. */
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

/** Whether `b` is at least as tainted and as confidential as `a`; whether what is labelled `a` may flow to what is labelled `b`. */
export function flowsTo(a: Label, b: Label): boolean {
  return (
    within(a.influenced_by, b.influenced_by) &&
    within(a.private_to, b.private_to) &&
    (!a.sticky.untrusted_input || b.sticky.untrusted_input) &&
    (!a.sticky.private_data || b.sticky.private_data) &&
    (!a.sticky.outside_effect || b.sticky.outside_effect)
  );
}

/** The label of a run after an effect outside that it caused. */
export function afterOutsideEffect(label: Label): Label {
  return { ...label, sticky: { ...label.sticky, outside_effect: true } };
}

function without(from: Names, taken: Names): Names {
  if (taken[0] === '*') return [];
  // What may be anyone's stays anyone's: taking one name out of all leaves all but one, which no bounded list can say.
  if (from[0] === '*') return ANYONE;
  return from.filter((name) => !taken.includes(name));
}

/**
 * Vouches for text in spite of who could have influenced it. The sticky bit goes only when nobody is left.
 * @returns the record of it; `after` is the new label
 */
export function endorse(label: Label, by: string, reason: string, taken: Iterable<string>): LabelChange {
  const cut = names(taken);
  const influenced_by = without(label.influenced_by, cut);
  const after = { ...label, influenced_by, sticky: { ...label.sticky, untrusted_input: influenced_by.length > 0 } };
  return { kind: 'endorse', by, reason, names: cut, before: label, after };
}

/** Lets others read what was private to the names taken. Shape and rules as for endorse(). */
export function declassify(label: Label, by: string, reason: string, taken: Iterable<string>): LabelChange {
  const cut = names(taken);
  const private_to = without(label.private_to, cut);
  const after = { ...label, private_to, sticky: { ...label.sticky, private_data: private_to.length > 0 } };
  return { kind: 'declassify', by, reason, names: cut, before: label, after };
}
