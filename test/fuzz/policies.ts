/**
 * Policies as a tenant's people write them: any text is refused with its faults, or loads, and then the closures and Cedar's own engine say
 * the same of every request.
 */
import { CorralError } from '@corral/protocol/errors';
import { load, pay } from '@corral/policy/cedar/fixtures/host';
import { plant, type Target } from './engine.ts';

const REQUESTS = [
  pay({ to: 'x', amount: 1 }),
  pay({ to: 'bob@example.com', amount: 1e6, memo: null, tags: ['a', 'b'], extra: { z: 1 } }),
  pay({ to: 'x', amount: 3 }, { action: { kind: 'send', agent: 'kid' }, given: { capabilities: ['tool:fs.read'] } }),
  pay({ path: '../a' }, { action: { kind: 'call', target: 'tool', name: 'fs.read' } }),
];

export const POLICIES: Target = {
  name: 'policies',
  seeds: [
    'permit (principal, action, resource);',
    '@id("a") forbid (principal, action == Action::"tool:payments.send", resource) when { context.args.amount.greaterThan(decimal("5.0")) };',
    '@id("b") @consequence("approval") @approver("owner")\nforbid (principal, action, resource) when { context.call.bytes > 10 } unless { context.run.depth == 0 };\npermit (principal, action, resource);',
  ],
  joint: ';',
  words: [
    'permit (principal, action == Action::"send", resource) when { context.run.depth < 3 };',
    'forbid (principal, action, resource) unless { principal in Role::"buyer" };',
    'permit (principal, action == Action::"tool:payments.send", resource) when { context.args has memo && context.args.to like "*@*" };',
    '\n@quorum("2") @consequence("approval")\nforbid (principal, action, resource);',
    '\npermit (principal in Role::"intern", action, resource);',
    'permit (principal, action, resource)',
    'forbid (principal, action == Action::"tool:fs.read", resource)',
    ' when { ',
    ' unless { ',
    ' };',
    'context.args.to like "*@*"',
    'context.args has memo',
    'context.args.tags.contains("a")',
    'context.flow.untrusted_input',
    'context.run.calls > 3',
    '!',
    ' && ',
    ' || ',
    'if true then ',
    ' else ',
    '@consequence("pause")',
    '@quorum("2")',
    '[1, "a"]',
    'principal in Role::"buyer"',
  ],
  run(input, planted) {
    const text = input.toString('utf8');
    let differs: unknown;
    let inForce: ReturnType<typeof load>;
    try {
      inForce = load(text, { alarm: (alarm) => (differs = alarm) });
    } catch (error) {
      if (error instanceof CorralError && error.code === 'CORRAL_POLICY_INVALID') return;
      throw error;
    }
    try {
      for (const request of REQUESTS) {
        inForce.decide(request);
        if (differs !== undefined) throw new Error(`Closures and engine disagree: ${JSON.stringify(differs)}`);
      }
      plant(planted, inForce.policies.length > 2);
    } finally {
      inForce.close();
    }
  },
};
