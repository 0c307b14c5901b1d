/**
 * Narrow answers: a quarantined child may read a stranger's text, for instance by opening a handle, and answer with an enum, a
 * boolean or a number. Such an answer is too small to carry instructions, so it keeps the confidentiality of the text
 * but not its influence.
 */
import type { Label } from './labels.ts';

/** The type of a quarantined child's answer. `enum` is fixed by the planner before the child reads anything. */
export type NarrowType = { readonly enum: readonly string[] } | 'boolean' | 'number';

/** Largest enumeration: one as large as a dictionary could carry text. */
export const NARROW_ENUM_MAX = 64;

/** Whether a value has the agreed narrow type. */
export function isNarrow(type: NarrowType, value: unknown): boolean {
  if (type === 'boolean') return typeof value === 'boolean';
  if (type === 'number') return typeof value === 'number' && Number.isFinite(value);
  return type.enum.length <= NARROW_ENUM_MAX && typeof value === 'string' && type.enum.includes(value);
}

/**
 * The narrow type of a JSON Schema; undefined for every other schema. Only schemas with nothing else are accepted, so that no
 * schema must be evaluated here: limits of a number may be given with its type, and are ignored.
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
 * The label of a quarantined child's answer. A narrow answer keeps confidentiality (a number can be private) and drops influence:
 * an attacker can only choose among the planner's own branches. Any other answer has the child's whole label.
 */
export function answerLabel(type: NarrowType, value: unknown, child: Label): Label {
  return isNarrow(type, value) ? withoutInfluence(child) : child;
}

/** The label without influence, for a value that carries nothing of what strangers wrote. */
export function withoutInfluence(label: Label): Label {
  return { ...label, influenced_by: [], sticky: { ...label.sticky, untrusted_input: false } };
}
