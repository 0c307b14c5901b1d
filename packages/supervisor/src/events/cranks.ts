/** Tells observers of cranks and ends: the answers that the agent got, its refusals, and the calls that it never got an answer to. */
import type { Pending } from '@corral/broker/ledger/pending';
import type { RunId } from '@corral/protocol/ids';
import { TELEMETRY } from '@corral/protocol/limits-telemetry';
import type { Decision } from '@corral/protocol/model/decision';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { Result } from '@corral/protocol/wire/delivery';
import type { OnCpu, Run } from '../runs/run.ts';
import type { Observation } from './observation.ts';

/** Codes of approvals and inspections that the host ended itself; what people decide is told when they do. */
const ENDED_BY_HOST: ReadonlySet<string> = new Set(['CORRAL_TIMED_OUT', 'CORRAL_REVOKED']);

/**
 * Observations of a crank that are told once it is durable: its answers, with how long the agent waited for each, from the crank that asked to
 * the crank that gets the answer; then the crank itself.
 */
export function seenIn(run: Run, { delivery, inbox }: OnCpu, cpu_us: number, now: number): Observation[] {
  const { id, crankBegan, ledger } = run;
  const seen: Observation[] = [];
  for (const result of delivery.kind === 'reply' ? delivery.results : []) {
    const pending = ledger.pending.get(result.id);
    const one = pending && answerIn(id, pending, result, crankBegan);
    if (one !== undefined) seen.push(one);
  }
  seen.push({ kind: 'cranked', run: id, delivery, inbox, ms: now - crankBegan, cpu_us });
  return seen;
}

/** The answer of a tool, of another run, or of the host in the place of either. */
function answerIn(run: RunId, pending: Pending, result: Result, now: number): Observation | undefined {
  const answered = (tool: string, ms: number | undefined): Observation => ({ kind: 'answered', run, tool, ms, call: result.id, result });
  switch (pending.kind) {
    case 'call':
      return answered(pending.tool, sinceOf(pending, now));
    case 'request':
      return { kind: 'replied', run, call: result.id, what: pending.what, peer: pending.peer, result };
    case 'decided': {
      const { of, asked } = pending;
      if (of?.kind === 'request') return { kind: 'replied', run, call: result.id, what: of.what, peer: of.peer, result };
      if (of !== undefined) return answered(of.what, sinceOf(of, now));
      const code = 'error' in result ? result.error.code : '';
      return asked !== undefined && ENDED_BY_HOST.has(code) ? answered(asked.call.tool, undefined) : undefined;
    }
    case 'approval':
    case 'inspection':
    case 'timer':
    case 'child':
      return undefined;
  }
}

/** A call that a lost host had sent, and whose answer the store has kept, was asked for at a time that nobody here has measured. */
const sinceOf = ({ asked_at }: { readonly asked_at?: number }, now: number): number | undefined =>
  asked_at === undefined || asked_at === 0 ? undefined : now - asked_at;

/**
 * Refusals of a crank: the first ones each, the others by number for each thing and code. A crank may have a hundred thousand effects, all of
 * which are refused.
 */
export function deniedIn(run: RunId, decisions: readonly Decision[]): Observation[] {
  const most = TELEMETRY.refusals_told.default;
  const told: { kind: 'denied'; run: RunId; decision: Decision; count: number }[] = [];
  const groups = new Map<string, (typeof told)[number]>();
  for (const decision of decisions) {
    if (decision.verdict !== 'deny') continue;
    const { tool, agent, action, code } = decision;
    const key = `${tool ?? agent ?? action ?? ''} ${code ?? ''}`;
    // Things beyond the bound are counted with the last one.
    const group = groups.get(key) ?? (groups.size === most ? told.at(-1) : undefined);
    if (told.length >= most && group !== undefined) {
      group.count += 1;
      continue;
    }
    const one = { kind: 'denied' as const, run, decision, count: 1 };
    told.push(one);
    if (told.length > most) groups.set(key, one);
  }
  return told;
}

/** Calls and requests of a run that has ended which it got no answer to: with how it ended, they are all that is known of them. */
export function leftBy(run: Run, outcome: Outcome, now: number): Observation[] {
  const code = outcome.kind === 'completed' ? 'CORRAL_CALL_GIVEN_UP' : outcome.kind;
  return [...run.ledger.pending.values()].flatMap((pending): Observation[] => {
    if (pending.kind !== 'call' && pending.kind !== 'request') return [];
    const [tool, peer] = pending.kind === 'call' ? [pending.tool, undefined] : [pending.what, pending.peer];
    const ms = pending.kind === 'call' ? sinceOf(pending, now) : undefined;
    return [{ kind: 'left', run: run.id, call: pending.id, tool, peer, ms, code }];
  });
}
