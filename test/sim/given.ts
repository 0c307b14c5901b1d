/** Checks deliveries: every answer, message, timer and end must be true and delivered for the first time. */
import type { ChunkDelivery, Delivery, Result } from '@corral/protocol/wire/delivery';
import type { GrantId, RunId } from '@corral/protocol/ids';
import { amountGiven, keptBack } from './authority.ts';
import type { Book } from './book.ts';
import type { Known } from './known.ts';
import type { Body, Part } from './guest.ts';
import { mayBeTold } from './people.ts';

/** Maximum delay of a timer that nothing holds up. */
const LATE_MS = 1_500;
/** Maximum time without deliveries after a crank of a slowed run. */
const SLOW_MS = 500;

/** Checks that a delivery is true and delivered for the first time. */
export function given(book: Book, known: Known, delivery: Delivery, consumed: number | undefined, where: string): void {
  const run = known.record.id;
  if (consumed !== undefined) {
    book.must(!known.taken.has(consumed), () => `7: ${where} takes inbox item ${consumed} a second time`);
    known.taken.add(consumed);
  }
  switch (delivery.kind) {
    case 'notice':
      known.notices -= 1;
      book.must(known.notices >= 0, () => `7: ${where} is a notice that is owed to nobody`);
      return;
    case 'reply':
      for (const result of delivery.results) answered(book, known, result, where);
      return;
    case 'chunk':
      chunk(book, known, delivery, where);
      return;
    case 'message': {
      const body = bodyOf(delivery.body);
      wasSent(book, run, body);
      const name = `${body.from}#${body.id}`;
      book.must(!known.given.has(name), () => `7: ${where} is given message ${name} a second time`);
      book.must(consumed !== undefined, () => `7: ${where} is given message ${name}, and leaves it in the inbox`);
      known.given.add(name);
      return;
    }
    case 'timer': {
      const timer = known.timers.get(delivery.id);
      book.must(
        timer !== undefined && delivery.at >= timer.due,
        () => `7: ${where}: timer ${delivery.id} fires at ${delivery.at}; it is due at ${timer?.due}`,
      );
      if (timer === undefined) return;
      timer.over = true;
      // A run that was paused or quarantined gets what came due meanwhile once it is resumed.
      const late = delivery.at - Math.max(timer.due, book.crowdedUntil, known.resumedAt);
      // After the faults have ended, only the ladder can delay a delivery.
      const slow_ms = known.slowed ? (timer.behind + 1) * SLOW_MS : 0;
      book.must(
        timer.due < book.calmFrom || late < LATE_MS + slow_ms,
        () => `7: ${where}: timer ${delivery.id} fires ${late} ms after it was due`,
      );
      return;
    }
    case 'child_ended': {
      const child = known.children.get(delivery.id);
      if (delivery.run === undefined) return;
      const its = book.runs.get(delivery.run);
      book.must(
        child?.run === delivery.run && !child.told,
        () => `7: ${where}: the end of child ${delivery.id} is told twice, or there is none`,
      );
      book.must(
        JSON.stringify(its?.outcome) === JSON.stringify(delivery.outcome),
        () => `7: ${where} says child ${delivery.run} ended as ${delivery.outcome.kind}; the store says ${its?.outcome?.kind}`,
      );
      if (child !== undefined) child.told = true;
      return;
    }
    case 'cancel':
      book.must(known.cancelled && !known.cancelledTold, () => `7: ${where} is a cancel nobody asked for`);
      known.cancelledTold = true;
      return;
    case 'start':
      return;
  }
}

/** A chunk is given to a cell. The capability may be taken back before the crank is in the journal. */
export function noteChunk(known: Known | undefined, { id, offset }: ChunkDelivery): void {
  const call = known?.calls.get(id);
  if (call?.stream !== undefined && !call.settled) call.stream.begun = offset;
}

/** Checks a chunk: it was asked for, it goes on where the last one ended, and its tool said all of it in one attempt. */
function chunk(book: Book, known: Known, { id, offset, parts }: ChunkDelivery, where: string): void {
  const call = known.calls.get(id);
  const stream = call?.stream;
  book.must(
    stream?.asked === true && !call?.answered && (!call?.settled || stream.begun === offset) && call?.givenUp !== true,
    () => `7: ${where} is a chunk of ${id}, for which nobody has asked`,
  );
  book.must(!call?.unknown, () => `7: ${where} is a chunk of ${id}, whose result is unknown`);
  if (stream === undefined) return;
  stream.asked = false;
  book.must(
    offset === stream.parts && parts.length > 0,
    () => `7: ${where}: ${parts.length} parts of ${id} from ${offset}; it has ${stream.parts}`,
  );
  for (const part of parts as unknown as readonly Part[]) {
    stream.attempt ??= part.attempt;
    const said = book.powers.said.get(`${part.of} ${part.attempt}`) ?? 0;
    book.must(
      part.of === `${known.record.id}:${id}` && part.i === stream.parts && part.attempt === stream.attempt && part.i < said,
      () => `7: ${where}: part ${stream.parts} of ${id} is ${JSON.stringify(part)}; attempt ${stream.attempt} has said ${said}`,
    );
    stream.parts += 1;
  }
}

/** A run that has used up its bytes gets no further results. */
const isWithheld = (result: Result): boolean =>
  'error' in result && result.error.code === 'CORRAL_BUDGET_EXCEEDED' && result.error.limit === 'bytes';

/** Checks that a result was there, and that the run had no bytes left for it: used up by itself and ended children, or held by others. */
function withheld(book: Book, known: Known, id: number, wasThere: boolean, where: string): void {
  book.must(wasThere, () => `7: ${where}: result ${id} is withheld, and there is none`);
  const [given, granted] = [amountGiven(book, known, 'bytes'), known.record.budget.bytes];
  book.must(given >= granted, () => `10: ${where}: result ${id} is withheld, and at most ${given} of ${granted} bytes are used up`);
}

/** Checks the result of an effect: an acknowledgement means that it happened, a refusal that it did not. */
function answered(book: Book, known: Known, result: Result, where: string): void {
  const run = known.record.id;
  if (known.sends.has(result.id)) {
    book.must(
      !known.unreached.has(result.id) || 'error' in result,
      () => `7: ${where} says that message ${result.id} was sent, and it reached nobody`,
    );
    known.sends.delete(result.id);
    return;
  }
  const asked = known.asks.get(result.id);
  if (asked !== undefined) {
    const { peer, grant } = asked;
    known.asks.delete(result.id);
    const name = `${run}:${result.id}`;
    const its = book.runs.get(peer);
    if ('value' in result)
      book.must(
        its?.replied.has(name) === true && (result.value as { answers?: string }).answers === name,
        () => `7: ${where}: request ${result.id} is answered with ${JSON.stringify(result.value)}, and ${peer} said no such thing`,
      );
    else {
      const { code } = result.error;
      const hasEnded =
        its?.outcome !== undefined && (code === 'CORRAL_RECIPIENT_ENDED' || (code === 'CORRAL_REVOKED' && its.outcome.kind === 'killed'));
      const what = () => `7: ${where}: request ${result.id} is answered with ${code}, and ${peer} has not ended so`;
      if (isWithheld(result)) withheld(book, known, result.id, its?.replied.has(name) === true, where);
      else if (code === 'CORRAL_REVOKED' && !hasEnded) keptBack(book, grant, what);
      else book.must(hasEnded, what);
    }
    return;
  }
  const call = known.calls.get(result.id);
  if (call === undefined) return;
  const key = `${run}:${result.id}`;
  book.must(!call.answered, () => `7: ${where} answers call ${result.id} a second time`);
  call.answered = true;
  const { tool } = call.decision;
  const code = 'error' in result ? result.error.code : undefined;
  if (call.decision.verdict === 'deny') {
    book.must(
      code === call.decision.code,
      () => `4: ${where}: call ${result.id} was denied as ${call.decision.code} and answered with ${code ?? 'a value'}`,
    );
    return;
  }
  if (call.approval === 'answered') {
    book.must(
      'value' in result && JSON.stringify(result.value) === call.answer,
      () => `13: ${where}: question ${result.id} was answered with ${call.answer}, and its run is given ${JSON.stringify(result)}`,
    );
    return;
  }
  if (call.approval !== 'none' && call.approval !== 'approved') {
    book.must(
      mayBeTold(book, call, code),
      () => `13: ${where}: call ${result.id} is ${call.approval} and answered with ${code ?? 'a value'}`,
    );
    return;
  }
  if (code === 'CORRAL_CALL_GIVEN_UP') {
    book.must(
      call.givenUp === true && (tool !== 'pay' || !book.powers.acts.has(key)),
      () => `7: ${where}: call ${result.id} is said to have been given up, and was not, or ${tool} has acted`,
    );
    return;
  }
  if (code === 'CORRAL_REVOKED') {
    const grant = call.decision.grant as GrantId;
    keptBack(book, grant, () => `11: ${where}: call ${result.id} is said to be without its capability`);
    return;
  }
  if ('value' in result) {
    const { receipt, parts } = (result.value ?? {}) as { receipt?: string; parts?: number };
    book.must(
      call.settled || call.givenUp === true || parts === call.stream?.parts,
      () => `7: ${where}: call ${result.id} has ended after ${parts} parts, and ${call.stream?.parts} were delivered`,
    );
    book.must(
      call.settled || tool === 'read' || (receipt === key && book.powers.acts.has(key)),
      () => `7: ${where}: call ${result.id} is answered with ${JSON.stringify(result.value)}, and ${tool} did no such thing`,
    );
  } else if (code === 'CORRAL_STREAM_LOST') {
    // The run gave the call up while parts were on their way: these had left their tool, and are dropped.
    book.must(
      call.stream !== undefined && (call.stream.parts > 0 || call.givenUp === true || tool === 'pay'),
      () => `7: ${where}: stream ${result.id} is said to have broken off, and nothing of it was delivered`,
    );
  } else if (isWithheld(result)) {
    withheld(book, known, result.id, call.stream !== undefined || call.settled || tool === 'read' || book.powers.acts.has(key), where);
  } else if (code === 'CORRAL_TOOL_FAILED') {
    // If a person had the call made again, its attempts may have ended in different ways.
    const repeats = tool !== 'pay' || call.mayLeave > 1;
    const acted = () => `7: ${where}: call ${result.id} is said to have failed, and ${tool} has acted`;
    book.must(repeats || !book.powers.acts.has(key), acted);
    // A tool that is aborted may act and report a failure. An early read may be that of a crank which was lost.
    const isSaid = ('error' in result && result.may_have_acted === true) || call.givenUp === true || tool === 'read' || call.mayLeave > 1;
    book.must(isSaid || !book.powers.acts.has(key), acted);
  } else if (
    code === 'CORRAL_TOOL_BUSY' ||
    (code === 'CORRAL_QUARANTINED' && book.stopped.mayStand('tool', `${known.record.tenant}/${tool}`))
  ) {
    // The call was kept back by a circuit breaker or a quarantine, so it must not have acted. An exception is an early read whose crank
    // was lost: it is not in the journal, and the crank that is made again does not know of it.
    book.must(
      call.onlyEarly === true || !book.powers.acts.has(key),
      () => `7: ${where}: call ${result.id} is said to have been kept back, and ${tool} has acted`,
    );
  } else if (code === 'CORRAL_CAP_UNKNOWN' && call.approval === 'approved') {
    // The configuration changed after people had approved the call and before it left. The host looks once more.
    book.must(
      book.setups.wasMissing(known.record.tenant, tool ?? '') && !book.powers.acts.has(key),
      () => `7: ${where}: call ${result.id} is said not to have been made, as there is no ${tool}, and it was always there, or has acted`,
    );
  } else {
    const honest = code === 'CORRAL_TIMED_OUT' || code === 'CORRAL_UNKNOWN_RESULT';
    book.must(honest, () => `4: ${where}: call ${result.id} was allowed and answered with ${code}`);
  }
}

export function wasSent(book: Book, to: RunId, { from, id }: Body): void {
  book.must(book.sent.get(`${from}#${id}`) === to, () => `4: message ${from}#${id} reaches ${to} before it is durable`);
}

/** The message between agents in a body, or within the input of a service. */
export function bodyOf(body: unknown): Body {
  const { message } = body as { message?: Body };
  return message ?? (body as Body);
}
