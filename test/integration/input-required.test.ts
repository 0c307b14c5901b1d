/** A tool that needs input of people in the middle of a call: the owner is asked, the call waits, and goes on with what became of the question. */
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import type { PrincipalId, RunId } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import type { GivenInput, InputRequest } from '@corral/protocol/model/question';
import { CAUTIOUS } from '@corral/tools/define';
import { checkAnswer } from '@corral/tools/mcp/input';
import type { Tool, ToolAnnotations, ToolAnswer, ToolCall } from '@corral/protocol/ports/tool';
import { agentFile } from '../agents/file.ts';
import { movableClock } from '../clock.ts';
import { databaseOf } from '../database.ts';
import { found, until } from '../until.ts';
import { park, sharedWorld, tool, world, type World } from '../world.ts';

const ADMIN = ['admin'];
const SCHEMA = { type: 'object', properties: { name: { type: 'string' } }, required: ['name'], additionalProperties: false };

interface Attempt {
  readonly tool: string;
  readonly key: string;
  readonly given: GivenInput | undefined;
  readonly signal: AbortSignal;
}
const attempts: Attempt[] = [];
beforeEach(() => void (attempts.length = 0));
const givenTo = (name: string) => attempts.filter((one) => one.tool === name).map(({ given }) => given?.action);

/** Asks who a room is for, and then what `next` does. */
function booking(
  name: string,
  {
    live,
    next = said,
    annotations = {},
  }: { live?: true; next?: (call: ToolCall) => ToolAnswer | Promise<ToolAnswer>; annotations?: Partial<ToolAnnotations> } = {},
): Tool {
  const request: InputRequest = { question: 'Who is it for?', schema: SCHEMA, state: { room: 1 }, ...(live === undefined ? {} : { live }) };
  return {
    ...tool(name, () => undefined, { ...CAUTIOUS, ...annotations }),
    streams: true,
    checkInput: checkAnswer,
    invoke(call) {
      const { given, signal, idempotency_key: key } = call;
      attempts.push({ tool: name, key, given, signal });
      return Promise.resolve(given === undefined ? { kind: 'input_required', message: 'asks', request } : next(call));
    },
  };
}

const said = ({ given }: ToolCall): ToolAnswer => ({
  kind: 'ok',
  value: given?.action === 'accept' ? `for ${(given.value as { name: string }).name}` : `not booked: ${given?.action}`,
});
const again = (name: string) => booking(name, { next: () => ({ kind: 'input_required', message: 'asks', request: ASKS }) });
const ASKS: InputRequest = { question: 'And now?', schema: SCHEMA, state: null };
const READS: Partial<ToolAnnotations> = { readOnly: true, idempotent: true, destructive: false, openWorld: false };
const hangs = ({ signal }: ToolCall) =>
  new Promise<ToolAnswer>((resolve) => signal.addEventListener('abort', () => resolve({ kind: 'unknown', message: 'it was cut off' })));

const TOOLS = [
  booking('book'),
  booking('live', { live: true }),
  booking('look', { live: true, annotations: READS }),
  booking('slow', { annotations: READS, next: hangs }),
  again('again'),
];
const agent = (name: string, more = '') =>
  `{ name: 'asker', uses: { book: 'tool:${name}' }, async run({ caps }) { return caps.book({ room: 'a' }${more}).catch((error) => [error.code, error.message]); } }`;

const asked = (w: World, run: RunId) =>
  found(async () => (await w.supervisor.approvals({ kind: 'question', run }))[0], `${run} asks something`);
const answer = (w: World, run: RunId, call: number, value: Json = { name: 'Ana' }) =>
  w.supervisor.control.answer(run, call, 'ana', value, '', ADMIN);
const eventsOf = async (w: World, run: RunId) =>
  (await w.store.journal(run)).flatMap(({ event }) => (event === undefined || event.kind === 'ended' ? [] : [event]));

describe('a tool that needs input', () => {
  const host = sharedWorld(TOOLS);

  test('has the owner asked, whose answer it goes on with; the call is one call', async () => {
    const w = host();
    const { id, ended } = await w.submit(await w.deploy(agent('book')));
    const question = await asked(w, id);
    expect(question).toMatchObject({
      tool: 'book',
      input: { room: 'a' },
      rules: [],
      approvers: ['owner'],
      owner: 'admin',
      asks: { question: 'Who is it for?', schema: SCHEMA, from: 'book', label: { influenced_by: ['book'] } },
    });
    expect(w.supervisor.view(id)).toMatchObject({ waiting: 'approval', waitingFor: 'an answer to its question' });
    const { call } = question;
    await expect(w.supervisor.control.decide(id, call, 'ana', 'approve', '', ADMIN)).rejects.toMatchObject({ code: 'CORRAL_RUN_STATE' });
    await expect(w.supervisor.control.answer(id, call, 'bob', { name: 'B' }, '', ['approver'])).rejects.toMatchObject({
      code: 'CORRAL_APPROVER',
    });
    for (const wrong of ['Ana', {}, { name: 1 }, { name: 'Ana', more: 1 }])
      await expect(answer(w, id, call, wrong)).rejects.toMatchObject({ code: 'CORRAL_ANSWER_INVALID' });
    await answer(w, id, call);
    expect(await ended).toEqual({ kind: 'completed', output: 'for Ana' });
    expect(attempts).toMatchObject([
      { key: `${id}:${call}`, given: undefined },
      { key: `${id}:${call}`, given: { action: 'accept', value: { name: 'Ana' }, state: { room: 1 } } },
    ]);
    expect(await eventsOf(w, id)).toMatchObject([
      { kind: 'input_required', id: call, tool: 'book', request: { question: 'Who is it for?' } },
      { kind: 'approval', id: call, by: 'ana', verdict: 'approve', answer: { value: { name: 'Ana' } } },
    ]);
    await expect(answer(w, id, call)).rejects.toMatchObject({ code: 'CORRAL_RUN_UNKNOWN' });
  });

  test('is told that a person declines, and goes on', async () => {
    const w = host();
    const { id, ended } = await w.submit(await w.deploy(agent('book')));
    const { call } = await asked(w, id);
    await w.supervisor.control.decide(id, call, 'ana', 'deny', 'not today', ADMIN);
    expect(await ended).toEqual({ kind: 'completed', output: 'not booked: decline' });
    expect((await eventsOf(w, id)).at(-1)).toMatchObject({ kind: 'approval', verdict: 'deny', reason: 'not today', goes_on: true });
  });

  test('may ask ten times within a call', async () => {
    const w = host();
    const { id, ended } = await w.submit(await w.deploy(agent('again')));
    for (let round = 0; round < 10; round += 1) {
      const { call } = await found(async () => {
        const one = await asked(w, id);
        return attempts.length === round + 1 ? one : undefined;
      }, `round ${round}`);
      await answer(w, id, call);
    }
    expect(await ended).toEqual({
      kind: 'completed',
      output: ['CORRAL_TOOL_FAILED', 'again asked for input of people, and nobody was asked: it has asked 10 times before.'],
    });
  });

  test('gets no answer once nobody waits for the call: after its timeout, a kill, and a revocation; one that waits in memory is told', async () => {
    const w = host();
    const late = await w.submit(await w.deploy(agent('live', ', { timeout_ms: 300 }')));
    expect(await late.ended).toMatchObject({ output: ['CORRAL_TIMED_OUT', expect.any(String)] });
    const killed = await w.submit(await w.deploy(agent('live')));
    await asked(w, killed.id);
    await w.supervisor.control.kill(killed.id, 'ana', 'enough');
    const revoked = await w.submit(await w.deploy(agent('live')));
    await asked(w, revoked.id);
    const grant = (await w.store.grants(revoked.id)).find(({ target }) => target.kind === 'tool');
    await w.supervisor.stops.revoke(grant?.id as never, 'ana', 'no more');
    expect(await revoked.ended).toMatchObject({ output: ['CORRAL_REVOKED', expect.any(String)] });
    await until(() => attempts.every(({ signal }) => signal.aborted));
    expect(givenTo('live')).toEqual([undefined, undefined, undefined]);
    expect(await w.supervisor.approvals({ kind: 'question' })).toEqual([]);
  });

  test('cannot ask during a call whose answer comes in parts', async () => {
    const w = host();
    expect(await w.run(agentFile('questions/streams'))).toMatchObject({
      output: [
        [
          'CORRAL_TOOL_FAILED',
          expect.stringMatching(/asked for input of people, which a call whose answer comes in parts cannot wait for/),
        ],
        ['CORRAL_UNKNOWN_RESULT', expect.stringMatching(/asked for input of people/)],
      ],
    });
  });

  test('asks nothing of a fork, where what became of the call is unknown', async () => {
    const w = host();
    const { id, ended } = await w.submit(await w.deploy(agent('book')));
    const { call } = await asked(w, id);
    // A question is listed a moment before its entry is on the disk.
    const last = await found(async () => {
      const entries = await w.store.journal(id);
      return entries.at(-1)?.event?.kind === 'input_required' ? entries.length : undefined;
    }, 'the question is in the journal');
    const { id: fork } = await w.supervisor.fork({ run: id, at: last, by: 'ana' as PrincipalId });
    await w.until(fork, (view) => view?.waiting === 'resolution');
    expect(await w.supervisor.approvals({ run: fork })).toEqual([]);
    await w.supervisor.control.resolve(fork, call, 'ana', { how: 'result', value: 'it was booked' }, 'seen');
    expect(await w.supervisor.ended(fork)).toEqual({ kind: 'completed', output: 'it was booked' });
    await answer(w, id, call);
    expect(await ended).toEqual({ kind: 'completed', output: 'for Ana' });
  });
});

test('is told that nobody has answered in time', async () => {
  const w = await world(TOOLS, { approval_ms: 200 });
  expect(await w.run(agent('book'))).toEqual({ kind: 'completed', output: 'not booked: cancel' });
  expect(givenTo('book')).toEqual([undefined, 'cancel']);
});

test('its question waits over parking and on the next host, and its call goes on there; a read that was going on is made once more', async () => {
  const w = await world(TOOLS);
  const { id } = await w.submit(await w.deploy(agent('book')));
  const { id: slow } = await w.submit(await w.deploy(agent('slow')));
  const { call } = await asked(w, id);
  await park(w, id);
  await answer(w, slow, (await asked(w, slow)).call);
  await until(() => givenTo('slow').length === 2);
  await w.close();
  const next = await world([...TOOLS.slice(0, 3), booking('slow', { annotations: READS })], { folder: w.folder });
  expect(await next.supervisor.ended(slow)).toEqual({ kind: 'completed', output: 'for Ana' });
  expect(givenTo('slow')).toEqual([undefined, 'accept', 'accept']);
  expect(await asked(next, id)).toMatchObject({ call, asks: { from: 'book' } });
  await answer(next, id, call);
  expect(await next.supervisor.ended(id)).toEqual({ kind: 'completed', output: 'for Ana' });
  expect(givenTo('book')).toEqual([undefined, 'accept']);
});

test('one that waited in the memory of a host that is gone gets no answer: a read is made anew, and the result of another call is unknown', async () => {
  const w = await world(TOOLS);
  const { id } = await w.submit(await w.deploy(agent('live')));
  const { id: look } = await w.submit(await w.deploy(agent('look')));
  await asked(w, id);
  await asked(w, look);
  await w.close();
  expect(attempts.map(({ signal }) => signal.aborted)).toEqual([true, true]);
  const next = await world(TOOLS, { folder: w.folder });
  await next.until(id, (view) => view?.waiting === 'resolution');
  expect(await next.supervisor.ended(look)).toEqual({ kind: 'completed', output: 'not booked: cancel' });
  expect([givenTo('live'), givenTo('look')]).toEqual([[undefined], [undefined, 'cancel']]);
  expect(await next.supervisor.approvals({ kind: 'question' })).toEqual([]);
});

test('its question waits while its run is held after a backup, and has its whole time again once the run is released', async () => {
  const w = await world(TOOLS);
  const { id } = await w.submit(await w.deploy(agent('book')));
  const { expires_at } = await asked(w, id);
  await w.close();
  const db = databaseOf(join(w.folder, 'data'));
  db.exec('UPDATE runs SET restored = 1');
  db.close();
  const { clock, forward } = movableClock();
  const next = await world(TOOLS, { folder: w.folder, clock });
  await until(async () => (await eventsOf(next, id)).some(({ kind }) => kind === 'held'), 'the run is held');
  forward(expires_at - clock.now() + 1);
  expect(await asked(next, id)).toMatchObject({ expires_at });
  await next.supervisor.control.release(id, 'ana', 'looked');
  const again = (await asked(next, id)).expires_at;
  expect(again).toBeGreaterThan(clock.now());
  expect(givenTo('book')).toEqual([undefined]);
  forward(again - clock.now());
  expect(await next.supervisor.ended(id)).toEqual({ kind: 'completed', output: 'not booked: cancel' });
});
