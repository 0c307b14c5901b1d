/** Describes the faults of a configuration, each with its place. */
import * as z from 'zod';
import { didYouMean } from '@corral/protocol/nearest';
import type { Fault } from './whole.ts';

/**
 * Every fault of a value. For a union, the faults are those of the branch that the value comes nearest to, which is the one whose
 * faults lie deepest; so a wrong member of an object is not reported as "not a list".
 * @param schema that the value does not fit; an unknown key is compared with the keys that it knows at this place
 */
export function faultsOf(issues: readonly z.core.$ZodIssue[], schema: z.core.$ZodType, path: readonly PropertyKey[] = []): Fault[] {
  return issues.flatMap((issue) => {
    const here = [...path, ...issue.path];
    const branches = issue.code === 'invalid_union' ? issue.errors : [];
    const depth = (branch: readonly z.core.$ZodIssue[]) => Math.max(0, ...branch.map((one) => one.path.length + (isKeyed(one) ? 1 : 0)));
    const [best] = [...branches].filter((branch) => depth(branch) > 0).sort((a, b) => depth(b) - depth(a));
    if (best !== undefined) return faultsOf(best, schema, here);
    if (branches.length > 0) return { path: here, message: misfitOf(branches, keysAt(schema, here)) };
    if (issue.code !== 'unrecognized_keys') return { path: here, message: issue.message };
    const known = keysAt(schema, here);
    const near = issue.keys.map((key) => didYouMean(key, known)).join('');
    // A message with a suggestion of its own needs no second one.
    if (issue.message.includes('did you mean')) return { path: here, message: issue.message };
    const there = known.length === 0 ? '' : ` There are: ${known.join(', ')}`;
    return { path: here, message: near === '' && there === '' ? issue.message : `${issue.message}.${near === '' ? there : near}` };
  });
}

/** Says which kinds a union takes, of a value that is of none of them. @param keys of the objects that it may be */
function misfitOf(branches: readonly (readonly z.core.$ZodIssue[])[], keys: readonly string[]): string {
  const each = [...new Set(branches.flatMap((branch) => branch.map(({ message }) => message)))];
  const isObject = branches.some((branch) => branch.some((one) => one.code === 'invalid_type' && one.expected === 'object'));
  return `${each.join(', or ')}${isObject && keys.length > 0 ? `. An object has: ${keys.join(', ')}` : ''}`;
}

/** Whether the value was an object of the right kind with an unknown key. */
const isKeyed = (issue: z.core.$ZodIssue) => issue.code === 'unrecognized_keys';

/** The keys that a schema knows at a place: of all the objects that may stand there. */
function keysAt(schema: z.core.$ZodType, path: readonly PropertyKey[]): string[] {
  const [first, ...rest] = path;
  if (schema instanceof z.core.$ZodUnion) return schema._zod.def.options.flatMap((option) => keysAt(option, path));
  if (schema instanceof z.core.$ZodObject) {
    const { shape } = schema._zod.def;
    if (first === undefined) return Object.keys(shape);
    const member = shape[String(first)];
    return member === undefined ? [] : keysAt(member, rest);
  }
  if (schema instanceof z.core.$ZodArray) return first === undefined ? [] : keysAt(schema._zod.def.element, rest);
  if (schema instanceof z.core.$ZodRecord) return first === undefined ? [] : keysAt(schema._zod.def.valueType, rest);
  const inner = schema._zod.def as { readonly innerType?: z.core.$ZodType; readonly in?: z.core.$ZodType };
  const within = inner.innerType ?? inner.in;
  return within === undefined ? [] : keysAt(within, path);
}
