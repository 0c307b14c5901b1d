/** People write to services: over HTTP and from the command line, under their own names. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { corral } from '../command.ts';
import { front } from '../front.ts';
import { agentFile } from '../agents/file.ts';

const CLAIMS = agentFile('services/claims');

const CLERK = `defineService({ name: 'clerk', uses: { on: 'service:claims' }, on: { ask: handler({ message: z.any(), reply: z.any() }, () => 1) } })`;

test('a person sends as themselves, and is given the reply or what went wrong', async () => {
  const { admin, as, deploy } = await front();
  await deploy(CLAIMS);
  const ana = await as('local', 'developer');
  const send = (key: string, handler: string, body: unknown) =>
    ana.sendToService({ params: { service: 'claims', key, handler }, query: {}, body: body as never, headers: {} });
  const first = await send('order-7', 'claim', { amount: 5 });
  expect(first.outcome).toEqual({ kind: 'completed', output: { by: expect.any(String), key: 'order-7', paid: 1 } });
  const { principal } = await admin.showRun({ params: { run: first.run }, query: {} });
  expect((first.outcome as unknown as { output: { by: string } }).output.by).toBe(principal);
  expect(principal).not.toBe('local');
  expect((await send('order/8?', 'claim', { amount: 5 })).outcome).toMatchObject({ output: { key: 'order/8?', paid: 1 } });
  expect((await send('order-7', 'claim', { amount: 5000 })).outcome).toMatchObject({
    kind: 'failed',
    code: 'CORRAL_TOOL_FAILED',
    message: 'too much',
  });
  expect((await send('order-7', 'claim', 'what?')).outcome).toMatchObject({ kind: 'failed', code: 'CORRAL_ARGS_INVALID' });
  expect((await send('order-7', 'claim', { amount: 6 })).outcome).toMatchObject({ output: { paid: 2 } });
  await expect(send('order-7', 'pay', {})).rejects.toMatchObject({
    code: 'CORRAL_REQUEST_INVALID',
    message: 'claims has no handler called pay; it has claim.',
  });
  await expect(
    ana.sendToService({ params: { service: 'clams', key: 'a', handler: 'claim' }, query: {}, body: {}, headers: {} }),
  ).rejects.toMatchObject({ status: 404, message: 'local has no service clams: it has claims.' });
  await expect(ana.submitRun({ body: { agent: 'claims' } })).rejects.toMatchObject({ code: 'CORRAL_USAGE' });
});

test('the same message is sent once, an instance is listed with its key, and takes nobody’s place in the queue', async () => {
  const { admin, deploy } = await front({ configText: JSON.stringify({ tenants: { local: { queue: 2 } } }) });
  await deploy(CLAIMS);
  const send = (key: string, idempotency: string) =>
    admin.sendToService({
      params: { service: 'claims', key, handler: 'claim' },
      query: {},
      body: { amount: 1 },
      headers: { 'idempotency-key': idempotency },
    });
  const [first, again] = [await send('a', 'k'), await send('a', 'k')];
  expect(again).toEqual(first);
  for (const key of ['b', 'c', 'd']) expect((await send(key, key)).outcome).toMatchObject({ output: { paid: 1 } });
  const { items } = await admin.listRuns({ query: { limit: 50, live: 'true' } });
  expect(new Set(items.map(({ agent, key, lifecycle, waiting }) => [agent, key, lifecycle, waiting].join(' ')))).toEqual(
    new Set(['a', 'b', 'c', 'd'].map((key) => `claims ${key} active message`)),
  );
  expect(items).toHaveLength(4);
});

test('an instance of an older version that lacks a handler says so, with what to do, until it is moved', { tags: 'long' }, async () => {
  const { admin, data, deploy } = await front();
  const desk = (handlers: string) =>
    `import { defineAgent, defineService, handler } from '@corral/guest'; import * as z from 'zod/mini';
     export default defineAgent({ name: 'desk', services: { claims: defineService({ name: 'claims', on: { ${handlers} } }) }, run: () => 1 });`;
  const on = (name: string) => `${name}: handler({ message: z.any(), reply: z.any() }, () => '${name}')`;
  const send = (key: string, handler: string) =>
    admin.sendToService({ params: { service: 'claims', key, handler }, query: {}, body: {}, headers: {} });
  await deploy(desk(on('claim')));
  await send('old', 'claim');
  const newer = desk(`${on('claim')}, ${on('pay')}`);
  await deploy(newer);
  expect((await send('new', 'pay')).outcome).toMatchObject({ kind: 'completed', output: 'pay' });
  expect((await send('old', 'claim')).outcome).toMatchObject({ kind: 'completed' });
  const { items } = await admin.listRuns({ query: { live: 'true' } });
  const { run = '' } = items.find(({ key }) => key === 'old') ?? {};
  await expect(send('old', 'pay')).rejects.toMatchObject({
    code: 'CORRAL_REQUEST_INVALID',
    message: expect.stringContaining(`(${run}) is at an older one`),
  });
  await expect(send('old', 'pay')).rejects.toThrow(`corral upgrade ${run} FILE`);
  const file = join(data, '..', 'desk.ts');
  await writeFile(file, newer);
  onTestFinished(() => rm(file, { force: true }));
  expect((await corral(['upgrade', run, file, '--data', data])).code).toBe(0);
  expect((await send('old', 'pay')).outcome).toMatchObject({ kind: 'completed', output: 'pay' });
});

test('services that are deployed have types for who writes agents', async () => {
  const { data, deploy } = await front();
  await deploy(CLAIMS);
  const out = join(data, 'corral-env.d.ts');
  expect(JSON.parse((await corral(['types', '--data', data, '--out', out, '--json'])).out)).toMatchObject({
    file: out,
    services: ['claims'],
  });
  expect(await readFile(out, 'utf8')).toContain(
    'interface Services {\n    "claims": { "claim": { message: { "amount": number }; reply: unknown } };\n  }',
  );
});

test('the command line sends, and says what there is where something is not', async () => {
  const { data, deploy } = await front();
  await deploy(CLAIMS);
  const said = await corral(['send', 'claims', 'order-7', 'claim', '{"amount":12}', '--json', '--data', data]);
  expect(JSON.parse(said.out)).toMatchObject({ outcome: { kind: 'completed', output: { key: 'order-7', paid: 1 } } });
  expect(said.code).toBe(0);
  const much = await corral(['send', 'claims', 'order-7', 'claim', '{"amount":5000}', '--data', data]);
  expect([much.code, much.out]).toEqual([1, 'failed(CORRAL_TOOL_FAILED) too much\n']);
  const wrong = await corral(['send', 'claims', 'order-7', 'pay', '--data', data]);
  expect(wrong.code).toBe(2);
  expect(wrong.err).toContain('claims has no handler called pay; it has claim.');
  const ps = await corral(['ps', '--data', data]);
  expect(ps.out).toContain('claims order-7');
  const [run = ''] = /run_\w+/.exec(ps.out) ?? [];
  // Its state, and what all its turns took, are told to those who may read payloads.
  expect((await corral(['show', run, '--data', data])).out).toMatch(/^keeps +\{.*\}$/m);
  const why = (await corral(['why', run, '--data', data])).out;
  expect(why).toMatch(/It has taken 2 messages, with 0 calls and [\d.]+ ms of CPU time in all\./);
  expect(why).toMatch(/Its state: \{/);
  const authority = await corral(['authority', run, '--data', data]);
  expect([authority.code, authority.out]).toEqual([0, expect.stringContaining('claims of local, submitted by service:claims')]);
  // A caller that may write to a service may have it do anything that the service may do.
  await deploy(
    `import { defineAgent, defineService, handler } from '@corral/guest'; import * as z from 'zod/mini'; export default defineAgent({ name: 'desk', uses: { to: 'service:clerk' }, services: { clerk: ${CLERK} }, run: () => 1 });`,
  );
  expect((await corral(['authority', 'desk', '--data', data])).out).toMatch(
    /service:clerk +is written to, as `to` of desk\nservice:claims +is written to, as `on` of clerk/,
  );
});

test('an instance has no more than the host and its tenant allow, whatever its service asks for', async () => {
  const configText = JSON.stringify({
    budget: { calls: 50 },
    ceilings: { wall_ms: 60_000 },
    tenants: { local: { budget: { messages: 7 } } },
  });
  const { admin, deploy } = await front({ configText });
  await deploy(agentFile('services/claims-that-ask-for-much'));
  await admin.sendToService({
    params: { service: 'claims', key: 'a', handler: 'claim' },
    query: {},
    body: { amount: 1 },
    headers: {},
  });
  const { items } = await admin.listRuns({ query: {} });
  const instance = items.find(({ agent }) => agent === 'claims');
  const { budget, ceilings } = await admin.showRun({ params: { run: instance?.run as never }, query: {} });
  expect(budget).toMatchObject({ calls: 50, messages: 7 });
  expect(ceilings).toMatchObject({ wall_ms: 60_000 });
});
