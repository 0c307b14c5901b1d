/** Governing through the front door: who alone may approve, candidates beside the policies in force, grants taken back, what changed. */
import { writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Client } from '@corral/protocol/api/client';
import type { Event } from '@corral/protocol/api/schemas';
import { corral } from '../command.ts';
import { front, shortFolder, type Front } from '../front.ts';
import { until, found } from '../until.ts';
import { agentFile } from '../agents/file.ts';

/** The owner of the machine, to whom the mail belongs. */
const OWNER = `user:${userInfo().username}`;
const TOOLS = `
  tool({ name: 'mail.read', description: 'reads mail', input: z.object({}), output: z.string(),
    annotations: { readOnly: true, returns: 'untrusted', private_to: '${OWNER}' }, run: () => 'hello from a stranger' }),
  tool({ name: 'pay', description: 'pays', input: z.object({ amount: z.number() }), output: z.string(),
    annotations: { money: 'amount', returns: 'trusted' }, run: () => 'paid' }),
  tool({ name: 'wait', description: 'waits', input: z.object({}), output: z.string(), annotations: { idempotent: false },
    run: (_, { signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve('too late'))) }),`;
const FREE = '@id("free") permit (principal, action, resource);\n';

/** A host of its own folder: `policies` as the configuration says them, beside the Cedar files it names. */
async function governed(policies: string, files: Record<string, string>): Promise<Front & { folder: string; events: Event[] }> {
  const folder = await shortFolder();
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const config = join(folder, 'corral.config.ts');
  await writeFile(
    config,
    `import { defineConfig, tool } from '@corral/server/config';\nimport * as z from 'zod';\nexport default defineConfig({ tools: [${TOOLS}], policies: ${policies} });`,
  );
  const made = await front({ config });
  const events: Event[] = [];
  made.host.door.feed.listen((event) => events.push(event));
  return { ...made, folder, events };
}
const asked = (client: Client) => found(async () => (await client.listApprovals({})).items[0], 'a call waits for people');
const outcome = async (client: Client, run: string) =>
  (await client.showRun({ params: { run: run as never }, query: { wait_ms: 60_000 } })).outcome;

const PAYER = `{ name: 'shop/payer', uses: { pay: 'tool:pay' }, run: ({ caps }) => caps.pay({ amount: 5 }).catch((error) => error.code) }`;
const ASKING = `${FREE}@id("money") @consequence("approval") @approver("owner") forbid (principal, action == Action::"tool:pay", resource);`;

test('a call for the owner is decided by the owner of its agent alone, however many roles others have', async () => {
  const folder = await shortFolder();
  const write = (owner: string) =>
    writeFile(
      join(folder, 'c.json'),
      JSON.stringify({ policies: { files: ['p.cedar'], owners: { shop: owner } }, files: { write: folder } }),
    );
  await writeFile(join(folder, 'p.cedar'), ASKING.replace('tool:pay', 'tool:fs.write'));
  await write('token:nobody');
  const { admin, deploy, as, data } = await front({ config: join(folder, 'c.json') });
  await deploy(
    `{ name: 'shop/writer', uses: { write: 'tool:fs.write' }, run: ({ caps }) => caps.write({ path: 'a', text: 'x' }).then(() => 'written', (error) => error.code) }`,
  );
  const [ana, ben] = [await as('local', 'approver'), await as('local', 'approver', 'admin')];
  await write((await ana.whoAmI({})).principal);
  await admin.applyConfig({});
  const { run } = await admin.submitRun({ body: { agent: 'shop/writer' } });
  const { call, approvers } = await asked(ana);
  expect(approvers).toEqual(['owner']);
  expect((await corral(['approvals', '--data', data])).out).toMatch(/is for +owner \(token:/);
  const decide = (client: Client) => client.decideApproval({ params: { run, call }, body: { verdict: 'approve', reason: 'mine' } });
  // The role alone would not do, so the reason names the owner before the commands.
  const { next } = await ben.whyRun({ params: { run } });
  expect(next).toEqual([
    expect.stringMatching(new RegExp(`^Call ${call} to fs\\.write is for owner \\(token:[^)]+\\): .*corral approve ${run} ${call}`, 'u')),
  ]);
  await expect(decide(ben)).rejects.toMatchObject({ code: 'CORRAL_APPROVER', status: 403, message: /its owner token:/ });
  expect(await decide(ana)).toMatchObject({ missing: 0 });
  expect(await outcome(admin, run)).toEqual({ kind: 'completed', output: 'written' });
});

describe('a candidate', () => {
  test('of the configuration is asked about living calls, told of where it differs, and goes with the configuration', async () => {
    const next = `${FREE}@id("no-pay") forbid (principal, action == Action::"tool:pay", resource);`;
    const made = await governed(`{ files: ['now.cedar'], shadow: ['next.cedar'] }`, { 'now.cedar': FREE, 'next.cedar': next });
    const { admin, deploy, events, folder, data } = made;
    await deploy(PAYER);
    const { run } = await admin.submitRun({ body: { agent: 'shop/payer' } });
    expect(await outcome(admin, run)).toEqual({ kind: 'completed', output: 'paid' });
    const [shadow] = (await admin.policyShadow({})).items;
    expect(shadow).toMatchObject({ tenant: 'local', decisions: 1, differing: 1, dropped: 0, changes: { 'allow → deny': 1 } });
    expect(shadow?.examples).toMatchObject([
      { action: 'tool:pay', agent: 'shop/payer', was: 'allow', would: 'deny', rules: ['free'], would_rules: ['no-pay'] },
    ]);
    expect(events.find(({ kind }) => kind === 'policy.differs')).toMatchObject({ run, data: { target: 'pay', would: 'deny' } });
    expect((await corral(['policy', 'shadow', '--data', data])).out).toMatch(/1 of 1 decisions would differ[\s\S]*tool:pay[\s\S]*no-pay/);

    await writeFile(join(folder, 'now.cedar'), next);
    await writeFile(
      join(folder, 'corral.config.ts'),
      `import { defineConfig, tool } from '@corral/server/config';\nimport * as z from 'zod';\nexport default defineConfig({ tools: [${TOOLS}], policies: ['now.cedar'] });`,
    );
    await admin.applyConfig({});
    expect((await admin.policyShadow({})).items).toEqual([]);
    expect(events.find(({ kind }) => kind === 'policy.switched')).toMatchObject({
      tenant: 'local',
      data: { from: shadow?.version, to: shadow?.candidate },
    });
    const again = await admin.submitRun({ body: { agent: 'shop/payer' } });
    expect(await outcome(admin, again.run)).toEqual({ kind: 'completed', output: 'CORRAL_DENIED' });
    expect((await corral(['policy', 'shadow', '--data', data])).out).toMatch(/No candidate runs here/);
  });

  test('that does not pass the check is refused like policies that decide', async () => {
    await expect(
      governed(`{ files: ['p.cedar'], shadow: ['next.cedar'] }`, {
        'p.cedar': FREE,
        'next.cedar': 'permit (principal, action == Action::"tool:nosuch", resource);',
      }),
    ).rejects.toMatchObject({
      code: 'CORRAL_POLICY_INVALID',
    });
  });
});

describe('a grant', () => {
  const WAITER = `{ name: 'waiter', uses: { wait: 'tool:wait' }, run: ({ caps }) => caps.wait({}).catch((error) => error.code) }`;

  test('that is taken back aborts what is under way by it, and is kept, told and shown with who did it', async () => {
    const { admin, deploy, events, as, data } = await governed(`'none'`, {});
    await deploy(WAITER);
    const { run } = await admin.submitRun({ body: { agent: 'waiter' } });
    await until(async () => (await admin.runCalls({ params: { run } })).items.some(({ state }) => state === 'open'));
    const shown = (await corral(['authority', run, '--data', data])).out;
    const grant = /tool wait[\s\S]*?(grant_\w+)/.exec(shown)?.[1] ?? '';
    const developer = await as('local', 'developer');
    await expect(developer.revokeGrant({ params: { grant: grant as never }, body: { reason: 'x' } })).rejects.toMatchObject({
      code: 'CORRAL_FORBIDDEN',
    });
    const said = await corral(['revoke', grant, '-m', 'it waits too long', '--data', data]);
    expect(said.out).toMatch(new RegExp(`${grant} +revoked from ${run}; 1 call aborted`));
    expect(await outcome(admin, run)).toEqual({ kind: 'completed', output: 'CORRAL_REVOKED' });
    expect((await admin.listOperations({ query: {} })).items[0]).toMatchObject({
      operation: 'revoke',
      target: { grant },
      reason: 'it waits too long',
      matched: [run],
    });
    expect(events.find(({ kind }) => kind === 'grant.revoked')).toMatchObject({ run, tenant: 'local', data: { grant, calls_aborted: 1 } });
    const { reaches } = await admin.runAuthority({ params: { run } });
    expect(reaches.find(({ name }) => name === 'wait')?.chain[0]).toMatchObject({ grant, revoked: true });
  });

  test('that is not there, or another tenant’s, is answered in the same words', async () => {
    const { admin, deploy, as } = await front({ configText: JSON.stringify({ tenants: { own: {}, other: {} } }) });
    await deploy(`{ name: 'sleeper', run: async ({ sleep }) => { await sleep(3600000); } }`, { tenant: 'own' });
    const { run } = await admin.submitRun({ body: { agent: 'sleeper', tenant: 'own' } });
    const grant = (await admin.showRun({ params: { run } })).caps[0]?.grant as never;
    const stranger = await as('other', 'operator');
    const said = async (one: string) =>
      stranger
        .revokeGrant({ params: { grant: one as never }, body: { reason: 'x' } })
        .catch((error: Error) => error.message.replace(one, ''));
    expect(await said(grant)).toBe(await said('grant_000000000000'));
  });
});

test('what changed about a run is told as it happens and read from its journal afterwards, with the entry and the cause', async () => {
  const { admin, deploy, events, data } = await governed(`['p.cedar']`, { 'p.cedar': FREE });
  await deploy(agentFile('family/hands-on-what-it-read-by'));
  const { run } = await admin.submitRun({ body: { agent: 'boss' } });
  expect(await outcome(admin, run)).toEqual({ kind: 'completed', output: 'completed' });
  const [child] = (await admin.runTree({ params: { run } })).children;
  const { items } = await admin.runContext({ params: { run } });
  expect(items.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['label', 'grant', 'purse']));
  const label = items.find(({ kind }) => kind === 'label');
  expect(label).toMatchObject({ cause: 'what mail.read returned', gained: { influenced_by: ['mail.read'], private_to: [OWNER] } });
  expect(items.filter(({ kind }) => kind === 'purse')).toMatchObject([{ amounts: { calls: -3 } }, { amounts: { calls: 3 } }]);
  expect(items.filter(({ kind }) => kind === 'grant')).toMatchObject([
    { how: 'gained', target: 'mailbox' },
    { how: 'lost', target: 'mailbox' },
  ]);
  const told = (of: string) =>
    events.filter(({ kind, run: one }) => kind === 'run.context' && one === of).map(({ data: change }) => change);
  expect(told(run)).toEqual(items);

  const given = (await admin.runContext({ params: { run: child?.run as never } })).items;
  expect(given).toMatchObject([
    { kind: 'label', cause: 'what boss knew that started it' },
    { kind: 'grant', how: 'gained', target: 'tool:mail.read', cause: expect.stringMatching(/^a message of boss/) as string },
  ]);
  expect(told(child?.run ?? '')).toEqual(given);
  const said = await corral(['context', run, '--data', data]);
  expect(said.out).toMatch(/entry \d+ +label raised: influenced by mail\.read; private to user:\S+; .*\(what mail\.read returned\)/);
  expect(said.out).toMatch(/purse: .*3 calls.* moved to a child/);
});

test('an id that is none is refused at the command line in words, whatever the command', async () => {
  for (const args of [
    ['why', 'run_nosuch'],
    ['calls', 'nosuch'],
    ['kill', 'run_nosuch', '-m', 'x'],
    ['context', 'grant_0123456789ab'],
    ['approve', 'run_nosuch', '3'],
    ['revoke', 'run_0123456789ab', '-m', 'x'],
  ]) {
    const { code, err } = await corral([...args, '--data', '/nonexistent']);
    expect([args[0], code]).toEqual([args[0], 2]);
    expect(err).toMatch(/CORRAL_USAGE .* is not the id of a (run|grant); those look like/);
  }
});
