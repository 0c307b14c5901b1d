/** Policies and people: what they say of a call holds, and nothing leaves without their word (DESIGN 3.13, 5). */
import type { Decision } from '@corral/protocol/decision';
import type { HostEvent } from '@corral/protocol/run';
import type { Commit } from '@corral/protocol/store';
import type { Book, Known } from './book.ts';
import { rulingOn } from './rules.ts';

/** The policies said of a call what they say; a run that was given a stranger's words is never clean again. */
export function ruled(book: Book, known: Known, decision: Decision, n: number, where: string): void {
  // Whatever else stands against a call is found out before the policies are asked.
  if (decision.tool === undefined || (decision.verdict === 'deny' && decision.code !== 'CORRAL_DENIED')) return;
  const { verdict, quorum } = rulingOn(decision.tool, n, known.tainted);
  // What its parent knew it may know as well.
  if (decision.verdict === 'ask' && n === 7) return;
  book.must(
    decision.verdict === verdict && (verdict !== 'ask' || decision.quorum === quorum),
    () => `13: ${where}: ${decision.tool} with ${n} is ${decision.verdict}; the policies say ${verdict}`,
  );
}

/** People said something to a call, or did not in time. */
export function decided(
  book: Book,
  known: Known,
  event: Extract<HostEvent, { kind: 'approval' }>,
  { timersDone }: Commit,
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
  call.approval = 'approved';
  call.mayLeave = 1;
}
