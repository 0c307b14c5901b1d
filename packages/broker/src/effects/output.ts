/**
 * Decides about what leaves a run towards people: how it finishes, and the events that it emits. Policies that name `Action::"output"` and
 * `Action::"emit"` are asked, and inspectors that look at outputs.
 */
import { rulesOf } from '@corral/policy/cedar/verdict';
import type { Decision } from '@corral/protocol/model/decision';
import type { Names } from '@corral/protocol/model/label';
import type { EmitEffect, FinishEffect } from '@corral/protocol/wire/effect';
import type { Json } from '@corral/protocol/json';
import { bounded, type Outcome } from '@corral/protocol/model/outcome';
import type { Ledger } from '../ledger/ledger.ts';
import { consequencesOf } from '../policies/evaluate.ts';
import { judgePassing } from '../policies/evaluate-passing.ts';
import { recorded, whyDenied } from '../policies/inspect.ts';
import type { Batch } from './batch.ts';
import type { DecideContext } from './context.ts';

/** Inspectors have to be asked about the output first. */
export class OutputWaits extends Error {
  readonly asks: readonly string[];
  readonly value: Json;
  constructor(asks: readonly string[], value: Json) {
    super('Inspectors are asked first.');
    this.asks = asks;
    this.value = value;
  }
}

/**
 * A run whose output is withheld fails; its parent and the people who submitted it get the reason instead. One whose error is withheld ends
 * as it did, without the agent's words.
 * @param private_to whose private data is behind handles in the output
 * @returns undefined if nobody decides about it
 * @throws OutputWaits
 */
export function decideOutput(
  ledger: Ledger,
  output: Json,
  error: FinishEffect['error'],
  private_to: Names,
  context: DecideContext,
  batch: Batch,
): Decision | undefined {
  const { policies, inspected, now } = context;
  // Nobody is told the error of a run that was cancelled.
  if (policies === undefined || (error !== undefined && ledger.cancelled !== undefined)) return undefined;
  const value = error === undefined ? output : wordsOf(error);
  const judged = judgePassing(policies, ledger, { kind: 'output', agent: ledger.record.agent }, value, now, inspected, private_to);
  if (judged === undefined) return undefined;
  const { verdict, looked } = judged;
  if (verdict === undefined) throw new OutputWaits(looked.asks, value);
  const common = {
    id: 0,
    action: 'output' as const,
    agent: ledger.record.agent,
    policy: verdict.policy_version,
    ...rulesOf(verdict),
    ...recorded(looked),
  };
  if (verdict.decision === 'allow') return { ...common, verdict: 'allow' };
  consequencesOf(verdict, batch);
  const vain = verdict.consequence === 'approval' ? '; nobody is asked about outputs' : '';
  const what = error === undefined ? 'The output' : 'What the agent said of its failure';
  const message = bounded(`${what} was withheld ${whyDenied(verdict, looked)}${vain}.`);
  if (error === undefined) batch.withheld = { kind: 'failed', code: 'CORRAL_DENIED', message };
  else batch.muted = message;
  return { ...common, verdict: 'deny', code: 'CORRAL_DENIED', message };
}

const wordsOf = ({ message, stack }: NonNullable<FinishEffect['error']>): Json => (stack === undefined ? { message } : { message, stack });

/** How a run ended, without the agent's words about it. */
export function muted(outcome: Outcome | undefined, message: string | undefined): Outcome | undefined {
  if (message === undefined || (outcome?.kind !== 'failed' && outcome?.kind !== 'exceeded')) return outcome;
  return outcome.kind === 'failed' ? { kind: 'failed', code: outcome.code, message } : { ...outcome, message };
}

/**
 * An event that policies stop is told to nobody, and its agent is not told so: an event has no answer.
 * @param part how many events of the crank come before it
 * @returns undefined if nobody decides about it
 */
export function decideEmit(
  ledger: Ledger,
  { event, data }: EmitEffect,
  part: number,
  { policies, now }: DecideContext,
  batch: Batch,
): Decision | undefined {
  if (policies === undefined) return undefined;
  const { agent } = ledger.record;
  const judged = judgePassing(policies, ledger, { kind: 'emit', agent }, { event, data: (data ?? null) as Json }, now);
  if (judged?.verdict === undefined) return undefined;
  const { verdict, looked } = judged;
  const common = { id: 0, action: 'emit' as const, part, agent, policy: verdict.policy_version, ...rulesOf(verdict) };
  if (verdict.decision === 'allow') return { ...common, verdict: 'allow' };
  consequencesOf(verdict, batch);
  const vain = verdict.consequence === 'approval' ? '; nobody is asked about events' : '';
  return {
    ...common,
    verdict: 'deny',
    code: 'CORRAL_DENIED',
    message: bounded(`The event was withheld ${whyDenied(verdict, looked)}${vain}.`),
  };
}
