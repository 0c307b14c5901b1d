/**
 * Tells whether the tool of a call has acted, also where its agent was told something else: the answer of a tool may be withheld, refused or lost, and a person
 * who reads "failed" then would have it done once more.
 */
import { modelIn } from '@corral/protocol/ids';
import type { Decision } from '@corral/protocol/model/decision';
import type { Entry } from '@corral/protocol/model/run';
import type { Result } from '@corral/protocol/wire/delivery';

/** `yes`: the tool has answered. `no`: it was not called, or said itself that it failed. `unknown`: it may have acted. */
export type Acted = 'yes' | 'no' | 'unknown';

/** An entry, or after the last one the answers that have come since: the run has not read them, so they are in no entry yet. */
export type Read = Entry & { readonly arrived?: readonly Result[] };

/** Errors that the host puts in the place of an answer. */
const ANSWERED: ReadonlySet<string> = new Set(['CORRAL_RESULT_INVALID', 'CORRAL_RESULT_TOO_LARGE', 'CORRAL_STREAM_LOST']);
/** Errors of calls that had left, or may have. */
const LATE: ReadonlySet<string> = new Set(['CORRAL_TIMED_OUT', 'CORRAL_UNKNOWN_RESULT']);
/** Errors of calls that had left, unless they cost nothing. */
const TAKEN: ReadonlySet<string> = new Set(['CORRAL_REVOKED', 'CORRAL_CALL_GIVEN_UP']);

/**
 * @param asked whether the call still waited for people or inspectors, and so had not left
 * @param stopped whether it was aborted: a tool that fails then may have acted before
 */
export function actedBy(result: Result, { asked, stopped }: { readonly asked: boolean; readonly stopped: boolean }): Acted {
  if (!('error' in result)) return 'yes';
  const { code } = result.error;
  if (asked) return 'no';
  if (ANSWERED.has(code) || result.inspected?.verdict === 'deny') return 'yes';
  if (result.may_have_acted === true) return 'unknown';
  if (TAKEN.has(code)) return result.cost === undefined ? 'unknown' : 'no';
  return LATE.has(code) || (stopped && code === 'CORRAL_TOOL_FAILED') ? 'unknown' : 'no';
}

/** A journal with the answers that have come since its last entry. @param answers asked for once the journal was read */
export async function* withArrived(
  pages: AsyncIterable<readonly Entry[]>,
  answers: () => Promise<readonly Result[]>,
): AsyncGenerator<readonly Read[]> {
  let last: Entry | undefined;
  for await (const page of pages) {
    last = page.at(-1) ?? last;
    yield page;
  }
  const arrived = last === undefined ? [] : await answers();
  if (last === undefined || arrived.length === 0) return;
  const { seq, at } = last;
  yield [{ seq: seq + 1, at, delivery: undefined, effects: undefined, decisions: [], event: undefined, cpu_us: 0, arrived }];
}

/** Whether the tool of a call may change something, by its declarations at that time; where nothing says, it may. A model changes nothing. */
export const mayChange = ({ tool, changes, tool_facts }: Pick<Decision, 'tool' | 'changes' | 'tool_facts'>): boolean =>
  modelIn(tool ?? '') === undefined && (changes ?? (tool_facts === undefined || tool_facts.effect === 'change'));

/** People who must still approve a call before it leaves; infinite while inspectors look at it. */
export const asksOf = ({ verdict, quorum = 1 }: Pick<Decision, 'verdict' | 'quorum'>): number =>
  verdict === 'inspect' ? Number.POSITIVE_INFINITY : verdict === 'ask' ? quorum : 0;
