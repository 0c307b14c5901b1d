/**
 * Handles: a tool's untrusted result that moves without being read (DESIGN 5). Holding, storing and passing a handle leaves the
 * holder's label as it is; only opening it joins its label. A quarantined child may open one and answer with an enum, a boolean
 * or a number: too little room for instructions, so the answer carries the readers of the text but not its influence.
 */
import type { Json } from '@corral/protocol/json';
import { join, type Label } from './labels.ts';

/** What an agent sees of a handle. It means nothing outside its run, as a capability does. */
export interface Handle {
  readonly handle: string;
  /** JSON type and size of what is inside, which a clean planner may know; never its text. */
  readonly type: 'object' | 'array' | 'string' | 'number' | 'boolean' | 'null';
  readonly bytes: number;
}

/** What a quarantined child may answer with. `enum` is fixed by the planner before the child reads anything. */
export type NarrowType = { readonly enum: readonly string[] } | 'boolean' | 'number';

/** A planner may not smuggle text out through an enumeration as wide as a dictionary. */
export const NARROW_ENUM_MAX = 64;

export function handleOf(id: string, value: Json): Handle {
  const type = value === null ? 'null' : Array.isArray(value) ? 'array' : (typeof value as Handle['type']);
  return { handle: id, type, bytes: JSON.stringify(value).length };
}

/** The holder's label after it was given, stored or passed on a handle: unchanged, and the label of what is inside stays with the handle. */
export const afterMove = (holder: Label): Label => holder;

/** The reader's label after it opened a handle. */
export const afterOpen = (reader: Label, inside: Label): Label => join(reader, inside);

/** Whether a value is of the narrow type that was agreed on. */
export function isNarrow(type: NarrowType, value: unknown): boolean {
  if (type === 'boolean') return typeof value === 'boolean';
  if (type === 'number') return typeof value === 'number' && Number.isFinite(value);
  return type.enum.length <= NARROW_ENUM_MAX && typeof value === 'string' && type.enum.includes(value);
}

/**
 * The label of what a quarantined child answers. A narrow answer keeps confidentiality (a number can be private) and drops
 * influence: an attacker chooses among the planner's own branches and nothing else. Any other answer keeps the child's whole label.
 */
export function answerLabel(type: NarrowType, value: unknown, child: Label): Label {
  if (!isNarrow(type, value)) return child;
  return { ...child, influenced_by: [], sticky: { ...child.sticky, untrusted_input: false } };
}
