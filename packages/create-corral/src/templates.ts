/** The files that `corral init` and `npm create corral` write: an agent, its test, a configuration with two tools, a first policy. */

export interface Names {
  /** `corral.config.ts`, or `.mts` in a package of CommonJS. */
  readonly config: string;
}

const AGENT = `import { defineAgent } from '@corral/guest';
import * as z from 'zod/mini';

export default defineAgent({
  name: 'buyer',
  purpose: 'Order what somebody asks for, at the price of today.',
  input: z.object({ item: z.string(), pieces: z.int() }),
  output: z.object({ order: z.string(), amount: z.number() }),
  // Everything that this agent can ever reach. The host decides whether it may.
  uses: { price: 'tool:shop.price', order: 'tool:shop.order' },
  async run({ input, caps, log }) {
    const { each } = await caps.price({ item: input.item });
    const amount = each * input.pieces;
    log('ordering', input.pieces, input.item, 'for', amount);
    const { order } = await caps.order({ item: input.item, pieces: input.pieces, amount });
    return { order, amount };
  },
});
`;

const testOf = (config: string) => `import assert from 'node:assert/strict';
import { test } from 'node:test';
import { agentUnderTest, type Rules } from '@corral/testing';

// The agent runs in a real isolate, under the policies of the configuration. The tools are fakes, so nothing is ordered.
const buyer = (rules: Rules = {}) =>
  agentUnderTest(
    new URL('../buyer.ts', import.meta.url),
    { 'shop.price': () => ({ each: 40 }), 'shop.order': () => ({ order: 'A-1' }) },
    { config: new URL('../../${config}', import.meta.url), ...rules },
  );

test('it orders at the price of today', async () => {
  const agent = await buyer();
  const { output, calls } = await agent.run({ item: 'lamp', pieces: 2 });
  assert.deepEqual(output, { order: 'A-1', amount: 80 });
  assert.deepEqual(
    calls.map(({ tool }) => tool),
    ['shop.price', 'shop.order'],
  );
});

test('an order of more than 100 waits for a person', async () => {
  const agent = await buyer({ approve: ({ rules }) => rules.includes('large-orders') });
  const { output, asked } = await agent.run({ item: 'lamp', pieces: 3 });
  assert.deepEqual(
    asked.map(({ tool, verdict }) => [tool, verdict]),
    [['shop.order', 'approve']],
  );
  assert.deepEqual(output, { order: 'A-1', amount: 120 });
});
`;

const CONFIG = `import { defineConfig, tool } from 'corral/config';
import * as z from 'zod';

export default defineConfig({
  tenants: { local: {} },
  policies: ['policies.cedar'],
  tools: [
    tool({
      name: 'shop.price',
      description: 'The price of one piece.',
      input: z.object({ item: z.string() }),
      output: z.object({ each: z.number() }),
      annotations: { readOnly: true, idempotent: true, destructive: false, openWorld: false, returns: 'trusted' },
      run: ({ item }) => ({ each: item === 'sofa' ? 600 : 40 }),
    }),
    tool({
      name: 'shop.order',
      description: 'Orders something. What is ordered is paid for.',
      input: z.object({ item: z.string(), pieces: z.int(), amount: z.number() }),
      output: z.object({ order: z.string() }),
      annotations: { readOnly: false, idempotent: false, destructive: true, openWorld: true, returns: 'trusted' },
      // The key is the same for every attempt of one call: give it to the shop, so that nothing is ordered twice.
      run: (_, { idempotency_key }) => ({ order: \`order \${idempotency_key}\` }),
    }),
  ],
});
`;

const POLICIES = `// What agents may do with what they were granted. Each call is asked about; one forbid is stronger than any permit.

@id("what-was-granted")
@description("An agent may use what it was granted.")
permit (principal, action, resource);

@id("large-orders")
@description("An order of more than 100 waits for a person: corral approvals, then corral approve.")
@consequence("approval")
forbid (principal, action == Action::"tool:shop.order", resource)
when { context.args.amount.greaterThan(decimal("100.0")) };
`;

const TYPES = `// Written by \`corral types\`; write it again when the host's tools change.
import '@corral/guest';

declare module '@corral/guest' {
  interface Declared {
    readonly tools: true;
  }
  interface Tools {
    /** The price of one piece. */
    "shop.price": { input: { "item": string }; output: { "each": number } };
    /** Orders something. What is ordered is paid for. */
    "shop.order": { input: { "item": string; "pieces": number; "amount": number }; output: { "order": string } };
  }
}
`;

const STRICT = {
  target: 'es2024',
  module: 'esnext',
  moduleResolution: 'bundler',
  lib: ['es2024'],
  strict: true,
  noEmit: true,
  skipLibCheck: true,
  allowImportingTsExtensions: true,
  erasableSyntaxOnly: true,
  verbatimModuleSyntax: true,
};

export const json = (value: unknown, indent: string | number = 2): string => `${JSON.stringify(value, null, indent)}\n`;

/** Files that both a new folder and an existing repository get, by path. */
export function filesOf({ config }: Names): Readonly<Record<string, string>> {
  return {
    'agents/buyer.ts': AGENT,
    'agents/order.json': json({ item: 'lamp', pieces: 2 }),
    'agents/corral-env.d.ts': TYPES,
    // An agent has no process and no fetch, so its files are checked without the types of Node and of browsers.
    'agents/tsconfig.json': json({ compilerOptions: { ...STRICT, types: ['@corral/guest/globals'] }, include: ['*.ts'] }),
    'agents/tests/buyer.ts': testOf(config),
    'agents/tests/tsconfig.json': json({
      compilerOptions: { ...STRICT, types: ['node'] },
      include: ['*.ts', `../../${config}`],
    }),
    [config]: CONFIG,
    'policies.cedar': POLICIES,
  };
}

/** Further files for a new folder. */
export const NEW_FOLDER: Readonly<Record<string, string>> = {
  // Editors look for the types of the configuration here; the agents and their tests have their own.
  'tsconfig.json': json({ extends: './agents/tests/tsconfig.json', include: ['corral.config.ts'] }),
  '.gitignore': 'node_modules/\n.corral/\n',
};

/** Scripts by name. */
export const scriptsOf = ({ config }: Names): Readonly<Record<string, string>> => ({
  dev: `corral dev agents/buyer.ts --config ${config} --watch --input @agents/order.json`,
  test: 'corral test',
  types: `corral types --config ${config} --out agents/corral-env.d.ts`,
  // The types of the tools first: with those of an earlier configuration the checker would blame an agent that is right.
  check: `corral types --config ${config} --out agents/corral-env.d.ts && tsc -p agents && tsc -p agents/tests && corral config check ${config}`,
});
