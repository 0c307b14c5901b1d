/**
 * JSON as Corral uses it: the only form in which data crosses into or out of an isolate. This file is imported by cells, so it
 * imports no libraries.
 */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** Deepest nesting of arrays and objects that Corral accepts anywhere, which also limits recursion over accepted values. */
export const JSON_MAX_DEPTH = 64;

/** Whether `value` nests deeper than `max` levels; recurses no further than that. */
export function isDeeperThan(value: unknown, max: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (max === 0) return true;
  if (Array.isArray(value)) {
    for (const item of value) if (isDeeperThan(item, max - 1)) return true;
    return false;
  }
  for (const key in value) if (isDeeperThan((value as Record<string, unknown>)[key], max - 1)) return true;
  return false;
}

/**
 * Canonical JSON text after RFC 8785 (JCS): keys sorted by UTF-16 code units, numbers as ECMAScript prints them,
 * no white space. Two values have the same canonical text exactly when they are the same JSON value.
 * Members whose value is `undefined` are left out, as JSON.stringify does.
 * @throws RangeError when the value nests deeper than JSON_MAX_DEPTH
 */
export function canonical(value: unknown, depth = 0): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  if (depth === JSON_MAX_DEPTH) throw new RangeError(`JSON nests deeper than ${JSON_MAX_DEPTH} levels`);
  if (Array.isArray(value)) {
    let text = '[';
    for (let i = 0; i < value.length; i++) text += (i === 0 ? '' : ',') + canonical(value[i], depth + 1);
    return `${text}]`;
  }
  const object = value as Record<string, unknown>;
  let text = '';
  for (const key of Object.keys(object).sort()) {
    const member = object[key];
    if (member === undefined) continue;
    text += `${text === '' ? '' : ','}${JSON.stringify(key)}:${canonical(member, depth + 1)}`;
  }
  return `{${text}}`;
}
