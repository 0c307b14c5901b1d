/** Tells observers of cranks and ends: the answers that the agent got, its refusals, and the calls that it never got an answer to. */
import type { Ledger } from '@corral/broker/ledger/ledger';
import type { Pending } from '@corral/broker/ledger/pending';
import { CLEAN, join } from '@corral/policy/flow/labels';
import type { RunId, TenantId } from '@corral/protocol/ids';
import { TELEMETRY } from '@corral/protocol/limits-telemetry';
import type { Decision } from '@corral/protocol/model/decision';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { Clock } from '@corral/protocol/ports/machine';
import type { Tool } from '@corral/protocol/ports/tool';
import type { Result } from '@corral/protocol/wire/delivery';
import type { OnCpu, Run } from '../runs/run.ts';
import type { CallContent, Observation } from './observation.ts';

export type ToolLookup = (tenant: TenantId, name: string) => Tool | undefined;

/** Codes of approvals and inspections that the host ended itself; what people decide is told when they do. */
const ENDED_BY_HOST: ReadonlySet<string> = new Set(['CORRAL_TIMED_OUT', 'CORRAL_REVOKED']);

/**
 * Observations of a crank that are told once it is durable: its answers, with how long the agent waited for each, from the crank that asked to
 * the crank that gets the answer; then the crank itself.
 */
export function seenIn(
  run: Run,
  { delivery, inbox }: OnCpu,
  cpu_us: number,
  { clock, tool }: { readonly clock: Pick<Clock, 'monotonic'>; readonly tool: ToolLookup },
): Observation[] {
  const { id, crankBegan, ledger } = run;
  const now = clock.monotonic();
  const seen: Observation[] = [];
  for (const result of delivery.kind === 'reply' ? delivery.results : []) {
    const pending = ledger.pending.get(result.id);
    const one = pending && answerIn(id, pending, result, crankBegan, () => contentOf(ledger, pending, tool));
    if (one !== undefined) seen.push(one);
  }
  seen.push({ kind: 'cranked', run: id, delivery, inbox, ms: now - crankBegan, cpu_us });
  return seen;
}

/** The answer of a tool, of another run, or of the host in the place of either. */
function answerIn(
  run: RunId,
  pending: Pending,
  result: Result,
  now: number,
  content: () => CallContent | undefined,
): Observation | undefined {
  const answered = (tool: string, ms: number | undefined) => ({ kind: 'answered', run, tool, ms, call: result.id, result }) as const;
  switch (pending.kind) {
    case 'call': {
      const said = content();
      return { ...answered(pending.tool, sinceOf(pending, now)), ...(said === undefined ? {} : { content: said }) };
    }
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

/**
 * The contents of a call whose result is about to be read. The run's label is what it was when the call was made, or more: it may have read other
 * things meanwhile. A result may repeat what the arguments said.
 */
function contentOf({ flow, record }: Ledger, pending: Pending, tool: ToolLookup): CallContent | undefined {
  if (pending.kind !== 'call') return undefined;
  const { input, handled = [], facts } = pending;
  const { private_to: input_private_to } = handled.reduce((all, one) => join(all, one.label), flow?.label ?? CLEAN);
  const declared = facts ?? tool(record.tenant, pending.tool)?.annotations ?? { private_to: '*' };
  const result_private_to = declared.private_to === undefined ? input_private_to : [...input_private_to, declared.private_to];
  return { input, input_private_to, result_private_to };
}

/** A call that a lost host had sent, and whose answer the store has kept, was asked for at a time that nobody here has measured. */
const sinceOf = ({ asked_at }: { readonly asked_at?: number }, now: number): number | undefined =>
  asked_at === undefined || asked_at === 0 ? undefined : now - asked_at;

/** The first parts of a streamed call, which its run has just read; undefined if another host has asked for them. */
export function firstParts({ ledger }: Run, call: number, now: number, tool: ToolLookup): Extract<Observation, { kind: 'chunk' }>['first'] {
  const pending = ledger.pending.get(call);
  const ms = pending?.kind === 'call' ? sinceOf(pending, now) : undefined;
  if (pending?.kind !== 'call' || ms === undefined) return undefined;
  return { tool: pending.tool, maker: tool(ledger.record.tenant, pending.tool)?.maker, ms };
}

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
