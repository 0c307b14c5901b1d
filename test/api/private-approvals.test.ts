/** Approvals of calls with private arguments, and answers that are private: by a link, in what holds for later calls, and in what `why` tells. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { transportTo } from '@corral/client/node';
import { createClient, type Client } from '@corral/protocol/api/client';
import type { RunId } from '@corral/protocol/ids';
import { front, shortFolder, type Front } from '../front.ts';
import { receiver, sentLink } from '../receiver.ts';
import { shared } from '../shared.ts';
import { found, until } from '../until.ts';

const SECRET = 'Ana-earns-4711';
const { got, url } = await receiver(() => 200, afterAll);
process.env['CORRAL_TEST_PRIVATE_HOOK'] = 'a secret of the receiver';

const CONFIG = `
import { defineConfig, tool } from '@corral/server/config';
import * as z from 'zod';
export default defineConfig({
  tools: [
    tool({ name: 'hr.read', description: 'reads a salary', input: z.object({}), output: z.object({ text: z.string() }),
      annotations: { readOnly: true, returns: 'trusted', private_to: 'ana' }, run: () => ({ text: '${SECRET}' }) }),
    tool({ name: 'hr.raise', description: 'raises a salary', input: z.object({}), output: z.string(),
      annotations: { returns: 'trusted', private_to: 'ana' }, run: () => '${SECRET}' }),
    tool({ name: 'note.send', description: 'sends a note', input: z.object({ to: z.string() }), output: z.string(),
      annotations: { destinations: ['to'], returns: 'trusted' }, run: () => 'sent' }),
  ],
  policies: { files: ['rules.cedar'], roles: { 'token:hers': ['ana'] } },
  secrets: { hook: { env: 'CORRAL_TEST_PRIVATE_HOOK' } },
  webhooks: [{ id: 'chat', url: '${url}', secret: 'hook' }],
  door: { url: 'https://corral.example' },
  approvals: { links: { alone: true } },
});`;
const RULES = `@id("free") permit (principal, action, resource);
// What goes out or changes a salary.
@id("asks") @consequence("approval")
forbid (principal, action in [Action::"tool:note.send", Action::"tool:hr.raise"], resource);
`;
const SENDER = `{ name: 'sender', uses: { hr: 'tool:hr.read', send: 'tool:note.send' }, async run({ caps, sleep }) {
  const { text } = await caps.hr({});
  for (let i = 0; i < 2; i++) await caps.send({ to: text });
  await sleep(3600000); } }`;
const RAISER = `{ name: 'raiser', uses: { raise: 'tool:hr.raise' }, run: ({ caps }) => caps.raise({}).then(() => 'raised', (error) => error.code) }`;

let host: Front;
let folder: string;
let operator: Client;
let submitter: Client;
let ana: Client;

shared(async (finished) => {
  finished(() => {
    delete process.env['CORRAL_TEST_PRIVATE_HOOK'];
  });
  folder = await shortFolder(finished);
  await writeFile(join(folder, 'corral.config.ts'), CONFIG);
  await writeFile(join(folder, 'rules.cedar'), RULES);
  host = await front({ config: join(folder, 'corral.config.ts') }, finished);
  operator = await host.as('local', 'operator', 'approver', 'auditor');
  submitter = await host.as('local', 'developer');
  const { secret } = await host.admin.makeToken({ body: { name: 'hers', tenant: 'local', roles: ['operator', 'approver'] } });
  ana = createClient(transportTo({ url: host.url }), secret);
  await host.deploy(SENDER);
  await host.deploy(RAISER);
});

async function asking(agent: string) {
  const { run } = await submitter.submitRun({ body: { agent } });
  return found(async () => (await ana.listApprovals({ query: { run } })).items[0], 'the call waits');
}

test('whoever decides is shown what the rule says that asks, also without the right to read policies', async () => {
  const { run } = await asking('sender');
  const approver = await host.as('local', 'approver');
  await expect(approver.listPolicies({ query: {} })).rejects.toMatchObject({ code: 'CORRAL_FORBIDDEN' });
  const [asked] = (await approver.listApprovals({ query: { run } })).items;
  expect(asked).toMatchObject({ rules: ['asks'], rule_texts: [{ rule: 'asks' }] });
  expect(asked?.rule_texts[0]?.text).toMatch(
    /^@id\("asks"\) @consequence\("approval"\)\nforbid \(principal, action in \[[^\]]+\], resource\);$/,
  );
  // The policies by which it was asked are not in force any more: the archive has them.
  await writeFile(join(folder, 'rules.cedar'), `${RULES}@id("more") permit (principal, action, resource);`);
  await host.admin.applyConfig({});
  expect((await approver.listApprovals({ query: { run } })).items[0]?.rule_texts).toEqual(asked?.rule_texts);
});

test('an approval that holds for later calls does not show where they go to those who may not read it', async () => {
  const { run, call, version, may_hold } = await asking('sender');
  expect(may_hold).toEqual({ destination: { to: SECRET }, money: null });
  const holds = { for: 'destination', uses: 5, for_ms: 3_600_000 } as const;
  await ana.decideApproval({ params: { run, call }, body: { verdict: 'approve', reason: 'hers', version, holds } });
  await until(async () => (await ana.listStanding({ params: { run } })).items[0]?.used === 1, 'the second call is made under it');
  const [hers] = (await ana.listStanding({ params: { run } })).items;
  expect(hers).toMatchObject({ call, destination: JSON.stringify([SECRET]), for: 'destination', uses: 5 });
  for (const client of [operator, host.admin]) {
    const { items } = await client.listStanding({ params: { run } });
    expect(items).toMatchObject([{ call, tool: 'note.send', destination: null, used: 1, withheld: { private_to: ['ana'] } }]);
    expect(JSON.stringify(items)).not.toContain(SECRET);
  }
});

test('a link approves a call only for who may read its arguments, is not used up by others, and is sent without them', async () => {
  const { run, call } = await asking('sender');
  const link = await sentLink(got, run);
  const body = { link: new URL(link).hash.replace('#approve=', ''), verdict: 'approve', reason: 'by the link' } as const;
  const nobody = createClient(transportTo({ url: host.url }));
  for (const client of [nobody, operator])
    await expect(client.followLink({ body })).rejects.toMatchObject({
      code: 'CORRAL_WITHHELD',
      message: expect.not.stringContaining(SECRET) as string,
    });
  expect(await ana.followLink({ body })).toMatchObject({ run, call, missing: 0 });
  expect(JSON.stringify(got)).not.toContain(SECRET);

  // To refuse it takes nobody who may read it.
  const other = await asking('sender');
  const second = await sentLink(got, other.run);
  const refusal = { link: new URL(second).hash.replace('#approve=', ''), verdict: 'deny', reason: 'unseen' } as const;
  expect(await nobody.followLink({ body: refusal })).toMatchObject({ run: other.run, by: 'link:chat' });
});

test('what a tool answered and its agent was not told is in no sentence for those who may not read it', async () => {
  const { run, call } = await asking('raiser');
  const params: { run: RunId } = { run };
  await operator.operate({ body: { operation: 'pause', target: params, reason: 'wait' } });
  await ana.decideApproval({ params: { run, call }, body: { verdict: 'approve', reason: 'hers' } });
  await until(async () => (await ana.runCalls({ params })).items[0]?.state === 'answered', 'the tool has answered');
  const line = async (client: Client) =>
    (await client.whyRun({ params })).because.find((text) => text.startsWith(`Call ${call} to hr.raise`));
  const mustHide = async () => {
    for (const client of [operator, host.admin])
      for (const told of [await client.whyRun({ params }), await client.runCalls({ params }), await client.storyRun({ params })])
        expect(JSON.stringify(told)).not.toContain(SECRET);
  };
  expect(await line(ana)).toContain(`was carried out: it answered "${SECRET}"`);
  expect(await line(operator)).toBe(
    `Call ${call} to hr.raise was carried out; its answer is withheld. Its agent has not been given the answer yet.`,
  );
  await mustHide();
  await operator.operate({ body: { operation: 'revoke', tool: 'hr.raise', target: params, reason: 'too much' } });
  await until(async () => (await ana.runCalls({ params })).items[0]?.error !== null, 'the answer is withheld from its agent');
  expect(await line(ana)).toContain(`it answered "${SECRET}". The answer was withheld from its agent: CORRAL_REVOKED.`);
  expect(await line(operator)).toContain('its answer is withheld. The answer was withheld from its agent: CORRAL_REVOKED.');
  await mustHide();
  await operator.operate({ body: { operation: 'kill', target: params, reason: 'enough' } });
  await mustHide();
});
