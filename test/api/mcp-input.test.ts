/** Servers that need input of people: a server of the official SDK asks in both eras, and the owner of the agent answers at the front door. */
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RunId } from '@corral/protocol/ids';
import { front, type Front } from '../front.ts';
import { found, until } from '../until.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SERVER = join(ROOT, 'test/mcp/server.mjs');
const AGENT = `{ name: 'booker', uses: { plain: 'mcp:plain', old: 'mcp:old' }, onUnknown: 'tell', async run({ input, caps }) {
  const [server, tool, args] = input;
  return caps[server][tool](args).then(({ content }) => content[0].text, (error) => [error.code, error.message]);
} }`;
const ends: (() => unknown)[] = [];
let on: Front;
let folder: string;
let configText: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'crl-mcp-'));
  ends.push(() => rm(folder, { recursive: true, force: true }));
  await chmod(folder, 0o755);
  await writeFile(join(folder, 'booked'), '');
  const plain = {
    command: 'node',
    args: [SERVER],
    folders: { [ROOT]: 'read', [folder]: 'write' },
    env: { BOOKINGS: join(folder, 'booked') },
  };
  configText = JSON.stringify({ policies: 'none', mcp: { plain, old: { ...plain, args: [SERVER, '--legacy'] } } });
  on = await front({ configText }, (end) => ends.push(end));
  await on.deploy(AGENT);
}, 60_000);
afterAll(async () => {
  for (const end of ends.toReversed()) await end();
});

const submitted = async (...input: unknown[]) => (await on.admin.submitRun({ body: { agent: 'booker', input: input as never } })).run;
const ended = async ({ admin }: Front, run: RunId) =>
  ((await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } })).outcome as { output?: unknown }).output;
const asked = ({ admin }: Front, run: RunId) =>
  found(async () => (await admin.listQuestions({})).items.find((one) => one.run === run), `${run} waits for input`);
const booked = async () => (await readFile(join(folder, 'booked'), 'utf8')).split('\n').filter((line) => line !== '');

test.each(['plain', 'old'])(
  'the server %s asks the owner, goes on with the answer, and books once; a person may decline',
  async (server) => {
    const run = await submitted(server, 'book', { room: `${server}-1` });
    const question = await asked(on, run);
    expect(question).toMatchObject({
      agent: 'booker',
      from: `${server}.book`,
      question: `Who is room ${server}-1 for?`,
      schema: { properties: { name: { type: 'string' } }, required: ['name'] },
      influenced_by: [`${server}.book`],
      approvers: ['owner'],
    });
    const params = { run, call: question.call };
    await expect(on.admin.answerQuestion({ params, body: { value: 'Ana' } })).rejects.toMatchObject({ code: 'CORRAL_ANSWER_INVALID' });
    expect((await on.admin.listApprovals({})).items).toEqual([]);
    const { next } = await on.admin.whyRun({ params: { run } });
    expect(next.join('\n')).toContain(`corral answer ${run} ${question.call} VALUE`);
    const { version } = question;
    await on.admin.answerQuestion({ params, body: { value: { name: 'Ana' }, version, reason: 'she asked for it' } });
    expect(await ended(on, run)).toBe(`${server}-1 is booked for Ana`);
    expect((await booked()).filter((room) => room === `${server}-1`)).toHaveLength(1);
    const { items } = await on.admin.runCalls({ params: { run } });
    expect(items).toMatchObject([{ tool: `${server}.book`, state: 'done', acted: 'yes' }]);
    expect((await on.admin.whyRun({ params: { run } })).decisions).toMatchObject([
      { tool: `${server}.book`, people: [{ verdict: 'approve', answered: true, reason: 'she asked for it' }] },
    ]);

    const other = await submitted(server, 'book', { room: `${server}-2` });
    const { call } = await asked(on, other);
    await on.admin.answerQuestion({ params: { run: other, call }, body: { decline: true, reason: 'full' } });
    expect(await ended(on, other)).toBe(`${server}-2 is not booked`);
    expect((await on.admin.whyRun({ params: { run: other } })).decisions).toMatchObject([
      { people: [{ verdict: 'deny', reason: 'full' }] },
    ]);
  },
);

test('a server that wants people to open an address or to give it a model gets neither, and one that wants to be asked again is', async () => {
  for (const what of ['address', 'model'])
    expect(await ended(on, await submitted('plain', 'open', { what }))).toEqual([
      'CORRAL_TOOL_FAILED',
      expect.stringMatching(/plain\.open/),
    ]);
  expect(await ended(on, await submitted('plain', 'open', { what: 'nothing' }))).toBe('asked once more');
  expect((await on.admin.listQuestions({})).items).toEqual([]);
});

test('a server that does not say during which call it asks gets no answer while several are under way', async () => {
  const waits = await submitted('old', 'wait', { ms: 1_500 });
  await until(async () => JSON.stringify((await on.admin.runCalls({ params: { run: waits } })).items).includes('old.wait'));
  expect(await ended(on, await submitted('old', 'book', { room: 'old-3' }))).toBe('old-3 is not booked');
  expect(await ended(on, waits)).toBe('waited');
  const review = (await on.admin.listToolReviews({})).items.find(({ source }) => source === 'mcp:old');
  expect(review?.notes).toContainEqual(expect.stringMatching(/input of people, and nobody was asked: 2 calls were under way/));
});

test('a question waits over a restart of the host: a server of 2026-07-28 books then, and what one of before has done is unknown', async () => {
  const run = await submitted('plain', 'book', { room: 'plain-4' });
  const old = await submitted('old', 'book', { room: 'old-4' });
  const { call, version } = await asked(on, run);
  await asked(on, old);
  await on.host.close(2_000);
  const next = await front({ configText, data: on.data }, (end) => ends.push(end));
  expect(await asked(next, run)).toMatchObject({ call, version, from: 'plain.book' });
  await next.admin.answerQuestion({ params: { run, call }, body: { value: { name: 'Ben' } } });
  expect(await ended(next, run)).toBe('plain-4 is booked for Ben');
  expect(await ended(next, old)).toEqual(['CORRAL_UNKNOWN_RESULT', expect.stringMatching(/old\.book waited for input/)]);
  expect((await booked()).filter((room) => room.endsWith('-4'))).toEqual(['plain-4']);
  expect((await next.admin.listQuestions({})).items).toEqual([]);
});
