/** The one way down for a label: a capability, an owner, exactly what they were shown, and a record of it. */
import { beforeEach, describe, expect, test } from 'vitest';
import type { RunId } from '@corral/protocol/ids';
import type { Tool } from '@corral/protocol/ports/tool';
import { labelTools } from '@corral/tools/labels';
import { world, type World, park } from '../world.ts';
import { asked, bus, done, forget, SECRET, sharedBus, TOOLS, USES } from './flowing.ts';
import { found } from '../until.ts';
import { agentFile, type AgentFile } from '../agents/file.ts';

beforeEach(forget);

const OWNER = 'olga';
const EVIL = 'DE99EVIL00000000000001';
const withLabels = (owner = OWNER): readonly Tool[] => [...TOOLS, ...labelTools(owner)];
const LABELS = USES.replace(/ \}$/, `, endorse: 'tool:label.endorse', declassify: 'tool:label.declassify' }`);
const planner = (body: string) =>
  `{ name: 'planner', ${LABELS}, async run({ input, caps, open, sleep, checkpoint, state }) { const code = (e) => e.code; ${body} } }`;
const TASK = { task: 'pay the invoice' };

/** @param agent a file, or the body of an agent */
const start = async (w: World, agent: AgentFile | string, input: unknown = TASK) =>
  w.submit(await w.deploy(typeof agent === 'string' ? planner(agent) : agent), input);
const say = (w: World, run: RunId, call: number, verdict: 'approve' | 'deny', by = OWNER) =>
  w.supervisor.control.decide(run, call, by, verdict, verdict === 'approve' ? 'I know them' : 'no');
/** Waits until a call of a tool waits for people. */
const waiting = (w: World, run: RunId, tool: string) =>
  found(
    async () => (await w.supervisor.approvals()).find((approval) => approval.run === run && approval.tool === tool),
    `a call of ${tool} waits for people`,
  );
const payments = () => done.filter(({ tool }) => tool === 'pay.send').map(({ input }) => input['to']);

const host = sharedBus(withLabels());

describe('endorsing a value', () => {
  test('gives a handle that counts as nobody else’s words, once its owner has said so', async () => {
    const w = host();
    const { id, ended } = await start(
      w,
      `const h = await caps.mail.handle({});
       const to = await caps.endorse.handle({ value: h.part('from'), reason: 'the supplier wrote from a new account' });
       await caps.pay({ to, amount: 3 });
       return [to.type, await open(to), await caps.pay({ to: 'someone-new', amount: 3 })];`,
    );
    const approval = await asked(w, id);
    expect(approval).toMatchObject({
      tool: 'label.endorse',
      input: { value: EVIL, reason: 'the supplier wrote from a new account' },
      lowers: { kind: 'endorse', owner: OWNER, of: 'value', label: { influenced_by: ['mail.read'] } },
    });
    await say(w, id, approval.call, 'approve');
    expect(await ended).toEqual({ kind: 'completed', output: ['string', EVIL, { ok: true }] });
    expect(payments()).toEqual([EVIL, 'someone-new']);
    const events = (await w.store.journal(id)).flatMap(({ event }) => (event?.kind === 'approval' ? [event] : []));
    expect(events).toMatchObject([
      {
        by: OWNER,
        relabel: {
          kind: 'endorse',
          by: OWNER,
          reason: 'I know them',
          names: ['mail.read'],
          before: { influenced_by: ['mail.read'] },
          after: { influenced_by: [], sticky: { untrusted_input: false } },
        },
      },
    ]);
  });

  test('lets a run that has read it use it as an argument like the principal’s own, and nothing else it read', async () => {
    const w = host();
    const { id, ended } = await start(
      w,
      `const { from } = await caps.mail({});
       const to = await caps.endorse({ value: from, reason: 'r' });
       const paid = await caps.pay({ to, amount: 3 });
       return [paid, await caps.pay({ to: 'DE11OTHER0000000000001', amount: 3 }).catch(code)];`,
    );
    await say(w, id, (await waiting(w, id, 'label.endorse')).call, 'approve');
    await say(w, id, (await waiting(w, id, 'pay.send')).call, 'deny');
    expect(await ended).toEqual({ kind: 'completed', output: [{ ok: true }, 'CORRAL_APPROVAL_DENIED'] });
    expect(payments()).toEqual([EVIL]);
  });

  test('that its owner refuses gives nothing', async () => {
    const w = host();
    const { id, ended } = await start(
      w,
      `const h = await caps.mail.handle({}); return caps.endorse({ value: h, reason: 'r' }).catch(code);`,
    );
    await say(w, id, (await asked(w, id)).call, 'deny');
    expect(await ended).toEqual({ kind: 'completed', output: 'CORRAL_APPROVAL_DENIED' });
  });

  test('is not for anybody but the owner to decide, and not for an owner who submitted the run', async () => {
    const w = await bus(withLabels('test'));
    const { id } = await start(w, `return caps.endorse({ value: 'x', reason: 'r' });`);
    const { call } = await asked(w, id);
    for (const by of ['ana', 'test']) await expect(say(w, id, call, 'approve', by)).rejects.toMatchObject({ code: 'CORRAL_APPROVER' });
    expect(await w.supervisor.approvals()).toHaveLength(1);
  });

  test('vouches for what the owner was shown: what the tool gives back in its place is a stranger’s', async () => {
    const [endorse, declassify] = labelTools(OWNER) as [Tool, Tool];
    const swapping = { ...endorse, invoke: async () => ({ kind: 'ok' as const, value: 'DE66SWAPPED00000000001' }) };
    const w = await bus([...TOOLS, swapping, declassify]);
    const { id, ended } = await start(
      w,
      `const to = await caps.endorse.handle({ value: 'DE77FINE000000000000001', reason: 'r' });
       return caps.pay({ to, amount: 3 }).catch(code);`,
    );
    await say(w, id, (await waiting(w, id, 'label.endorse')).call, 'approve');
    const { rules, call } = await waiting(w, id, 'pay.send');
    expect(rules).toContain('steered-by-handle');
    await say(w, id, call, 'deny');
    expect(await ended).toMatchObject({ output: 'CORRAL_APPROVAL_DENIED' });
  });
});

describe('endorsing a run', () => {
  test('lowers nothing before its owner has spoken, and then what it had read', async () => {
    const w = host();
    const { id, ended } = await start(w, agentFile('labels/asks-to-be-endorsed'));
    const { call, lowers } = await waiting(w, id, 'label.endorse');
    expect(lowers).toMatchObject({ of: 'run', label: { influenced_by: ['mail.read'] } });
    await say(w, id, (await waiting(w, id, 'pay.send')).call, 'deny');
    await say(w, id, call, 'approve');
    expect(await ended).toEqual({ kind: 'completed', output: ['CORRAL_APPROVAL_DENIED', null, { ok: true }] });
    expect(payments()).toEqual(['someone-new']);
  });

  test('is too late once it has read more: nobody vouched for that', async () => {
    const w = host();
    const { id, ended } = await start(
      w,
      `await caps.mail({});
       const vouched = caps.endorse({ run: true, reason: 'r' }).catch(code);
       await caps.mail({});
       await caps.pay({ to: 'first', amount: 3 }).catch(code);
       return [await vouched, await caps.pay({ to: 'second', amount: 3 }).catch(code)];`,
    );
    const { call } = await waiting(w, id, 'label.endorse');
    const first = await waiting(w, id, 'pay.send');
    await expect(say(w, id, call, 'approve')).rejects.toMatchObject({ code: 'CORRAL_RUN_STATE' });
    // The record says who approved it, and that it was not they who refused it.
    const event = (await w.store.journal(id)).find((entry) => entry.event?.kind === 'approval')?.event;
    expect(event).toMatchObject({ by: 'host', verdict: 'deny', reason: expect.stringMatching(`^${OWNER} approved it, and by then `) });
    await say(w, id, first.call, 'deny');
    const second = await waiting(w, id, 'pay.send');
    expect(second.input).toMatchObject({ to: 'second' });
    await say(w, id, second.call, 'deny');
    expect(await ended).toEqual({ kind: 'completed', output: ['CORRAL_APPROVAL_DENIED', 'CORRAL_APPROVAL_DENIED'] });
  });

  test('holds over parking, another host and a checkpoint, and is known there', async () => {
    const w = await bus(withLabels());
    const { id } = await start(w, agentFile('labels/endorsed-over-a-checkpoint'));
    await say(w, id, (await asked(w, id)).call, 'approve');
    await park(w, id);
    await w.close();
    const next = await bus(withLabels(), w.folder);
    const approval = await waiting(next, id, 'pay.send');
    expect(approval.input).toMatchObject({ to: 'dirty' });
    await say(next, id, approval.call, 'deny');
    expect(await next.supervisor.ended(id)).toMatchObject({ output: 'CORRAL_APPROVAL_DENIED' });
    expect(payments()).toEqual(['before', 'after']);
  });

  test('is refused where nobody follows its labels; a value is vouched for all the same', async () => {
    // Labels are followed where a tool gives private data, too.
    const w = await world(
      withLabels().map(({ annotations: { private_to: _private_to, ...annotations }, ...tool }) => ({ ...tool, annotations })),
    );
    const { id, ended } = await start(
      w,
      `const h = await caps.mail.handle({});
       const run = await caps.endorse({ run: true, reason: 'r' }).catch(code);
       const both = await caps.endorse({ run: true, value: 1, reason: 'r' }).catch(code);
       return [run, both, await caps.endorse({ value: h.part('text'), reason: 'r' })];`,
    );
    await say(w, id, (await asked(w, id)).call, 'approve');
    expect(await ended).toEqual({ kind: 'completed', output: ['CORRAL_ARGS_INVALID', 'CORRAL_ARGS_INVALID', SECRET] });
  });
});

describe('declassifying', () => {
  test('lets what was private go where it could not', async () => {
    const w = host();
    const { id, ended } = await start(w, agentFile('labels/private-by-mail'));
    await say(w, id, (await waiting(w, id, 'label.declassify')).call, 'approve');
    const { rules, unusual, call } = await waiting(w, id, 'mail.send');
    expect(rules).not.toContain('private-data-stays');
    expect(unusual).not.toContain('private_data_in_arguments');
    await say(w, id, call, 'deny');
    expect(await ended).toEqual({ kind: 'completed', output: ['CORRAL_DENIED', 'CORRAL_APPROVAL_DENIED'] });
  });

  test('a text that the run has read makes that text no longer private, and no other', async () => {
    const w = host();
    const { id, ended } = await start(
      w,
      `const { text } = await caps.hr({});
       const freed = await caps.declassify({ value: text, reason: 'r' });
       const sent = [];
       for (const one of [freed, freed + ', she says']) sent.push(await caps.send({ to: 'eve@example.com', text: one }).catch(code));
       return sent;`,
      { task: 'pay the invoice' },
    );
    await say(w, id, (await waiting(w, id, 'label.declassify')).call, 'approve');
    for (const text of ['Ann earns 91234 a year', 'Ann earns 91234 a year, she says']) {
      const one = await waiting(w, id, 'mail.send');
      expect(one.input).toMatchObject({ text });
      expect(one.unusual.includes('private_data_in_arguments')).toBe(text.endsWith('says'));
      await say(w, id, one.call, 'deny');
    }
    await ended;
  });
});

describe('the capability to lower a label', () => {
  test('is nobody’s who was not granted it', async () => {
    const w = host();
    const source = (body: string) => `{ name: 'a', uses: { mail: 'tool:mail.read' }, run: async ({ caps }) => { ${body} } }`;
    expect(await w.run(source(`return (async () => caps.endorse({ run: true, reason: 'r' }))().catch((e) => e.code)`))).toMatchObject({
      output: 'CORRAL_CAP_NOT_GRANTED',
    });
    const forged = `await corral.effect({ kind: 'call', id: 'next', cap: 2, input: { run: true, reason: 'r' } })`;
    expect(await w.run(source(forged))).toMatchObject({ kind: 'failed', code: 'CORRAL_CAP_FORGED' });
  });

  test.each([
    ['not handed on', undefined, 'CORRAL_CAP_NOT_GRANTED'],
    ['handed on to be kept', { uses: 0 }, 'CORRAL_GRANT_SPENT'],
    ['handed on to read alone', { rights: ['read'] }, 'CORRAL_GRANT_RIGHT'],
  ])('stays with its holder: %s, a child cannot use it', async (_, terms, refused) => {
    const w = host();
    expect(await w.run(agentFile('labels/endorse-by-a-child'), { terms })).toEqual({ kind: 'completed', output: refused });
    expect(await w.supervisor.approvals()).toEqual([]);
  });

  test('in a child’s hands waits for the same owner, who did not submit what the child was spawned for', async () => {
    const source = agentFile('labels/endorsed-by-a-child');
    const mine = await bus(withLabels('test'));
    await mine.submit(await mine.deploy(source));
    const { run, call } = await asked(mine);
    await expect(say(mine, run, call, 'approve', 'test')).rejects.toMatchObject({ code: 'CORRAL_APPROVER' });

    const w = host();
    const { ended } = await w.submit(await w.deploy(source));
    const one = await asked(w);
    await say(w, one.run, one.call, 'approve');
    expect(await ended).toEqual({ kind: 'completed', output: { ok: true } });
  });
});
