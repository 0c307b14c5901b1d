/** Policies and people: what they say of a call holds, and nothing leaves without their word (DESIGN 3.13, 5). */
import type { Decision } from '@corral/protocol/model/decision';
import type { HostEvent } from '@corral/protocol/model/run';
import { dayOf } from '@corral/protocol/model/spend';
import type { Commit } from '@corral/protocol/ports/store';
import { keptBack } from './authority.ts';
import type { Book, Known, KnownCall } from './book.ts';
import { rulesOf, rulingOn } from './rules.ts';

/** The policies said of a call what they say; a run that was given a stranger's words is never clean again. */
export function ruled(book: Book, known: Known, decision: Decision, n: number, at: number, where: string): void {
  // Whatever else stands against a call is found out before the policies are asked.
  if (decision.tool === undefined || (decision.verdict === 'deny' && decision.code !== 'CORRAL_DENIED')) return;
  const rules = rulesOf(decision.policy);
  book.must(rules !== undefined, () => `13: ${where}: ${decision.tool} with ${n} is ${decision.verdict}, and no policies were asked`);
  book.must(
    book.setups.at(at).some((setup) => setup.rules === rules),
    () => `13: ${where}: ${decision.tool} with ${n} was decided by the ${rules} policies, which were not in force`,
  );
  const { verdict, quorum } = rulingOn(rules ?? 'usual', decision.tool, n, known.knows.tainted);
  book.must(
    decision.verdict === verdict && (verdict !== 'ask' || decision.quorum === quorum),
    () => `13: ${where}: ${decision.tool} with ${n} is ${decision.verdict}; the policies say ${verdict}`,
  );
}

/** What a denial means for its run besides: nothing more until somebody lets it go on, whatever befalls its host. */
export function stopsRun(known: Known, { verdict, rules = [], code }: Decision): void {
  if (verdict !== 'deny') return;
  if (rules.includes('stop')) known.stoppedBy = 'its policies';
  else if (code === 'CORRAL_SPEND_EXCEEDED') known.stoppedBy = 'an account';
}

/** People said something to a call, or did not in time. */
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
  book.must(!call.approvedBy.has(event.by), () => `13: ${where}: ${event.by} approves call ${event.id} twice`);
  book.must(event.by !== known.record.principal, () => `13: ${where}: ${event.by} approves what they submitted`);
  call.approvedBy.add(event.by);
  if (call.approvedBy.size < (call.decision.quorum ?? 1)) {
    book.must(!timersDone.includes(event.id), () => `13: ${where} leaves call ${event.id} waiting for others, and without an end to that`);
    return;
  }
  // The policies are asked once more when the last of them has spoken, and may have changed.
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

/** People are not asked about a call any more: its capability was taken back, or the time that its run gave it is over. */
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

/** What a run may be told of a call that people did not approve. */
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
