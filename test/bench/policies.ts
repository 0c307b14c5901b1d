/** Policies for the benchmarks, as a host with many users might have them. */
import type { TargetFacts } from '@corral/policy/cedar/catalog';

const ANNOTATIONS = {
  readOnly: false,
  idempotent: true,
  destructive: false,
  openWorld: true,
  repeatable: false,
  returns: 'untrusted',
} as const;
export const TARGETS: readonly TargetFacts[] = Array.from({ length: 50 }, (_, i) => ({
  kind: 'tool',
  name: `tool${i}`,
  annotations: { ...ANNOTATIONS, readOnly: i % 2 === 0 },
  input: {
    type: 'object',
    properties: { to: { type: 'string' }, amount: { type: 'integer' }, tags: { type: 'array', items: { type: 'string' } } },
    required: ['to', 'amount'],
  },
}));

/** Ten policies apply to every call; each of the others applies to one tool and one tenant or agent. */
export function policies(count: number): string {
  const general = [
    'permit (principal, action in Action::"call", resource);',
    'permit (principal, action in [Action::"send", Action::"spawn"], resource);',
    'forbid (principal, action in Action::"call", resource) when { !resource.readOnly && context.flow.untrusted_influence && context.flow has destination_origin && context.flow.destination_origin != "user" };',
    'forbid (principal, action in Action::"call", resource) when { resource.openWorld && context.flow.private_data && context.flow.untrusted_input && context.flow.outside_effect };',
    'forbid (principal, action in Action::"call", resource) when { context.call has amount && context.call.amount.greaterThan(decimal("1000.0")) };',
    'forbid (principal, action in Action::"call", resource) when { context.call.last_minute > 1000000 };',
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
