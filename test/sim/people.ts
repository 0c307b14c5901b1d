/** Checks policies and approvals: verdicts are applied, and no call is sent without the approval it needs. */
import type { Decision } from '@corral/protocol/model/decision';
import type { HostEvent } from '@corral/protocol/model/run';
import { dayOf } from '@corral/protocol/model/spend';
import type { Commit } from '@corral/protocol/ports/store';
import { keptBack } from './authority.ts';
import { QUESTION } from './powers.ts';
import type { Book } from './book.ts';
import type { Known, KnownCall } from './known.ts';
import { rulesOf, rulingOn } from './rules.ts';

/** Checks that a decision agrees with the policies. A run that has read untrusted text stays tainted. */
export function ruled(book: Book, known: Known, decision: Decision, n: number, at: number, where: string): void {
  // Everything else that forbids a call is checked before the policies.
  if (decision.tool === undefined || (decision.verdict === 'deny' && decision.code !== 'CORRAL_DENIED')) return;
  const rules = rulesOf(decision.policy);
  book.must(rules !== undefined, () => `13: ${where}: ${decision.tool} with ${n} is ${decision.verdict}, and no policies were asked`);
  book.must(
    book.setups.at(at).some((setup) => setup.rules === rules),
    () => `13: ${where}: ${decision.tool} with ${n} was decided by the ${rules} policies, which were not in force`,
  );
  // A question that the policies allow waits for a person as well.
  const ruling = rulingOn(rules ?? 'usual', decision.tool, n, known.knows.tainted);
  const { verdict, quorum } = decision.tool === QUESTION && ruling.verdict === 'allow' ? ASKED : ruling;
  book.must(
    decision.verdict === verdict && (verdict !== 'ask' || decision.quorum === quorum),
    () => `13: ${where}: ${decision.tool} with ${n} is ${decision.verdict}; the policies say ${verdict}`,
  );
}

const ASKED = { verdict: 'ask', quorum: 1 } as const;

/** Records a denial that also stops its run: the run may not go on until a person resumes it, even if its host dies. */
export function stopsRun(known: Known, { verdict, rules = [], code }: Decision): void {
  if (verdict !== 'deny') return;
  if (rules.includes('stop')) known.stoppedBy = 'its policies';
  else if (code === 'CORRAL_SPEND_EXCEEDED') known.stoppedBy = 'an account';
}

/** Checks a person's verdict on a call, or the end of the time for one. */
export function decided(
  book: Book,
  known: Known,
  event: Extract<HostEvent, { kind: 'approval' }>,
  { entry, timersDone }: Commit,
  where: string,
): void {
  const call = known.calls.get(event.id);
  book.must(call?.approval === 'waiting', () => `13: ${where} decides about call ${event.id}, which waits for nobody`);
  if (call === undefined) return;
  if (event.verdict !== 'approve') {
    call.approval = event.verdict === 'deny' ? 'denied' : 'expired';
    return;
  }
  const { answer } = event;
  book.must(
    (call.decision.tool === QUESTION) === (answer !== undefined),
    () => `13: ${where}: ${event.by} ${answer === undefined ? 'approves a question' : 'answers what is not one'}, call ${event.id}`,
  );
  if (answer !== undefined) {
    book.must(
      (answer.value as { n?: number }).n === call.n && timersDone.includes(event.id),
      () => `13: ${where}: question ${event.id} with ${call.n} is answered with ${JSON.stringify(answer.value)}, or still expires`,
    );
    call.approval = 'answered';
    call.answer = JSON.stringify(answer.value);
    return;
  }
  book.must(!call.approvedBy.has(event.by), () => `13: ${where}: ${event.by} approves call ${event.id} twice`);
  book.must(event.by !== known.record.principal, () => `13: ${where}: ${event.by} approves what they submitted`);
  call.approvedBy.add(event.by);
  if (call.approvedBy.size < (call.decision.quorum ?? 1)) {
    book.must(!timersDone.includes(event.id), () => `13: ${where} leaves call ${event.id} waiting for others, and without an end to that`);
    return;
  }
  // The policies, which may have changed, are evaluated again after the last approval.
  const tool = call.decision.tool ?? '';
  const stands = book.setups.at(entry.at).some(({ rules }) => {
    const { verdict, quorum } = rulingOn(rules, tool, call.n, known.knows.tainted);
    return verdict !== 'deny' && quorum <= call.approvedBy.size;
  });
  book.must(stands, () => `13: ${where}: call ${event.id} to ${tool} with ${call.n} is approved, and the policies refuse it by now`);
  call.approval = 'approved';
  call.paysOn = dayOf(entry.at);
  call.mayLeave = 1;
}

/** Checks a withdrawal: the capability was revoked, or the call's timeout has passed. */
export function withdrawn(
  book: Book,
  known: Known,
  event: Extract<HostEvent, { kind: 'unanswered' }>,
  { timersDone, entry }: Commit,
  where: string,
): void {
  const call = known.calls.get(event.id);
  if (call === undefined) return;
  const late = 'error' in event.result && event.result.error.code === 'CORRAL_TIMED_OUT';
  const what = () => `13: ${where} withdraws call ${event.id}, which waits for nobody or whose capability nobody took back`;
  book.must(call.approval === 'waiting' && (!late || entry.at >= (call.decision.expires_at ?? Infinity)), what);
  if (!late) keptBack(book, call.decision.grant, what);
  book.must(timersDone.includes(event.id), () => `13: ${where} withdraws call ${event.id}, and its expiry stays`);
  call.approval = 'withdrawn';
}

/** Whether a run may get this result for a call that was not approved. */
export function mayBeTold(book: Book, call: KnownCall, code: string | undefined): boolean {
  switch (call.approval) {
    case 'denied':
      return code === 'CORRAL_APPROVAL_DENIED';
    case 'expired':
      return code === 'CORRAL_APPROVAL_EXPIRED';
    case 'withdrawn':
      if (call.givenUp === true && code === 'CORRAL_CALL_GIVEN_UP') return true;
      if (code === 'CORRAL_REVOKED')
        keptBack(book, call.decision.grant, () => '13: a call is answered as withdrawn, and nobody took its capability back');
      return code === 'CORRAL_TIMED_OUT' || code === 'CORRAL_REVOKED';
    default:
      return false;
  }
}
