/** A sampled shadow: now and then the engine is asked the same, so that a fault in the closures does not stay unseen. */
import type { PolicyRequest } from './request.ts';
import type { LoadedPolicy } from './policy-set.ts';
import type { Answer } from './residual.ts';

/** One decision in so many; 0: none. */
export type SampleEvery = number;

/** Closures and engine gave different answers to one request. */
export interface Alarm {
  readonly request: PolicyRequest;
  readonly closures: Answer;
  /** Undefined: it could not answer. */
  readonly engine: Answer | undefined;
}

/** Says of each decision whether it is one to compare. The first one is: a fault that is always there shows at once. */
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

/** The same policies matched and the same ones failed; the wording of errors is each one's own. */
export function isMismatch(a: Answer, b: Answer): boolean {
  const ids = (policies: readonly LoadedPolicy[]) =>
    policies
      .map(({ id }) => id)
      .sort()
      .join('\0');
  const failed = ({ errors }: Answer) => ids(errors.map(({ policy }) => policy));
  return ids(a.permits) !== ids(b.permits) || ids(a.forbids) !== ids(b.forbids) || failed(a) !== failed(b);
}
