/** Describes the faults of a configuration, each with its place. */
import type { z } from 'zod';
import type { Fault } from './whole.ts';

/**
 * Every fault of a value. For a union, the faults are those of the branch that the value comes nearest to, which is the one whose
 * faults lie deepest; so a wrong member of an object is not reported as "not a list".
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

/** Whether the value was an object of the right kind with an unknown key. */
const isKeyed = (issue: z.core.$ZodIssue) => issue.code === 'unrecognized_keys';
