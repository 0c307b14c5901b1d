/**
 * Narrow answers: a quarantined child may read what a stranger wrote, open a handle for instance, and answer with an enum, a boolean
 * or a number (DESIGN 5). That is too little room for instructions, so the answer carries the readers of the text but not its influence.
 */
import type { Label } from './labels.ts';

/** What a quarantined child may answer with. `enum` is fixed by the planner before the child reads anything. */
export type NarrowType = { readonly enum: readonly string[] } | 'boolean' | 'number';

/** A planner may not smuggle text out through an enumeration as wide as a dictionary. */
export const NARROW_ENUM_MAX = 64;

/** Whether a value is of the narrow type that was agreed on. */
export function isNarrow(type: NarrowType, value: unknown): boolean {
  if (type === 'boolean') return typeof value === 'boolean';
  if (type === 'number') return typeof value === 'number' && Number.isFinite(value);
  return type.enum.length <= NARROW_ENUM_MAX && typeof value === 'string' && type.enum.includes(value);
}

/**
 * The narrow type that a JSON Schema stands for; undefined for every other schema. Only schemas that say nothing but that are
 * taken, so that nothing here has to evaluate one: bounds of a number may stand beside its type, and are not relied on.
 */
export function narrowTypeOf(schema: { readonly [key: string]: unknown } | null | undefined): NarrowType | undefined {
  if (schema === null || schema === undefined) return undefined;
  const { type, enum: members } = schema;
  if (Object.keys(schema).some((key) => !NARROW_KEYS.has(key))) return undefined;
  if (members !== undefined) {
    const words = Array.isArray(members) && members.length <= NARROW_ENUM_MAX && members.every((one) => typeof one === 'string');
    return words && (type === undefined || type === 'string') ? { enum: members } : undefined;
  }
  if (type === 'boolean') return 'boolean';
  return type === 'number' || type === 'integer' ? 'number' : undefined;
}
const NARROW_KEYS: ReadonlySet<string> = new Set(
  '$schema title description type enum minimum maximum exclusiveMinimum exclusiveMaximum multipleOf'.split(' '),
);

/**
 * The label of what a quarantined child answers. A narrow answer keeps confidentiality (a number can be private) and drops
 * influence: an attacker chooses among the planner's own branches and nothing else. Any other answer keeps the child's whole label.
 */
export function answerLabel(type: NarrowType, value: unknown, child: Label): Label {
  return isNarrow(type, value) ? withoutInfluence(child) : child;
}

/** What is left of a label when nothing of what strangers wrote is passed on. */
export function withoutInfluence(label: Label): Label {
  return { ...label, influenced_by: [], sticky: { ...label.sticky, untrusted_input: false } };
}
