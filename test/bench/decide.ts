/**
 * What one decision costs: the facts read, the policies asked, the verdict made. The floor is Cedar's own engine with its
 * policies already parsed, on the same requests; it does less, since it is handed a context that was checked and converted.
 */
import { createHash } from 'node:crypto';
import * as cedar from '@cedar-policy/cedar-wasm/nodejs';
import { actionName, catalog, subjectOf, type TargetFacts } from '@corral/policy/cedar/catalog';
import { QUIET } from '@corral/policy/cedar/cases';
import { jsonFrom } from '@corral/policy/cedar/entities';
import { PolicyInForce, type PolicyRequest } from '@corral/policy/cedar/in-force';
import { durations, type Figure } from './measure.ts';

const ANNOTATIONS = {
  readOnly: false,
  idempotent: true,
  destructive: false,
  openWorld: true,
  repeatable: false,
  returns: 'untrusted',
} as const;
const TARGETS: readonly TargetFacts[] = Array.from({ length: 50 }, (_, i) => ({
  kind: 'tool',
  name: `tool${i}`,
  annotations: { ...ANNOTATIONS, readOnly: i % 2 === 0 },
  input: {
    type: 'object',
    properties: { to: { type: 'string' }, amount: { type: 'integer' }, tags: { type: 'array', items: { type: 'string' } } },
    required: ['to', 'amount'],
  },
}));

/** Ten policies are about every call; the others each about one tool and one tenant or agent, as a host with many users has them. */
function policies(count: number): string {
  const general = [
    'permit (principal, action in Action::"call", resource);',
    'permit (principal, action in [Action::"send", Action::"spawn"], resource);',
    'forbid (principal, action in Action::"call", resource) when { !resource.readOnly && context.flow.untrusted_influence && context.flow has destination_origin && context.flow.destination_origin != "user" };',
    'forbid (principal, action in Action::"call", resource) when { resource.openWorld && context.flow.private_data && context.flow.untrusted_input && context.flow.outside_effect };',
    'forbid (principal, action in Action::"call", resource) when { context.call has amount && context.call.amount.greaterThan(decimal("1000.0")) };',
    'forbid (principal, action in Action::"call", resource) when { context.call.last_minute > 600 };',
    'forbid (principal, action in Action::"call", resource) when { context.budget.calls < 1 || context.run.depth > 8 };',
    'forbid (principal, action in Action::"call", resource) when { context.labels.confidentiality.contains("board") && resource.openWorld };',
    'forbid (principal, action in Action::"call", resource) when { context.person in Role::"intern" && !resource.readOnly };',
    'forbid (principal, action in Action::"call", resource) when { context.call.first_use && context.run.depth > 4 };',
  ];
  const special = Array.from({ length: Math.max(0, count - general.length) }, (_, i) => {
    const who = i % 2 === 0 ? `principal in Tenant::"tenant${i % 40}"` : `principal in Agent::"agent${i}"`;
    return `forbid (${who}, action == Action::"tool:tool${i % 50}", resource) when { context.args.amount > ${i * 100} && context.args.to like "*@example${i}.com" };`;
  });
  return [...general, ...special].slice(0, count).join('\n');
}

const digest = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`;

function requests(): PolicyRequest[] {
  return Array.from({ length: 200 }, (_, i) => ({
    subject: subjectOf({
      tenant: `tenant${i % 4}`,
      agent: `agent${i % 10}`,
      version: 'sha256:0',
      person: `user:${i % 3}`,
      roles: ['buyer'],
      owner: 'user:0',
    }),
    action: { kind: 'call', target: 'tool', name: `tool${i % 20}` },
    args: { to: `someone${i}@example.com`, amount: i, tags: ['a', 'b', 'c'] },
    context: {
      ...QUIET,
      now: QUIET.now + i,
      flow: { ...QUIET.flow, untrusted_input: i % 2 === 0, destination_origin: 'user', first_time_destination: false },
      labels: { integrity: ['tool:web', 'user:0'], confidentiality: [] },
      call: { ...QUIET.call, bytes: 80, amount: i + 0.5, amount_total: i * 3 },
    },
  }));
}

/** Microseconds a decision. The closures are timed in rounds, one decision being too short for the clock. */
export async function decide(): Promise<Figure[]> {
  const results: Figure[] = [];
  for (const count of [10, 100, 1_000]) {
    const hosts = catalog({ targets: TARGETS });
    const all = requests();
    const policy = PolicyInForce.load({
      engine: cedar,
      catalog: hosts,
      sources: [{ file: 'bench.cedar', text: policies(count) }],
      digest,
      sample_every: 0,
    });
    const calls = all.map((request) => {
      const { principal, action, resource, entities, person } = hosts.entities(request.subject, request.action);
      const read = hosts.contextReader(actionName(request.action));
      const context = { ...(jsonFrom(read?.(request.context, request.args) ?? {}) as object), person: { __entity: person } };
      return { principal, action, resource, entities, context, preparsedPolicySetId: 'bench' };
    });
    cedar.preparsePolicySet('bench', { staticPolicies: Object.fromEntries(policy.policies.map(({ id, source }) => [id, source.text])) });
    for (const [i, call] of calls.entries()) {
      const answer = cedar.statefulIsAuthorized(call);
      const verdict = policy.decide(all[i] as PolicyRequest);
      if (answer.type === 'failure' || answer.response.decision !== verdict.decision) throw new Error('closures and engine disagree');
    }

    const ROUND = 50;
    const figure = async () => {
      const samples: number[] = [];
      for (let round = 0; round < 400; round++) {
        const began = performance.now();
        for (let i = 0; i < ROUND; i++) policy.decide(all[(round * ROUND + i) % all.length] as PolicyRequest);
        samples.push(((performance.now() - began) * 1_000) / ROUND);
      }
      return samples;
    };
    const floor = async () => {
      const samples: number[] = [];
      for (const call of calls) {
        const began = performance.now();
        cedar.statefulIsAuthorized(call);
        samples.push((performance.now() - began) * 1_000);
      }
      return samples;
    };
    await figure();
    const live = Math.max(...all.map(({ subject, action }) => policy.residualSize(subject, action)));
    results.push(
      await durations(`decide ${count} policies`, 5, figure, floor, {
        unit: 'µs',
        note: `at most ${live} of ${count} policies left after partial evaluation; args ~60 B; floor: Cedar WASM, policies preparsed`,
      }),
    );
  }
  return results;
}
