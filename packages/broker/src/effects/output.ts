/** Decides about the output of a run, where its tenant has policies about outputs or inspectors that look at them. */
import type { Decision } from '@corral/protocol/model/decision';
import type { Json } from '@corral/protocol/json';
import { bounded } from '@corral/protocol/model/outcome';
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
 * A run whose output is withheld fails; its parent and the people who submitted it get the reason instead.
 * @returns undefined if nobody decides about it
 * @throws OutputWaits
 */
export function decideOutput(ledger: Ledger, output: Json, context: DecideContext, batch: Batch): Decision | undefined {
  const { policies, inspected, now } = context;
  if (policies === undefined) return undefined;
  const judged = judgePassing(policies, ledger, { kind: 'output', agent: ledger.record.agent }, output, now, inspected);
  if (judged === undefined) return undefined;
  const { verdict, looked } = judged;
  if (verdict === undefined) throw new OutputWaits(looked.asks, output);
  const rules = verdict.reasons.map(({ policy }) => policy);
  const common = {
    id: 0,
    action: 'output' as const,
    agent: ledger.record.agent,
    policy: verdict.policy_version,
    rules,
    ...recorded(looked),
  };
  if (verdict.decision === 'allow') return { ...common, verdict: 'allow' };
  consequencesOf(verdict, batch);
  const vain = verdict.consequence === 'approval' ? '; nobody is asked about outputs' : '';
  const message = bounded(`The output was withheld ${whyDenied(verdict, looked)}${vain}.`);
  batch.withheld = { kind: 'failed', code: 'CORRAL_DENIED', message };
  return { ...common, verdict: 'deny', code: 'CORRAL_DENIED', message };
}
