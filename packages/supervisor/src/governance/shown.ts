/**
 * The version of a call that waits for people: it changes with all of the call that a person decides by. A decision names the version that was
 * shown, so nobody approves what they have not seen; the refusal says which part has changed.
 */
import type { Ledger } from '@corral/broker/ledger/ledger';
import { needsInput, type PendingApproval } from '@corral/broker/ledger/pending';
import { CLEAN, join } from '@corral/policy/flow/labels';
import { CorralError } from '@corral/protocol/errors';
import type { Label } from '@corral/protocol/model/label';
import { ANY_TEXT, type Question } from '@corral/protocol/model/question';
import { digestOf } from '../admission/admission.ts';

/** Each part is this many hexadecimal digits of the version. */
const DIGITS = 10;

/**
 * The label of the run with the values behind handles in its arguments, and with the tool where that has written the question. The run may have
 * read more since it asked, which makes it stricter.
 */
export function labelOf({ flow }: Ledger, pending: PendingApproval): Label {
  const { handled = [], tool } = pending.call;
  const label = handled.reduce((all, one) => join(all, one.label), flow?.label ?? CLEAN);
  return needsInput(pending) ? join(label, { ...CLEAN, influenced_by: [tool] }) : label;
}

/** The question to people, by the agent or by the tool `from`; undefined if they are asked to approve. */
export function questionIn({ call }: PendingApproval): (Required<Pick<Question, 'question' | 'schema'>> & Asker) | undefined {
  if (call.question !== true) return undefined;
  const request = call.asked_input?.request;
  if (request !== undefined) return { question: request.question, schema: request.schema, from: call.tool };
  const { question, schema = ANY_TEXT, misfit } = call.input as unknown as Question;
  return { question, schema, ...(misfit === undefined ? {} : { misfit }) };
}

interface Asker {
  /** Why the agent's own code did not take the last answer. */
  readonly misfit?: string;
  /** The tool that needs the answer to go on with a call. */
  readonly from?: string;
}

/** Parts of a call that may change while it waits, each with the words for it. */
function partsOf(ledger: Ledger, pending: PendingApproval): readonly (readonly [about: string, of: unknown])[] {
  const { digest, quorum, approvers = [], by, call } = pending;
  const input = call.asked_input === undefined ? [] : [call.asked_input];
  const { influenced_by, private_to } = labelOf(ledger, pending);
  const approved = by.length === 0 ? 'nobody has approved it' : `${by.join(' and ')} approved it`;
  return [
    ['it is another call', [ledger.record.id, pending.id, call.tool, digest, pending.expires_at, ...input]],
    [approved, [quorum, approvers, by]],
    ['its run has read more since', [influenced_by, private_to]],
  ];
}

const partOf = (of: unknown): string => digestOf(JSON.stringify(of)).slice(-DIGITS);

export const versionOf = (ledger: Ledger, pending: PendingApproval): string =>
  partsOf(ledger, pending)
    .map(([, of]) => partOf(of))
    .join('');

/** @param shown the version that the person has seen; undefined: whatever it is @throws CORRAL_CHANGED */
export function mustBeAsShown(ledger: Ledger, pending: PendingApproval, shown: string | undefined): void {
  if (shown === undefined) return;
  const changed = partsOf(ledger, pending).filter(([, of], i) => partOf(of) !== shown.slice(i * DIGITS, (i + 1) * DIGITS));
  if (changed.length === 0 && shown.length === DIGITS * partsOf(ledger, pending).length) return;
  const why = changed.map(([about]) => about).join(', and ') || 'it is another version';
  throw new CorralError('CORRAL_CHANGED', `Call ${pending.id} of ${ledger.record.id} is not as it was shown: ${why}.`);
}
