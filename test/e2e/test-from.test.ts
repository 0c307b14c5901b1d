/** `corral test from RUN`: a run of a host becomes a test, without what is private. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { agentText } from '../agents/file.ts';
import { CORRAL, start } from '../command.ts';
import { front, shortFolder } from '../front.ts';
import { linkPackages } from '../project.ts';

const CANARY = 'canary-91c4';

const CONFIG = (policies: string) => `import { defineConfig, tool } from '@corral/server/config';
import * as z from 'zod';
const READ = { readOnly: true, idempotent: true, destructive: false, openWorld: false, returns: 'trusted' } as const;
export default defineConfig({
  policies: ${policies},
  tools: [
    tool({ name: 'shop.price', description: 'Price.', input: z.object({ item: z.string() }), output: z.object({ each: z.number() }), annotations: READ,
      run: ({ item }) => { if (item === 'unicorn') throw new Error('none left'); return { each: item.length }; } }),
    tool({ name: 'crm.read', description: 'Reads a customer.', input: z.object({ id: z.number() }),
      output: z.object({ name: z.string(), orders: z.array(z.string()), level: z.enum(['gold', 'blue']) }),
      annotations: { ...READ, private_to: 'user:' + process.env.USER_OF_TEST },
      run: () => ({ name: '${CANARY}', orders: ['${CANARY}'], level: 'blue' as const }) }),
    tool({ name: 'note.keep', description: 'Keeps a note.', input: z.object({ text: z.string() }), output: z.object({}),
      annotations: { readOnly: false, idempotent: true, destructive: false, openWorld: false, returns: 'trusted' }, run: () => ({}) }),
  ],
});`;
const AGENT = agentText('authors/greets');
const FAMILY = agentText('authors/family');

/** Runs a command, with its two outputs in one text. */
async function corral(cwd: string, args: readonly string[]): Promise<{ readonly code: number | null; readonly said: string }> {
  const { code, out, err } = await start([...CORRAL, ...args], { cwd }).said;
  return { code, said: `${out}${err}` };
}

async function host(policies: string, owner: string) {
  const folder = await shortFolder();
  await linkPackages(folder);
  await writeFile(join(folder, 'free.cedar'), '@id("free") permit (principal, action, resource);');
  await writeFile(join(folder, 'corral.config.ts'), CONFIG(policies));
  await writeFile(join(folder, 'agent.ts'), AGENT);
  const f = await front({ config: join(folder, 'corral.config.ts'), env: { ...process.env, USER_OF_TEST: owner } });
  await f.deploy(AGENT);
  const run = async (input: unknown) => {
    const { run: id } = await f.admin.submitRun({ body: { agent: 'buyer', input: input as never } });
    await f.admin.showRun({ params: { run: id }, query: { wait_ms: 60_000 } });
    return id;
  };
  const from = (id: string, ...more: string[]) =>
    corral(folder, ['test', 'from', id, '--agent', 'agent.ts', '--out', '.', '--data', f.data, ...more]);
  return { ...f, folder, run, from };
}

test('the test passes without a host, and fails where the agent asks for something else', { tags: 'long' }, async () => {
  const { run, from, folder, host: running } = await host(`'none'`, 'nobody');
  const id = await run({ item: 'lamp' });
  const made = await from(id);
  expect(made).toMatchObject({ code: 0 });
  await running.close();
  // Other runners, such as vitest, take *.test.ts; this one finds the file by itself.
  expect((await readdir(folder)).filter((name) => /[.](?:test|spec)[.]/u.test(name))).toEqual([]);
  const tested = () => corral(folder, ['test']);
  expect((await tested()).said).toMatch(/pass 1\b/u);
  const fixture = JSON.parse(await readFile(join(folder, `${id}.fixture.json`), 'utf8')) as { calls: unknown[] };
  expect(fixture.calls).toMatchObject([
    { tool: 'shop.price', input: { item: 'lamp' }, result: { each: 4 } },
    { tool: 'shop.price', input: { item: 'unicorn' }, error: { code: 'CORRAL_TOOL_FAILED', message: 'shop.price failed.' } },
  ]);
  await writeFile(join(folder, 'agent.ts'), AGENT.replace('price({ item })', "price({ item: item + 's' })"));
  const other = await tested();
  expect(other.code).not.toBe(0);
  expect(other.said).toMatch(/call 1 was shop\.price \{"item":"lamp"\}, and is shop\.price \{"item":"lamps"\} now/u);
});

test('the test fails where the agent ends otherwise, and is not written over', { tags: 'long' }, async () => {
  const { run, from, folder } = await host(`'none'`, 'nobody');
  const id = await run({ item: 'lamp' });
  await from(id);
  expect((await from(id)).said).toContain('exists already');
  await writeFile(join(folder, 'agent.ts'), AGENT.replace('return { each, gone, now }', 'return { each: 1, gone, now }'));
  expect((await corral(folder, ['test'])).said).toMatch(/its output was .*"each":4.*and is .*"each":1/u);
});

/** Policies of the host; with some, other code decides who is told what. */
const [NONE, FREE] = ["'none'", "['free.cedar']"];

test('private data stays on the host, unless its owner takes it', () => expectPrivate(NONE));
test('private data stays on the host, with policies, unless its owner takes it', { tags: 'long' }, () => expectPrivate(FREE));

async function expectPrivate(policies: string): Promise<void> {
  const { run, from, folder, as } = await host(policies, 'somebody');
  const id = await run({ item: 'lamp', customer: true });
  const refused = await from(id, '--with-private');
  expect(refused.said).toMatch(/CORRAL_FORBIDDEN .*private data of user:somebody/u);
  const made = await from(id);
  expect(made.said).toMatch(/calls hold private data of user:somebody, which is left out/u);
  const text = await readFile(join(folder, `${id}.fixture.json`), 'utf8');
  expect(text).not.toContain(CANARY);
  const fixture = JSON.parse(text) as { calls: { tool: string }[]; outcome: unknown };
  expect(fixture.calls.find(({ tool }) => tool === 'crm.read')).toMatchObject({
    input: { id: 7 },
    result: { name: 'hidden', orders: [], level: 'gold' },
    result_hidden: true,
  });
  expect(fixture.outcome).toMatchObject({ output: null });
  // Its calls before it read private data are compared whole, the rest by name.
  expect((await corral(folder, ['test', `${id}.ts`])).said).toMatch(/pass 1\b/u);
  const developer = await as('local', 'developer');
  await expect(developer.runFixture({ params: { run: id }, query: { private: 'include' } })).rejects.toMatchObject({
    code: 'CORRAL_FORBIDDEN',
  });
  expect(JSON.stringify(await developer.runFixture({ params: { run: id }, query: {} }))).not.toContain(CANARY);
}

test('the owner of what is private takes it along', async () => {
  const { run, from, folder } = await host(`'none'`, userInfo().username);
  const id = await run({ item: 'lamp', customer: true });
  expect(await from(id, '--with-private')).toMatchObject({ code: 0 });
  expect(await readFile(join(folder, `${id}.fixture.json`), 'utf8')).toContain(CANARY);
});

test('what a child read stays on the host in the test of its parent too', { tags: 'long' }, () => expectChildPrivate(NONE));
test('what a child read stays on the host in the test of its parent too, with policies', { tags: 'long' }, () => expectChildPrivate(FREE));

async function expectChildPrivate(policies: string): Promise<void> {
  const { deploy, admin, from } = await host(policies, 'somebody');
  await deploy(FAMILY);
  const { run: parent } = await admin.submitRun({ body: { agent: 'buyer', input: { item: 'lamp' } } });
  await admin.showRun({ params: { run: parent }, query: { wait_ms: 60_000 } });
  const { items } = await admin.listRuns({ query: { parent } });
  expect(items.map(({ agent, ended_as }) => [agent, ended_as])).toEqual([
    ['keeper', 'completed'],
    ['reader', 'completed'],
  ]);
  // The test would have no answers for the children.
  expect(await from(parent)).toMatchObject({
    code: 2,
    said: expect.stringMatching(/had a child, \w+ \(run_\w+\), that called \w+\.\w+.*test from run_/u),
  });
  for (const one of [parent, ...items.map((item) => item.run)])
    expect(JSON.stringify(await admin.runFixture({ params: { run: one }, query: {} }))).not.toContain(CANARY);
}

test('a run that a service answered becomes no test, since nothing would answer it there', { tags: 'long' }, async () => {
  const { deploy, admin, from, folder } = await host(`'none'`, 'nobody');
  await deploy(agentText('authors/counted'));
  const { run: id } = await admin.submitRun({ body: { agent: 'buyer', input: {} } });
  expect(await admin.showRun({ params: { run: id }, query: { wait_ms: 60_000 } })).toMatchObject({ ended_as: 'completed' });
  const refused = await from(id);
  expect(refused).toMatchObject({ code: 2, said: expect.stringMatching(/CORRAL_USAGE .*was answered by service:counter/u) });
  expect(await readdir(folder)).not.toContain(`${id}.fixture.json`);
});

test('a host elsewhere names no file here and writes no line of the test', async () => {
  const folder = await shortFolder();
  await writeFile(join(folder, 'agent.ts'), AGENT);
  const outcome = { kind: 'completed', code: null, output: null, output_hidden: false };
  const fixture = { run: `run'+process.exit()+'`, agent: 'buyer', version: 'v', at: 0, input: null, tools: [], calls: [], outcome };
  const elsewhere = createServer(({ url }, answer) =>
    answer.end(JSON.stringify(url?.startsWith('/v1/runs?') === true ? { items: [], next: null } : { ...fixture, private_to: [] })),
  );
  onTestFinished(() => void elsewhere.close());
  await new Promise<void>((ready) => elsewhere.listen(0, '127.0.0.1', ready));
  const { port } = elsewhere.address() as AddressInfo;
  const id = 'run_0123456789ab';
  const url = `http://127.0.0.1:${port}`;
  await corral(folder, ['test', 'from', id, '--agent', 'agent.ts', '--out', '.', '--url', url, '--token', 'x']);
  expect(new Set(await readdir(folder))).toEqual(new Set(['agent.ts', `${id}.ts`, `${id}.fixture.json`]));
  expect(await readFile(join(folder, `${id}.ts`), 'utf8')).not.toContain('process.exit');
});

test('a test that fails before it closes its agent ends all the same, and so does one that never closes it', { tags: 'long' }, async () => {
  const folder = await shortFolder();
  await linkPackages(folder);
  await writeFile(
    join(folder, 'agent.ts'),
    `import { defineAgent } from '@corral/guest';
export default defineAgent({ name: 'two', purpose: 'x', run: () => 2 });`,
  );
  await writeFile(
    join(folder, 'two.test.ts'),
    `import assert from 'node:assert/strict';
import { test } from 'node:test';
import { agentUnderTest } from '@corral/testing';
const agent = () => agentUnderTest(new URL('agent.ts', import.meta.url));
test('fails first', async () => {
  const under = await agent();
  assert.equal((await under.run()).output, 3);
  await under.close();
});
test('never closes', async () => { assert.equal((await (await agent()).run()).output, 2); });`,
  );
  const { said } = await corral(folder, ['test', 'two.test.ts']);
  expect(said).toMatch(/pass 1\b[^]*fail 1\b/u);
  expect(said).toContain('2 !== 3');
  expect(said).not.toContain('still pending');
});

test('a test file names sources by their own names, or by those of the compiled files', { tags: 'long' }, async () => {
  const folder = await shortFolder();
  await writeFile(join(folder, 'sum.ts'), `import { one } from './one.js';\nexport const sum = (n: number): number => n + one;\n`);
  await writeFile(join(folder, 'one.ts'), 'export const one: number = 1;\n');
  const testOf = (file: string) => `import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sum } from '${file}';
test('adds', () => assert.equal(sum(1), 2));
`;
  for (const [name, file] of [
    ['ts', './sum.ts'],
    ['js', './sum.js'],
  ] as const)
    await writeFile(join(folder, `${name}.test.ts`), testOf(file));
  expect((await corral(folder, ['test'])).said).toMatch(/pass 2\b/u);
  await writeFile(join(folder, 'package.json'), '{ "type": "commonjs" }');
  expect((await corral(folder, ['test'])).said).toMatch(/pass 2\b/u);
  await writeFile(join(folder, 'js.test.ts'), testOf('./sun.js'));
  const { said } = await corral(folder, ['test', 'js.test.ts']);
  expect(said).toMatch(/Cannot find module '.*sun\.js'/u);
});
