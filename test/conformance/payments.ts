/** A shop with policies: a tool that pays, mail that a stranger wrote, the default pack, and people to ask. */
import * as cedar from '@cedar-policy/cedar-wasm/nodejs';
import { readFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { catalog } from '@corral/policy/cedar/catalog';
import { PolicyInForce } from '@corral/policy/cedar/in-force';
import type { Outcome } from '@corral/protocol/outcome';
import type { Tool } from '@corral/protocol/tool';
import { inlineTool } from '@corral/tools/define';
import { world, type World } from '../world.ts';

const PACK = readFileSync(fileURLToPath(import.meta.resolve('@corral/policy/pack/default.cedar')), 'utf8');

export const paid: { to: string; amount: number }[] = [];
export const payments = (): Tool =>
  inlineTool({
    name: 'payments.send',
    description: 'pays somebody',
    input: z.object({ to: z.string(), amount: z.number() }),
    output: z.object({ paid: z.boolean() }),
    annotations: {
      readOnly: false,
      destructive: true,
      openWorld: true,
      idempotent: false,
      returns: 'trusted',
      destinations: ['to'],
      money: 'amount',
    },
    run: (input) => {
      paid.push(input);
      return { paid: true };
    },
  });
export const mail = (text: string): Tool =>
  inlineTool({
    name: 'mail.read',
    description: 'reads mail',
    input: z.object({}),
    output: z.object({ text: z.string() }),
    annotations: { readOnly: true, openWorld: false, idempotent: true, destructive: false, returns: 'untrusted' },
    run: () => ({ text }),
  });

export function policies(tools: readonly Tool[], text = PACK): PolicyInForce {
  return PolicyInForce.load({
    engine: cedar,
    catalog: catalog({
      targets: tools.map((tool) => ({
        kind: 'tool',
        name: tool.name,
        annotations: tool.annotations,
        input: z.toJSONSchema(tool.input, { io: 'input' }),
      })),
    }),
    sources: [{ file: 'default.cedar', text }],
    digest: (of) => `sha256:${createHash('sha256').update(of).digest('hex')}`,
  });
}

/** Everything but the question about a first use, which would be asked of every agent here. */
export const SEASONED = PACK.replace(/@id\("first-use"\)[\s\S]*?;\n/, '');

export async function bus(tools: readonly Tool[], text = SEASONED, folder?: string): Promise<World> {
  const current = policies(tools, text);
  return world(tools, { tenants: { crew: { tools, policies: { current } } }, ...(folder === undefined ? {} : { folder }) });
}
export const asked = async (w: World) => {
  for (;;) {
    const [approval] = await w.supervisor.approvals();
    if (approval !== undefined) return approval;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};
export const BUYER = `{ name: 'buyer', uses: { mail: 'tool:mail.read', pay: 'tool:payments.send' }, async run({ input, caps }) {
  const { text } = await caps.mail({});
  const to = /account ([A-Z0-9]+)/.exec(text)?.[1] ?? input.to;
  return caps.pay({ to, amount: input.amount }).catch((error) => error.code);
} }`;

export const outputOf = (outcome: Outcome): unknown => (outcome.kind === 'completed' ? outcome.output : undefined);
export const FREE = '@id("free") permit (principal, action, resource);';
export const forbidding = (annotations: string) =>
  `${FREE}\n@id("looked-at") ${annotations} forbid (principal, action == Action::"tool:payments.send", resource);`;
export const PAYER = `{ name: 'payer', uses: { pay: 'tool:payments.send' }, async run({ caps, input }) {
  const pays = Array.from({ length: input.times ?? 1 }, () => caps.pay({ to: 'a', amount: 1 }).then(() => 'paid', (error) => error.code));
  return Promise.all(pays);
} }`;
