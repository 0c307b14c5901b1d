/** Tools and pieces of agents that tests of grants share. */
import type { GrantId, RunId } from '@corral/protocol/ids';
import { readingTool, tool, type World } from '../world.ts';
import { found } from '../until.ts';

export const read = () => readingTool('fs.read', ({ path }) => `text of ${String(path)}`);
export const pay = (paid: unknown[]) =>
  tool('bank.pay', (input) => {
    paid.push(input['amount']);
    return 'paid';
  });

/** A module with several agents; the last is the one that is run. */
export const module = (...agents: string[]) => `import { defineAgent } from '@corral/guest';\n${agents.join('\n')}`;
export const USES = `uses: { read: 'tool:fs.read', pay: 'tool:bank.pay' }`;
export const grantOf = async (w: World, run: RunId, alias: string) =>
  (await w.store.run(run))?.record.caps.find((cap) => cap.alias === alias)?.grant as GrantId;
export const childOf = async (w: World, parent: RunId): Promise<RunId> =>
  (await found(async () => (await w.store.runs({ parent }))[0], `${parent} has a child`)).record.id;
export const CODE = `const code = (promise) => promise.then(() => 'ok', (error) => error.code);`;

/** An agent that takes one message and does this with it. */
export const SERVER = (body: string) =>
  `const server = defineAgent({ name: 'server', async run({ messages, mailbox }) { const message = await messages.next(); ${body} } });`;
