/** Sampling for comparison: some decisions are evaluated by the engine too, so that a fault in the closures is noticed. */
import type { PolicyRequest } from './request.ts';
import type { LoadedPolicy } from './policy-set.ts';
import type { Answer } from './residual.ts';

/** One decision in this many; 0: none. */
export type SampleEvery = number;

/** Closures and engine gave different answers to one request. */
export interface Alarm {
  readonly request: PolicyRequest;
  readonly closures: Answer;
  /** Undefined: it could not answer. */
  readonly engine: Answer | undefined;
}

/** Tells for each decision whether it is compared. The first one is, so that a permanent fault shows at once. */
export function sampler(every: SampleEvery): () => boolean {
  if (every <= 0) return () => false;
  let left = 0;
  return () => {
    if (left > 0) {
      left -= 1;
      return false;
    }
    left = every - 1;
    return true;
  };
}

/** Compares which policies matched and which failed; the texts of errors may differ. */
export function isMismatch(a: Answer, b: Answer): boolean {
  const ids = (policies: readonly LoadedPolicy[]) =>
    policies
      .map(({ id }) => id)
      .sort()
      .join('\0');
  const failed = ({ errors }: Answer) => ids(errors.map(({ policy }) => policy));
  return ids(a.permits) !== ids(b.permits) || ids(a.forbids) !== ids(b.forbids) || failed(a) !== failed(b);
}
