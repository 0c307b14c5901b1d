/** Where an argument came from is said by `why` however the value travelled: through a model, a child, a service and what it keeps, and back. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { defaultPack, loadPolicies } from '@corral/cli/policies';
import { shopTools } from '@corral/cli/shop';
import { shopModel, toolOf } from '@corral/cli/shop-model';
import type { RunId } from '@corral/protocol/ids';
import type { Tool } from '@corral/protocol/ports/tool';
import { Decisions } from '@corral/server/evidence/decisions';
import { pagesOf } from '@corral/server/evidence/pages';
import { agentFile } from '../agents/file.ts';
import { openApproval, world, type World } from '../world.ts';

const EXAMPLES = dirname(fileURLToPath(import.meta.resolve('@corral/examples/package.json')));
const STRANGER = 'text that a stranger may have written';
const ACCOUNT = 'LT601010012345678901';

async function shop(model: Tool): Promise<World> {
  const { tools: shopping } = await shopTools(join(EXAMPLES, 'purchasing', 'mail'));
  const tools = [...shopping, model];
  const current = await loadPolicies(tools, [await defaultPack(['first-use'])]);
  return world(tools, { tenants: { shop: { tools, policies: { current } } } });
}
const start = async (w: World, file: string, input: object) => w.submit(await w.deployFile(file, 'shop'), input, { tenant: 'shop' });

/** Where `why` says that the receiver of a refused call came from. */
async function whyTo(w: World, run: RunId, tool: string): Promise<string | undefined> {
  const decisions = new Decisions(undefined);
  for await (const page of decisions.through(pagesOf(w.store.journal.bind(w.store), run, 100))) expect(page.length).toBeGreaterThan(0);
  return decisions.latest.find((one) => one.tool === tool)?.origins.find(({ path }) => path === 'to')?.from;
}
/** Refuses the next call that waits for people. @returns its run, and where its receiver came from */
async function refused(w: World): Promise<readonly [RunId, string | undefined]> {
  const { run, call, origins, input } = await openApproval(w);
  expect(input).toMatchObject({ to: ACCOUNT });
  await w.supervisor.control.decide(run, call, 'owner', 'deny', '');
  return [run, origins.find(({ path }) => path === 'to')?.from];
}

test('what a mail says is told through a model, a child, a service and another run, with the mail as its origin', async () => {
  const w = await shop(
    toolOf({ provider: 'scripted', turns: [{ when: { matches: String.raw`account (\w+)` }, say: 'It is account $1.' }] }, ''),
  );
  const relay = agentFile('labels/relays').file;
  const { id, ended } = await start(w, relay, { id: 3, task: 'Say what the mail says.' });
  const [child, own, service] = [await refused(w), await refused(w), await refused(w)];
  expect(await ended).toMatchObject({
    kind: 'completed',
    output: { child: 'CORRAL_APPROVAL_DENIED', own: 'CORRAL_APPROVAL_DENIED', service: 'CORRAL_APPROVAL_DENIED' },
  });
  expect([child[1], own[1], service[1]]).toEqual([
    `${STRANGER}: said of what relay gave, influenced by mail.read`,
    expect.stringMatching(`^${STRANGER}: account of what child gave \\(\\d+\\), influenced by mail.read$`),
    // The state of a service is not looked through again: its label says whose text it may hold.
    `${STRANGER}: influenced by mail.read`,
  ]);
  expect(own[0]).toBe(id);
  for (const [run, from] of [child, own, service]) expect(await whyTo(w, run, 'payments.send')).toBe(from);

  // Another run, which has read no mail, gets it back from the service.
  const { id: other, ended: later } = await start(w, relay, { task: 'Say what was kept.' });
  const [run, from] = await refused(w);
  expect([run, from]).toEqual([
    other,
    expect.stringMatching(`^${STRANGER}: account of what service:notes gave \\(\\d+\\), influenced by mail.read$`),
  ]);
  expect(await later).toMatchObject({ output: { later: 'CORRAL_APPROVAL_DENIED' } });
  expect(await whyTo(w, other, 'payments.send')).toBe(from);
});

test('the purchasing and support examples say which mail a refused receiver stood in, though a model said it or code did', async () => {
  const w = await shop(shopModel({}).tool);
  const support = await start(w, join(EXAMPLES, 'purchasing', 'support.ts'), { question: 'What does Nordlicht write?', reference: 'Q-1' });
  const [, by] = await refused(w);
  await support.ended;
  expect(by).toMatch(`${STRANGER}: text of what mail.read gave (`);
  expect(await whyTo(w, support.id, 'payments.send')).toBe(by);

  const order = { task: 'Buy desk lamps from the cheapest supplier.', quantity: 10, reference: 'PO-1' };
  const buyer = await start(w, join(EXAMPLES, 'purchasing', 'buyer.ts'), order);
  await refused(w);
  const honest = await openApproval(w, buyer.id);
  await w.supervisor.control.decide(buyer.id, honest.call, 'owner', 'deny', '');
  await buyer.ended;
  expect(await whyTo(w, buyer.id, 'mail.send')).toMatch(`${STRANGER}: text of what mail.read gave (`);
});
