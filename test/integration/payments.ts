/** A shop with policies: a tool that pays, mail that a stranger wrote, the default pack, and people to ask. */
import * as z from 'zod';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { Tool } from '@corral/protocol/ports/tool';
import { inlineTool } from '@corral/tools/define';
import { world, type World, openApproval } from '../world.ts';
import { policiesOf, SEASONED } from '../policed.ts';

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

export { policiesOf as policies, SEASONED };

export async function bus(tools: readonly Tool[], text = SEASONED, folder?: string): Promise<World> {
  const current = policiesOf(tools, text);
  return world(tools, { tenants: { crew: { tools, policies: { current } } }, ...(folder === undefined ? {} : { folder }) });
}
export const asked = (w: World) => openApproval(w);
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
