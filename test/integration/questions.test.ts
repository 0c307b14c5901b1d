/** Questions to the owner of an agent: a run waits for a person's answer, which the host checks and the journal has. The real host. */
import { beforeEach, describe, expect, test } from 'vitest';
import type { PrincipalId, RunId } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import { questionTools } from '@corral/tools/questions';
import { park, sharedWorld, world, type World } from '../world.ts';
import { agentFile } from '../agents/file.ts';
import { found } from '../until.ts';
import { bus, forget, TOOLS } from './flowing.ts';

beforeEach(forget);

/** The person at the machine, who has the role that stands in for an owner whom no configuration names. */
const ADMIN = ['admin'];
const DEPLOYER = agentFile('questions/deployer');
const plain = (body: string) => `{ name: 'asker', uses: { owner: 'tool:owner.ask' }, async run({ ask, caps, open }) { ${body} } }`;

/** Waits for the next question of a run, after the one that was answered last. */
const asked = (w: World, run: RunId, after = 0) =>
  found(async () => (await w.supervisor.approvals({ kind: 'question', run })).find(({ call }) => call > after), `${run} asks something`);
const answer = (w: World, run: RunId, call: number, value: Json, by = 'ana') =>
  w.supervisor.control.answer(run, call, by, value, '', ADMIN);

describe('a question', () => {
  const host = sharedWorld(questionTools());

  test('waits for a person, whose answers are what the agent goes on with, in the types that it asked for', async () => {
    const w = host();
    const { id, ended } = await w.submit(await w.deploy(DEPLOYER));
    const first = await asked(w, id);
    expect(first).toMatchObject({
      tool: 'owner.ask',
      input: { question: 'Where may I deploy this?', schema: { enum: ['staging', 'production'] } },
      approvers: ['owner'],
      owner: 'admin',
    });
    expect(w.supervisor.view(id)).toMatchObject({ waiting: 'approval', waitingFor: 'an answer to its question' });
    await answer(w, id, first.call, 'staging');
    const second = await asked(w, id, first.call);
    await answer(w, id, second.call, 980);
    const third = await asked(w, id, second.call);
    await answer(w, id, third.call, 'at noon');
    expect(await ended).toEqual({ kind: 'completed', output: { where: 'staging', most: 980, note: 'at noon' } });
    const events = (await w.store.journal(id)).flatMap(({ event }) => (event?.kind === 'approval' ? [event] : []));
    expect(events).toMatchObject([
      { id: first.call, by: 'ana', verdict: 'approve', answer: { value: 'staging' } },
      { answer: { value: 980 } },
      { answer: { value: 'at noon' } },
    ]);
  });

  test('does not take an answer that does not fit, says what it takes, and waits on', async () => {
    const w = host();
    const { id, ended } = await w.submit(await w.deploy(plain(`return ask('Which?', ['a', 'b']);`)));
    const { call } = await asked(w, id);
    for (const wrong of ['c', 1, null, ['a']])
      await expect(answer(w, id, call, wrong)).rejects.toMatchObject({
        code: 'CORRAL_ANSWER_INVALID',
        message: expect.stringContaining('It takes one of "a", "b".') as string,
      });
    await expect(answer(w, id, call, 'x'.repeat(70_000))).rejects.toMatchObject({ code: 'CORRAL_ANSWER_INVALID' });
    expect(await w.supervisor.approvals({ run: id })).toHaveLength(1);
    await answer(w, id, call, 'b');
    expect(await ended).toEqual({ kind: 'completed', output: 'b' });
  });

  test('is put once more, with the reason, if the code of the agent’s own schema does not take the answer', async () => {
    const w = host();
    const { id, ended } = await w.submit(await w.deploy(agentFile('questions/even')));
    const first = await asked(w, id);
    expect(first.input).not.toHaveProperty('misfit');
    await answer(w, id, first.call, 3);
    const second = await asked(w, id, first.call);
    expect(second.input).toMatchObject({
      question: 'How many seats?',
      misfit: expect.stringContaining('an even number, please') as string,
    });
    await answer(w, id, second.call, 4);
    expect(await ended).toEqual({ kind: 'completed', output: 2 });
  });

  test('that a person declines, or that nobody answers in time, rejects and says so', async () => {
    const w = host();
    const code = `.catch((error) => [error.constructor.name, error.code, error.message])`;
    const { id, ended } = await w.submit(
      await w.deploy(plain(`return [await ask('Well?')${code}, await ask('Now?', 'boolean', { timeout_ms: 50 })${code}];`)),
    );
    const { call } = await asked(w, id);
    await w.supervisor.control.decide(id, call, 'ana', 'deny', 'ask the team', ADMIN);
    expect(await ended).toEqual({
      kind: 'completed',
      output: [
        ['Denied', 'CORRAL_APPROVAL_DENIED', 'The question was declined by ana: ask the team.'],
        ['TimedOut', 'CORRAL_TIMED_OUT', expect.any(String)],
      ],
    });
  });

  test('is answered by whoever answers for the agent, the submitter too, and by nobody else; it cannot be approved', async () => {
    const w = host();
    const { id, ended } = await w.submit(await w.deploy(plain(`return ask('Well?', 'boolean');`)));
    const { call } = await asked(w, id);
    await expect(w.supervisor.control.answer(id, call, 'bob', true, '', ['approver'])).rejects.toMatchObject({ code: 'CORRAL_APPROVER' });
    await expect(w.supervisor.control.decide(id, call, 'ana', 'approve', '', ADMIN)).rejects.toMatchObject({ code: 'CORRAL_RUN_STATE' });
    // `test` submitted the run.
    await answer(w, id, call, true, 'test');
    expect(await ended).toEqual({ kind: 'completed', output: true });
    await expect(answer(w, id, call, false)).rejects.toMatchObject({ code: 'CORRAL_RUN_UNKNOWN' });
  });

  test('ends with its run, and with the capability to ask', async () => {
    const w = host();
    const version = await w.deploy(plain(`return ask('Well?').catch((error) => error.code);`));
    const killed = await w.submit(version);
    await asked(w, killed.id);
    await w.supervisor.control.kill(killed.id, 'ana', 'enough');
    expect((await killed.ended).kind).toBe('killed');
    const revoked = await w.submit(version);
    const { call } = await asked(w, revoked.id);
    const grant = (await w.store.grants(revoked.id)).find(({ target }) => target.kind === 'tool');
    await w.supervisor.stops.revoke(grant?.id as never, 'ana', 'no more');
    expect(await revoked.ended).toEqual({ kind: 'completed', output: 'CORRAL_REVOKED' });
    await expect(answer(w, revoked.id, call, 'late')).rejects.toMatchObject({ code: 'CORRAL_RUN_UNKNOWN' });
    expect(await w.supervisor.approvals({ kind: 'question' })).toEqual([]);
  });

  test('is called off by a cancel, after which nobody can answer it, and keeps its run from a checkpoint', async () => {
    const w = host();
    const body = `const asking = ask('Well?').catch((error) => error.name);
      const early = await checkpoint(1).catch((error) => error.code);
      return [early, await asking];`;
    const { id, ended } = await w.submit(
      await w.deploy(`{ name: 'a', uses: { owner: 'tool:owner.ask' }, async run({ ask, checkpoint }) { ${body} } }`),
    );
    const { call } = await asked(w, id);
    await w.supervisor.control.cancel(id, 'ana', 'not needed any more');
    expect(await ended).toEqual({ kind: 'completed', output: ['CORRAL_CHECKPOINT_BUSY', 'AbortError'] });
    await expect(answer(w, id, call, 'late')).rejects.toMatchObject({ code: 'CORRAL_RUN_UNKNOWN' });
  });

  test('is one of at most eight of its run that wait', async () => {
    const w = host();
    const { id, ended } = await w.submit(await w.deploy(agentFile('questions/many')));
    const open = await found(async () => {
      const all = await w.supervisor.approvals({ run: id });
      return all.length === 8 ? all : undefined;
    }, 'eight questions wait');
    for (const { call } of open) await answer(w, id, call, true);
    expect(await ended).toEqual({
      kind: 'completed',
      output: [...Array.from({ length: 8 }, () => 'ok'), 'CORRAL_BUDGET_EXCEEDED', 'CORRAL_BUDGET_EXCEEDED'],
    });
  });

  test('may be answered into a handle, and may be narrowed and handed on like any other capability', async () => {
    const w = host();
    const { id, ended } = await w.submit(
      await w.deploy(plain(`const h = await caps.owner.handle({ question: 'Secret?' }); return [h.type, await open(h)];`)),
    );
    const { call } = await asked(w, id);
    await answer(w, id, call, 'xyz');
    expect(await ended).toEqual({ kind: 'completed', output: ['string', 'xyz'] });
    const none = `{ name: 'none', run: ({ ask }) => ask('Well?').catch((error) => error.code) }`;
    expect(await w.run(none)).toEqual({ kind: 'completed', output: 'CORRAL_CAP_NOT_GRANTED' });
    const narrow = await w.submit(
      await w.deploy(plain(`return ask('Well?').catch((error) => error.code);`)),
      {},
      { grants: { owner: { uses: 0 } } },
    );
    expect(await narrow.ended).toEqual({ kind: 'completed', output: 'CORRAL_GRANT_SPENT' });
  });

  test.each([
    ['references', `{ $ref: '#' }`],
    ['conditions', `{ not: { type: 'string' } }`],
    ['a keyword that nobody knows', `{ type: 'string', contentSchema: {} }`],
    ['more depth than a person can read', `JSON.parse('{"items":'.repeat(40) + '{}' + '}'.repeat(40))`],
    ['more than fits', `{ type: 'string', description: 'x'.repeat(20000) }`],
  ])('whose schema has %s is refused at once', async (_, schema) => {
    const w = host();
    const body = `return caps.owner({ question: 'Well?', schema: ${schema} }).catch((error) => error.code);`;
    expect(await w.run(plain(body))).toEqual({ kind: 'completed', output: 'CORRAL_ARGS_INVALID' });
  });
});

test('a question waits over parking and on the next host, and its answer is given once', async () => {
  const w = await world(questionTools());
  const { id } = await w.submit(await w.deploy(DEPLOYER));
  const first = await asked(w, id);
  await answer(w, id, first.call, 'production');
  const second = await asked(w, id, first.call);
  await park(w, id);
  expect(await w.supervisor.approvals({ kind: 'question' })).toMatchObject([{ run: id, call: second.call }]);
  await w.close();
  const next = await world(questionTools(), { folder: w.folder });
  expect(await asked(next, id)).toMatchObject({ call: second.call, input: { question: 'How much may it cost?' } });
  await expect(answer(next, id, second.call, 'much')).rejects.toMatchObject({ code: 'CORRAL_ANSWER_INVALID' });
  await answer(next, id, second.call, 5);
  const third = await asked(next, id, second.call);
  await answer(next, id, third.call, 'done');
  expect(await next.supervisor.ended(id)).toEqual({ kind: 'completed', output: { where: 'production', most: 5, note: 'done' } });
});

test('an answer counts as trusted, and the question carries what its run had read', async () => {
  const w = await bus([...TOOLS, ...questionTools()]);
  const { id, ended } = await w.submit(await w.deploy(agentFile('questions/payee')), { task: 'pay the invoice' });
  const first = await asked(w, id);
  expect(first.asks?.label).toMatchObject({ influenced_by: ['mail.read'], private_to: [] });
  await answer(w, id, first.call, 'DE77FINE000000000000001');
  const second = await asked(w, id, first.call);
  expect(second.asks?.label).toMatchObject({ private_to: ['ann'] });
  await answer(w, id, second.call, true);
  // A destination that only the stranger named waits for approval as before.
  const payment = await found(
    async () => (await w.supervisor.approvals({ run: id, kind: 'approval' }))[0],
    'the payment to the account in the mail waits for approval',
  );
  expect(payment.input).toMatchObject({ to: 'DE99EVIL00000000000001' });
  await w.supervisor.control.decide(id, payment.call, 'ana', 'deny', 'no');
  expect(await ended).toEqual({ kind: 'completed', output: ['ok', 'CORRAL_APPROVAL_DENIED'] });
});

test('a question that waits where a fork departs is asked there too, and one that was answered before is not', async () => {
  const w = await world(questionTools());
  const { id } = await w.submit(await w.deploy(DEPLOYER));
  const first = await asked(w, id);
  await answer(w, id, first.call, 'staging');
  const second = await asked(w, id, first.call);
  const fork = async (at: number) => (await w.supervisor.fork({ run: id, at, by: 'ana' as PrincipalId })).id;
  const answered = (await w.store.journal(id)).find(({ event }) => event?.kind === 'approval')?.seq ?? 0;
  const before = await fork(answered);
  expect((await asked(w, before)).input).toEqual(first.input);
  const after = await fork(answered + 1);
  expect((await asked(w, after)).input).toEqual(second.input);
  await answer(w, after, second.call, 1);
  expect((await asked(w, id)).call).toBe(second.call);
});
