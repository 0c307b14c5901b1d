/** What is wrong with a configuration, in words that name the place. */
import type { z } from 'zod';
import type { Fault } from './whole.ts';

/**
 * Every fault of a value. Where it could be one of several things, it is judged as the one that it comes nearest to: the one whose
 * faults lie deepest, so that a wrong word in an object is not reported as "not a list".
 */
export function faultsOf(issues: readonly z.core.$ZodIssue[], path: readonly PropertyKey[] = []): Fault[] {
  return issues.flatMap((issue) => {
    const here = [...path, ...issue.path];
    const branches = issue.code === 'invalid_union' ? issue.errors : [];
    const depth = (branch: readonly z.core.$ZodIssue[]) => Math.max(0, ...branch.map((one) => one.path.length + (isKeyed(one) ? 1 : 0)));
    const [best] = [...branches].filter((branch) => depth(branch) > 0).sort((a, b) => depth(b) - depth(a));
    return best === undefined ? [{ path: here, message: issue.message }] : faultsOf(best, here);
  });
}

/** An object it was, and one with a name too many. */
const isKeyed = (issue: z.core.$ZodIssue) => issue.code === 'unrecognized_keys';
