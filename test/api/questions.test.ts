/** Questions through the real front door and the command line: who sees them, who answers, what is kept. */
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { expect, onTestFinished, test } from 'vitest';
import { transportTo } from '@corral/client/node';
import { createClient, type Client } from '@corral/protocol/api/client';
import { bundleSource } from '../bundles.ts';
import { corral, CORRAL_MAIN } from '../command.ts';
import { front, sharedFront, shortFolder } from '../front.ts';
import { agentFile } from '../agents/file.ts';
import { found } from '../until.ts';

const host = sharedFront();
const asker = (body: string, more = '') =>
  `{ name: 'asker', uses: { owner: 'tool:owner.ask' ${more} }, async run({ ask, caps }) { ${body} } }`;
const asked = (client: Client, run: string, after = 0) =>
  found(async () => (await client.listQuestions({})).items.find((one) => one.run === run && one.call > after), `${run} asks something`);
const outcome = async (client: Client, run: string) =>
  (await client.showRun({ params: { run: run as never }, query: { wait_ms: 60_000 } })).outcome;

test('a question is listed, answered by its owner, told, kept and explained; the answer itself is in the journal alone', async () => {
  const { admin, deploy, as } = host();
  await deploy(asker(`return ask('Go on?', 'boolean');`));
  const { run } = await admin.submitRun({ body: { agent: 'asker' } });
  const question = await asked(admin, run);
  expect(question).toMatchObject({ agent: 'asker', question: 'Go on?', takes: 'true or false', approvers: ['owner'], owner: 'admin' });
  const params = { run, call: question.call };
  const approver = await as('local', 'approver');
  expect((await approver.listQuestions({})).items).toContainEqual(question);
  await expect(approver.answerQuestion({ params, body: { value: true } })).rejects.toMatchObject({ code: 'CORRAL_APPROVER', status: 403 });
  const developer = await as('local', 'developer');
  await expect(developer.listQuestions({})).rejects.toMatchObject({ code: 'CORRAL_FORBIDDEN' });
  await expect(developer.answerQuestion({ params, body: { value: true } })).rejects.toMatchObject({ code: 'CORRAL_FORBIDDEN' });
  await expect(admin.answerQuestion({ params, body: { value: 'perhaps' } })).rejects.toMatchObject({
    code: 'CORRAL_ANSWER_INVALID',
    status: 400,
    message: expect.stringContaining('It takes true or false.') as string,
  });
  expect((await admin.listApprovals({})).items.filter((one) => one.run === run)).toEqual([]);
  await expect(admin.decideApproval({ params, body: { verdict: 'approve' } })).rejects.toMatchObject({
    code: expect.stringMatching(/APPROVER|RUN_STATE/) as string,
  });
  expect((await admin.whyRun({ params: { run } })).next.join('\n')).toContain(`corral answer ${run} ${question.call} VALUE`);
  expect(await admin.answerQuestion({ params, body: { value: true, reason: 'we agreed' } })).toMatchObject({ run, declined: false });
  expect(await outcome(admin, run)).toEqual({ kind: 'completed', output: true });
  const { decisions } = await admin.whyRun({ params: { run } });
  expect(decisions).toMatchObject([
    { tool: 'owner.ask', verdict: 'ask', people: [{ verdict: 'approve', answered: true, reason: 'we agreed' }] },
  ]);
  const [kept] = (await admin.listOperations({ query: { run } })).items;
  expect(kept).toMatchObject({ operation: 'answer', reason: 'we agreed', matched: [run] });
  expect(JSON.stringify(kept)).not.toContain('"value"');
});

test('a question may be declined, and then its agent is told why', async () => {
  const { admin, deploy } = host();
  await deploy(asker(`return ask('Go on?').catch((error) => error.message);`));
  const { run } = await admin.submitRun({ body: { agent: 'asker' } });
  const { call } = await asked(admin, run);
  expect(await admin.answerQuestion({ params: { run, call }, body: { decline: true, reason: 'not today' } })).toMatchObject({
    declined: true,
  });
  expect(await outcome(admin, run)).toMatchObject({ output: expect.stringMatching(/declined by .*: not today/) as string });
  expect((await admin.listOperations({ query: { run } })).items[0]).toMatchObject({ operation: 'decline', reason: 'not today' });
});

test('a question that a person has put off is claimed and answered on the command line without its number', { tags: 'long' }, async () => {
  const { admin, deploy, data } = host();
  await deploy(asker(`return ask('Which shop?');`));
  const { run } = await admin.submitRun({ body: { agent: 'asker' } });
  const { call } = await asked(admin, run);
  const said = async (...words: string[]) => (await corral([...words, '--data', data])).out;
  expect(await said('later', run, '--for', '1h')).toMatch(new RegExp(`^${run}  call ${call}  not on your list until`));
  expect(await said('questions', '--run', run)).toBe('nothing waits\n1 that you have put off: --later\n');
  expect(await said('claim', run)).toMatch(/is looking at it until/);
  expect(await said('questions', '--run', run, '--later')).toMatch(/looking +.*, since/);
  expect(await said('answer', run, 'north')).toContain(`${run}  question ${call}  answered by`);
  expect(await outcome(admin, run)).toEqual({ kind: 'completed', output: 'north' });
});

test('a question of a run that holds private data is withheld from those who may not read it', async () => {
  const read = await shortFolder();
  const {
    admin,
    deploy,
    as,
    host: running,
  } = await front({
    configText: JSON.stringify({ policies: 'default', files: { read }, annotations: { 'fs.list': { private_to: 'ana' } } }),
  });
  await deploy(asker(`await caps.list({}); return ask('Her salary is 4711. Is that right?', 'boolean');`, `, list: 'tool:fs.list'`));
  const { run } = await admin.submitRun({ body: { agent: 'asker' } });
  const insisting = createClient(transportTo({ socket: running.socket }), undefined, 'a complaint');
  const seen = await asked(insisting, run);
  expect(seen).toMatchObject({ question: 'Her salary is 4711. Is that right?', private_to: ['ana'] });
  const approver = await as('local', 'approver');
  expect(await asked(approver, run)).toMatchObject({ question: null, schema: null, takes: null, private_to: ['ana'] });
});

test('the command line lists and answers questions, of a host that was killed meanwhile as well', { tags: 'long' }, async () => {
  const folder = await shortFolder();
  const data = join(folder, 'd');
  const up = async () => {
    const child = spawn(process.execPath, [CORRAL_MAIN, 'up', '--data', data, '--port', '0', '--json'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    await new Promise((resolve) => child.stdout.once('data', resolve));
    return { child, gone: new Promise((resolve) => child.once('exit', resolve)) };
  };
  const client = createClient(transportTo({ socket: join(data, 'corral.sock') }));
  const on = (...args: string[]) => corral([...args, '--data', data]);
  const { child, gone } = await up();
  const { source, describing } = await bundleSource(agentFile('questions/deployer'), join(folder, 'agent.ts'));
  await client.deployAgent({ body: { source, describing } });
  const { run } = await client.submitRun({ body: { agent: 'deployer' } });
  const first = await asked(client, run);
  child.kill('SIGKILL');
  await gone;
  await up();
  const { out } = await on('questions');
  expect(out).toContain(`${run}  question ${first.call}`);
  expect(out).toContain('takes       one of "staging", "production"');
  const wrong = await on('answer', run, 'nowhere');
  expect(wrong.code).not.toBe(0);
  expect(wrong.err).toContain('It takes one of "staging", "production".');
  expect((await on('answer', run, 'staging', '-m', 'as ever')).out).toMatch(/question \d+ {2}answered by /);
  const second = await asked(client, run, first.call);
  await client.answerQuestion({ params: { run, call: second.call }, body: { value: 980 } });
  await asked(client, run, second.call);
  // A text where a text is asked for, although it looks like a number.
  expect((await on('answer', run, '42')).code).toBe(0);
  expect(await outcome(client, run)).toEqual({ kind: 'completed', output: { where: 'staging', most: 980, note: '42' } });
  expect((await client.listOperations({ query: { run } })).items.map(({ operation }) => operation)).toEqual(['answer', 'answer', 'answer']);
  const { lines } = await client.storyRun({ params: { run } });
  expect(lines.find(({ about }) => about === 'people')?.text).toMatch(/ answered call \d+ to owner\.ask, because: as ever\./);
});
