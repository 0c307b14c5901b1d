/** The guards that a host has where its configuration says nothing, and how it says that somebody has taken them away. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CORRAL, corral, start as startProgram } from '../command.ts';
import { front, shortFolder, type Front } from '../front.ts';
import { found, until } from '../until.ts';

const WRITER = `{ name: 'writer', uses: { write: 'tool:fs.write' }, run: ({ caps }) => caps.write({ path: 'a.txt', text: 'x' }).then(() => 'written') }`;
const LISTER = `{ name: 'lister', uses: { list: 'tool:fs.list' }, async run({ caps }) {
  for (let i = 0; i < 60; i++) await caps.list({ path: '.' });
  return 'done';
} }`;

const start = async (f: Front, agent: string, name: string, input: unknown = {}) => {
  await f.deploy(agent);
  return (await f.admin.submitRun({ body: { agent: name, input: input as never } })).run;
};
const shown = (f: Front, run: string) => f.admin.showRun({ params: { run: run as never }, query: {} });
const outcome = async (f: Front, run: string) =>
  (await f.admin.showRun({ params: { run: run as never }, query: { wait_ms: 60_000 } })).outcome;

describe('a configuration that says nothing', () => {
  test('has the first effect of a version wait for a person, and pauses a run that loops', async () => {
    const folder = await shortFolder();
    const f = await front({ configText: JSON.stringify({ files: { read: folder, write: folder } }) });
    const wrote = await start(f, WRITER, 'writer');
    const asked = await found(async () => (await f.admin.listApprovals({})).items[0], 'a call waits for people');
    expect(asked).toMatchObject({ run: wrote, tool: 'fs.write', rules: ['first-use'] });
    const loops = await start(f, LISTER, 'lister');
    await until(async () => (await shown(f, loops)).control === 'paused');
    expect((await shown(f, loops)).outcome).toBeNull();
    const { guards } = await f.admin.showConfig({});
    expect(guards).toEqual([{ tenant: 'local', policies: 'default', risk: false, loops: 'default' }]);
  });

  test('holds without a file, too', async () => {
    const write = await shortFolder();
    const f = await front({ files: { write } });
    await start(f, WRITER, 'writer');
    const asked = await found(async () => (await f.admin.listApprovals({})).items[0], 'a call waits for people');
    expect(asked.rules).toEqual(['first-use']);
  });
});

test('a host has no policies and watches no runs where its configuration says so, and tells that', async () => {
  const folder = await shortFolder();
  const f = await front({
    configText: JSON.stringify({ policies: 'none', tenants: { local: { loops: false } }, files: { read: folder, write: folder } }),
  });
  expect(await outcome(f, await start(f, WRITER, 'writer'))).toMatchObject({ kind: 'completed', output: 'written' });
  expect(await outcome(f, await start(f, LISTER, 'lister'))).toMatchObject({ kind: 'completed', output: 'done' });
  const { guards } = await f.admin.showConfig({});
  expect(guards).toEqual([{ tenant: 'local', policies: 'none', risk: false, loops: 'none' }]);
});

test('what is missing is in the first lines of up, and in what doctor and config show say, by tenant', { tags: 'long' }, async () => {
  const folder = await shortFolder();
  const config = join(folder, 'corral.config.json');
  const said = { policies: 'none', tenants: { a: { loops: false }, b: { policies: 'default' } } };
  await writeFile(config, JSON.stringify(said));
  const data = join(folder, 'd');
  const { out: first } = startProgram([...CORRAL, 'up', '--data', data, '--config', config, '--port', '0'], { env: { NO_COLOR: '1' } });
  const missing = [
    "NO POLICIES for a: grants alone decide about calls (policies: 'none').",
    'LOOPS ARE NOT WATCHED for a: nothing stops a run that loops or runs away (loops: false).',
  ];
  const there = ['Policies for b: the default pack.', 'Loops for b: a run that loops, runs away or probes is paused for a person.'];
  await until(() => first().includes(there.join('\n')), 'the host has said its first lines');
  const lines = first()
    .trim()
    .split('\n')
    .filter((line) => !line.startsWith('Telemetry'));
  expect(lines.slice(-4)).toEqual([...missing, ...there]);
  const shows = JSON.parse((await corral(['config', 'show', '--json', '--data', data])).out) as { readonly guards: unknown };
  expect(shows.guards).toEqual([
    { tenant: 'a', policies: 'none', risk: false, loops: 'none' },
    { tenant: 'b', policies: 'default', risk: false, loops: 'default' },
  ]);
  const { checks } = JSON.parse((await corral(['doctor', '--json', '--config', config])).out) as { readonly checks: { name: string }[] };
  expect(checks.filter(({ name }) => name === 'guards')).toEqual([
    ...missing.map((says) => ({ name: 'guards', ok: false, says })),
    ...there.map((says) => ({ name: 'guards', ok: true, says })),
  ]);
});

describe('thresholds', () => {
  const BANK = `import { defineConfig, tool } from '@corral/server/config';
import * as z from 'zod';
const pay = (name: string, money?: string) => tool({
  name, description: 'Pays.', input: z.object({ to: z.string(), amount: z.number() }), output: z.object({ paid: z.number() }),
  annotations: { readOnly: false, idempotent: false, destructive: true, openWorld: true, returns: 'trusted', ...(money === undefined ? {} : { money }) },
  run: ({ amount }) => ({ paid: amount }),
});
export default defineConfig({`;
  const PAYER = `{ name: 'payer', uses: { pay: 'tool:payments.send' }, budget: { money_micros: 100_000_000_000 },
    run: ({ input, caps }) => caps.pay({ to: 'bob', amount: input.amount }).then(({ paid }) => paid, (error) => error.code + ' ' + error.message) }`;

  const bank = (said: string) => front({ configCode: `${BANK}${said}});\n` });

  test('hold where there are no other policies: small payments go, larger ones wait for one or two people, the largest never go', async () => {
    const f = await bank(`policies: 'none', tools: [pay('payments.send', 'amount')], budget: { money_micros: 100_000_000_000 },
      risk: { 'payments.*': { ask: 100, two: 1_000, never: 10_000, day: 5_000 } }`);
    await f.deploy(PAYER);
    const submit = async (amount: number) => (await f.admin.submitRun({ body: { agent: 'payer', input: { amount } } })).run;
    const paid = async (amount: number) => ((await outcome(f, await submit(amount))) as { readonly output?: unknown }).output;
    const asked = async (run: string) =>
      found(async () => (await f.admin.listApprovals({})).items.find((one) => one.run === run), 'a call waits for people');
    expect(await paid(100)).toBe(100);
    expect(await paid(10_001)).toMatch(/^CORRAL_DENIED .*risk\/payments\.\*\/never/u);
    const large = await submit(1_500);
    expect(await asked(large)).toMatchObject({ rules: ['risk/payments.*/ask', 'risk/payments.*/two'], quorum: 2 });
    const [one, other] = [await f.as('local', 'approver'), await f.as('local', 'approver')];
    for (const by of [one, other])
      await by.decideApproval({ params: { run: large, call: (await asked(large)).call }, body: { verdict: 'approve', reason: 'agreed' } });
    expect(await outcome(f, large)).toMatchObject({ output: 1_500 });
    // 1,600 of 5,000 are spent. A call that waits for a person counts from the moment it is asked about.
    const waits = await submit(900);
    await asked(waits);
    expect(await paid(2_501)).toMatch(/^CORRAL_DENIED .*risk\/payments\.\*\/day/u);
    await one.decideApproval({ params: { run: waits, call: (await asked(waits)).call }, body: { verdict: 'approve', reason: 'agreed' } });
    expect(await outcome(f, waits)).toMatchObject({ output: 900 });
    expect(await paid(100)).toBe(100);
    const [move] = (await f.admin.listPolicies({ query: {} })).items;
    const { files } = await f.admin.showPolicies({ params: { version: move?.version as string }, query: {} });
    expect(files.find(({ file }) => file === 'risk.cedar')?.text).toContain('@id("risk/payments.*/day")');
  });

  test('of a day are those of each agent by itself, and a tenant that states its own has none of the host', { tags: 'long' }, async () => {
    const f = await bank(`policies: 'none', tools: [pay('payments.send', 'amount')], budget: { money_micros: 100_000_000_000 },
      risk: { 'payments.*': { day: 150 } }, tenants: { a: { tools: ['*'] }, b: { tools: ['*'], risk: { 'payments.*': { never: 90 } } } }`);
    const paid = async (tenant: string, agent: string, amount: number) => {
      const { run } = await f.admin.submitRun({ body: { tenant, agent, input: { amount } } });
      return ((await outcome(f, run)) as { readonly output?: unknown }).output;
    };
    for (const [tenant, agent] of [
      ['a', PAYER],
      ['a', PAYER.replace("'payer'", "'other'")],
      ['b', PAYER],
    ] as const)
      await f.deploy(agent, { tenant });
    expect(await paid('a', 'payer', 100)).toBe(100);
    expect(await paid('a', 'payer', 51)).toMatch(/^CORRAL_DENIED .*risk\/payments\.\*\/day/u);
    expect(await paid('a', 'other', 100)).toBe(100);
    expect(await paid('a', 'payer', 50)).toBe(50);
    expect([await paid('b', 'payer', 90), await paid('b', 'payer', 90)]).toEqual([90, 90]);
    expect(await paid('b', 'payer', 91)).toMatch(/^CORRAL_DENIED .*risk\/payments\.\*\/never/u);
  });

  test('for a tool that says no amount, for no tool, or that do not rise, are refused with their line', async () => {
    const refused = async (risk: string) =>
      bank(`tools: [pay('payments.send', 'amount'), pay('payments.refund')],\n risk: ${risk}`).then(
        () => '',
        (error: unknown) => (error as Error).message,
      );
    expect(await refused(`{ 'payments.*': { ask: 100 } }`)).toMatch(
      /risk\.payments\.\*: payments\.refund changes something, and its annotation money does not say .*\(line \d+\)/u,
    );
    expect(await refused(`{ 'payments.sned': 'ask' }`)).toContain('there is no tool payments.sned; did you mean payments.send?');
    expect(await refused(`{ 'payments.send': { ask: 100, two: 50 } }`)).toContain('must rise');
    expect(await refused(`{ external: 'perhaps' }`)).toContain('must be `ask` (one person)');
    expect(await refused(`{ 'Payments send': 'ask' }`)).toContain('must be `external`');
  });
});
