/** The oracle's record of calls: what left for the tools, before it was durable or after, what the store keeps of the answers, what is unknown. */
import type { Decision } from '@corral/protocol/model/decision';
import { dayOf } from '@corral/protocol/model/spend';
import type { RunId } from '@corral/protocol/ids';
import { mayRepeat, mayStartEarly, type Tool, type ToolCall } from '@corral/protocol/ports/tool';
import type { Result } from '@corral/protocol/wire/delivery';
import { isRevoked } from './authority.ts';
import type { Book } from './book.ts';
import type { Known, KnownCall } from './known.ts';
import { QUESTION } from './powers.ts';
import { ALLOWED, rulesOf, rulingOn, type RuleSet, type Ruling } from './rules.ts';

const isOut = ({ answered, unknown, approval, decision }: KnownCall) =>
  !answered && !unknown && decision.verdict !== 'deny' && (approval === 'none' || approval === 'approved');

export class Calls {
  readonly #book: Book;
  /** Calls that reached their tools, by idempotency key. */
  readonly #left = new Map<string, { times: number; readonly input: string; isEarly: boolean }>();
  /** Calls that were sent before they were durable, by key, with the epoch at that time. */
  readonly #early = new Map<string, number>();

  constructor(book: Book) {
    this.#book = book;
  }

  /**
   * Checks a call that reaches its tool.
   * @param isLate it comes from a node that need not know yet that the run was taken from it and ended
   */
  invoked(tool: Tool, call: ToolCall, isLate: boolean): void {
    const book = this.#book;
    const { idempotency_key: key, run } = call;
    const id = Number(key.slice(key.lastIndexOf(':') + 1));
    const known = book.runs.get(run);
    const recorded = known?.calls.get(id);
    book.must(tool.name !== QUESTION, () => `13: a question of ${run} is sent to a tool`);
    book.must(isLate || !book.isDead(run), () => `8: ${tool.name} is called for ${run} after the receipt of its kill`);
    book.must(isLate || known?.outcome === undefined, () => `8: ${tool.name} is called for ${run}, which has ended`);
    book.must(!book.stopped.tool(known?.record.tenant ?? '', tool.name), () => `8: ${tool.name} is called for ${run} under its quarantine`);
    if (!mayStartEarly(tool.annotations)) {
      book.must(recorded !== undefined, () => `4: call ${id} of ${run} to ${tool.name} left before its crank was durable`);
      book.must(recorded?.decision.verdict !== 'deny', () => `4: call ${id} of ${run} to ${tool.name} left although it was denied`);
      book.must(
        !isRevoked(book, recorded?.decision.grant, book.revoked),
        () => `11: call ${id} of ${run} to ${tool.name} left after the receipt for taking its capability back`,
      );
      book.must(recorded?.decision.tool === tool.name, () => `11: call ${id} of ${run} went to ${tool.name}`);
    }
    // An early call may not be recorded yet. It is checked against all policies since its crank began, because the crank may be decided in
    // slices by the policies of its first one. Other calls are checked against those of their decision.
    const { n } = call.input as { n: number };
    const verdicts = book.setups
      .between(known?.crankedAt ?? book.now(), book.now())
      .map(({ rules }) => this.#ruling(rules, tool.name, n, known).verdict);
    const ruling = recorded?.ruling.verdict ?? verdicts.find((verdict) => verdict === 'allow') ?? verdicts[0];
    book.must(ruling !== 'deny', () => `13: ${tool.name} is called for ${run} with ${n}, which no policy allows`);
    book.must(
      ruling !== 'ask' || recorded?.approval === 'approved',
      () => `13: call ${id} of ${run} to ${tool.name} with ${n} left, and people have ${recorded?.approval ?? 'not'} approved it`,
    );
    const input = JSON.stringify(call.input);
    const left = this.#left.get(key);
    const isEarly = recorded === undefined && mayStartEarly(tool.annotations);
    // An early call may never be recorded, and the crank that is made again may make another call, of another tool, under its key.
    if (left === undefined || (left.isEarly && left.input !== input)) this.#left.set(key, { times: 1, input, isEarly });
    else {
      left.times += 1;
      left.isEarly &&= isEarly;
      if (!mayStartEarly(tool.annotations))
        book.must(left.input === input, () => `7: ${key} left twice, once with ${left.input} and once with ${input}`);
    }
    // Calls of a crank that never becomes durable are not calls of the run.
    if (recorded === undefined) this.#early.set(key, known?.epoch ?? 0);
    else recorded.onlyEarly = false;
    if (mayRepeat(tool.annotations) || recorded === undefined) return;
    const times = this.#left.get(key)?.times ?? 0;
    book.must(times <= recorded.mayLeave, () => `7: ${key} left ${times} times for ${tool.name}, which must not be repeated`);
  }

  /** The day whose accounts pay for a call. */
  paysOn({ idempotency_key: key, run }: ToolCall): string {
    const book = this.#book;
    return book.runs.get(run)?.calls.get(Number(key.slice(key.lastIndexOf(':') + 1)))?.paysOn ?? dayOf(book.now());
  }

  /** Number of runs with calls under way; these may not leave memory. */
  callers(): number {
    const book = this.#book;
    let callers = 0;
    for (const { outcome, parked, calls } of book.runs.values())
      if (outcome === undefined && !parked && [...calls.values()].some(isOut)) callers += 1;
    return callers;
  }

  /** The policies' verdict about a call that is made now. */
  #ruling(rules: RuleSet | undefined, tool: string, n: number, known: Known | undefined): Ruling {
    const book = this.#book;
    return book.governed && rules !== undefined ? rulingOn(rules, tool, n, known?.knows.tainted ?? false) : ALLOWED;
  }

  /** Records a call that was decided. */
  made(known: Known, decision: Decision, input: unknown, at: number): KnownCall {
    const asked = decision.verdict === 'ask';
    const { n } = input as { n: number };
    const key = `${known.record.id}:${decision.id}`;
    const left = this.#early.get(key);
    this.#early.delete(key);
    return {
      decision,
      n,
      ruling: this.#ruling(rulesOf(decision.policy), decision.tool ?? '', n, known),
      answered: false,
      unknown: false,
      toldUnknown: false,
      settled: false,
      mayLeave: asked ? 0 : 1,
      onlyEarly: left !== undefined && left !== known.epoch,
      approvedBy: new Set(),
      approval: asked ? 'waiting' : 'none',
      paysOn: dayOf(at),
    };
  }

  /**
   * Records answers that the store keeps. It keeps them only while their writer owns the run, and takes nothing of a node that counts as
   * dead, also before another one has taken the run and its epoch has changed.
   */
  kept(run: RunId, epoch: number, results: readonly Result[]): void {
    const book = this.#book;
    const known = book.runs.get(run);
    if (known === undefined || known.epoch !== epoch || known.parked || known.outcome !== undefined || book.nodes.isOfDead(run)) return;
    for (const { id } of results) {
      const call = known.calls.get(id);
      if (call !== undefined && !call.answered && !call.unknown) call.kept = true;
    }
  }

  /** Checks a call whose result is said to be unknown. */
  unknown(known: Known, id: number, tell: boolean, where: string): void {
    const book = this.#book;
    const call = known.calls.get(id);
    book.must(call?.kept !== true, () => `7: ${where} calls the result of ${id} unknown, and the store had kept its answer`);
    book.must(call !== undefined && !call.answered, () => `7: ${where} calls the result of ${id} unknown, which it is not`);
    const tool = call?.decision.tool ?? '';
    // A host cannot repeat calls to a tool that it does not offer or that is under quarantine.
    const { tenant } = known.record;
    const isOut = book.setups.wasMissing(tenant, tool) || book.stopped.mayStand('tool', `${tenant}/${tool}`);
    book.must(tool === 'pay' || isOut, () => `7: ${where} calls the result of ${id} unknown; ${tool} may be repeated`);
    if (call === undefined) return;
    call.toldUnknown = tell;
    if (tell) call.settled = true;
    else call.unknown = true;
  }
}
