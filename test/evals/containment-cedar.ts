/** The default pack's Cedar text, evaluated by the Cedar engine: the oracle for decide.ts. */
import { readFileSync } from 'node:fs';
import { policySetTextToParts, policyToJson, preparsePolicySet, statefulIsAuthorized } from '@cedar-policy/cedar-wasm/nodejs';
import type { CallFacts, FlowDecision } from '@corral/policy/flow/decide';
import type { FlowFacts } from '@corral/policy/flow/facts';
import { CALL, flowJudge, type Judge } from './containment-judges.ts';

const PACK = new URL('../../packages/policy/src/pack/default.cedar', import.meta.url);
const uid = (type: string, id: string) => ({ type, id });
const CALL_GROUP = { uid: uid('Action', 'call'), attrs: {}, parents: [] };
const ACTION = { uid: uid('Action', 'tool:any'), attrs: {}, parents: [uid('Action', 'call')] };

/** Loads the pack. @throws Error if it does not parse, or a rule has no id */
export function cedarPack(): (flow: FlowFacts, call: CallFacts) => FlowDecision {
  const parts = policySetTextToParts(readFileSync(PACK, 'utf8'));
  if (parts.type === 'failure') throw new Error(`The default pack does not parse: ${JSON.stringify(parts.errors)}`);
  const consequences = new Map<string, string>();
  const staticPolicies: Record<string, string> = {};
  for (const text of parts.policies) {
    const json = policyToJson(text);
    const id = json.type === 'success' ? json.json.annotations?.['id'] : undefined;
    if (json.type === 'failure' || typeof id !== 'string') throw new Error(`A rule of the default pack has no id: ${text.slice(0, 80)}`);
    staticPolicies[id] = text;
    consequences.set(id, json.json.annotations?.['consequence'] ?? 'deny');
  }
  const prepared = preparsePolicySet('default-pack', { staticPolicies });
  if (prepared.type === 'failure') throw new Error(`The default pack does not load: ${JSON.stringify(prepared.errors)}`);
  return (flow, { first_use, last_minute, amount }) => {
    const money = amount === undefined ? {} : { amount: { __extn: { fn: 'decimal', arg: amount.toFixed(2) } } };
    const answer = statefulIsAuthorized({
      principal: uid('Run', 'run'),
      action: ACTION.uid,
      resource: uid('Tool', 'any'),
      context: { flow: { ...flow, unusual: [...flow.unusual] }, call: { first_use, last_minute, ...money } },
      preparsedPolicySetId: 'default-pack',
      entities: [CALL_GROUP, ACTION],
    });
    if (answer.type === 'failure') throw new Error(JSON.stringify(answer.errors));
    const { decision, diagnostics } = answer.response;
    if (diagnostics.errors.length > 0) return { verdict: 'deny', rules: diagnostics.errors.map((error) => `error in ${error.policyId}`) };
    if (decision === 'allow') return { verdict: 'allow', rules: [] };
    const rules = [...consequences.keys()].filter((id) => diagnostics.reason.includes(id));
    return { verdict: rules.some((id) => consequences.get(id) !== 'approval') ? 'deny' : 'approval', rules };
  };
}

/** Judges with the default pack through the Cedar engine. */
export function cedarJudge(): Judge {
  const decide = cedarPack();
  return flowJudge((facts) => decide(facts, CALL));
}
