/** Handles: what a stranger wrote is moved, stored and passed on, and reaches nobody who does not open it. The real host, the real pack. */
import { beforeEach, describe, expect, test } from 'vitest';
import * as z from 'zod';
import type { RunId } from '@corral/protocol/ids';
import type { RunRecord } from '@corral/protocol/model/run';
import { park, tool, world } from '../world.ts';
import { agent, asked, bus, CHANGES, crossed, done, forget, mail, made, raw, READS, SECRET, sharedBus, TOOLS, USES } from './flowing.ts';
import { until } from '../until.ts';
import { agentFile } from '../agents/file.ts';

beforeEach(forget);

const host = sharedBus();

describe('a handle', () => {
  test('tells its holder type and size of a result, and nothing that stands in it', async () => {
    const w = host();
    const { id, ended } = await w.submit(
      await w.deploy(
        agent(`const h = await caps.mail.handle({}); return [h.type, h.bytes, JSON.stringify(h), Object.isFrozen(h), String(h)];`),
      ),
    );
    const value = JSON.stringify({ text: SECRET, from: 'DE99EVIL00000000000001', amount: 7 });
    expect(await ended).toEqual({
      kind: 'completed',
      output: ['object', value.length, JSON.stringify({ type: 'object', bytes: value.length }), true, '[object Object]'],
    });
    expect(await crossed(w, id)).not.toContain('EVIL');
    expect((await w.store.journal(id)).map(({ delivery }) => delivery ?? '').join('\n')).toContain('EVIL');
  });

  test('carries words to where the principal said; the run stays clean, though the tool reports back', async () => {
    const w = host();
    const body = `const h = await caps.mail.handle({});
      await caps.send({ to: input.to, text: h.part('text') });
      return caps.pay({ to: 'someone-new', amount: 3 });`;
    const { id, ended } = await w.submit(await w.deploy(agent(body)), {
      to: 'ann@example.com',
      task: 'forward the mail to ann@example.com',
    });
    expect(await ended).toEqual({ kind: 'completed', output: { ok: true } });
    expect(done.find(({ tool }) => tool === 'mail.send')?.input).toEqual({ to: 'ann@example.com', text: SECRET });
    expect(await crossed(w, id)).not.toContain('EVIL');
    const decisions = (await w.store.journal(id)).flatMap((entry) => entry.decisions);
    expect(decisions.find(({ tool }) => tool === 'mail.send')?.origins).toEqual([
      ['text', 'untrusted', { call: 0, of: '', by: ['mail.read'], field: '' }],
      ['to', 'user'],
    ]);
  });

  test.each([
    ['a destination', `caps.send({ to: h.part('from'), text: 'hello' })`],
    ['an amount', `caps.pay({ to: 'ann@example.com', amount: h.part('amount') })`],
    ['what a tool without destinations does', `caps.shell({ command: h.part('text') })`],
  ])('never decides about %s alone: people are asked although the run is clean, and are shown what is in it', async (_, call) => {
    const w = host();
    const { id, ended } = await w.submit(
      await w.deploy(agent(`const h = await caps.mail.handle({}); return ${call}.catch((e) => e.code);`)),
      {
        task: 'mail ann@example.com, pay ann@example.com',
      },
    );
    const approval = await asked(w, id);
    expect(approval.rules).toContain('steered-by-handle');
    expect(approval.unusual).toContain('steered_by_handle');
    expect(JSON.stringify(approval.input)).toMatch(/EVIL|7/);
    await w.supervisor.control.decide(id, approval.call, 'owner', 'deny', 'no');
    expect(await ended).toEqual({ kind: 'completed', output: 'CORRAL_APPROVAL_DENIED' });
    expect(done.filter(({ tool }) => tool !== 'mail.read')).toEqual([]);
  });

  test('with private data in it does not go to a destination out of another handle at all', async () => {
    const w = host();
    const body = `const [where, what] = [await caps.mail.handle({}), await caps.hr.handle({})];
      return caps.send({ to: where.part('from'), text: what.part('text') }).catch((e) => e.code);`;
    const { id, ended } = await w.submit(await w.deploy(agent(body)), { task: 'pay the invoice' });
    expect(await ended).toEqual({ kind: 'completed', output: 'CORRAL_DENIED' });
    const decision = (await w.store.journal(id)).flatMap((entry) => entry.decisions).find(({ tool }) => tool === 'mail.send');
    expect(decision?.rules).toContain('private-data-stays');
  });

  test('is read by opening it, and only then does the run count as influenced', async () => {
    const w = host();
    const body = `const h = await caps.mail.handle({});
      await caps.pay({ to: 'first', amount: 1 });
      const { text } = await open(h);
      await caps.pay({ to: 'second', amount: 1 }).catch(() => 0);
      return text;`;
    const { id, ended } = await w.submit(await w.deploy(agent(body)), { task: 'pay' });
    const approval = await asked(w, id);
    expect(approval.input).toEqual({ to: 'second', amount: 1 });
    await w.supervisor.control.decide(id, approval.call, 'owner', 'deny', 'no');
    expect(await ended).toEqual({ kind: 'completed', output: SECRET });
  });

  test('read by a trusted tool that repeats it taints whoever reads what it says', async () => {
    const w = host();
    const body = `const h = await caps.mail.handle({});
      await caps.quote({ to: input.to, text: h.part('text') });
      return caps.pay({ to: 'someone-new', amount: 3 }).catch((e) => e.code);`;
    const { id, ended } = await w.submit(await w.deploy(agent(body)), {
      to: 'ann@example.com',
      task: 'forward the mail to ann@example.com',
    });
    const approval = await asked(w, id);
    expect(approval.tool).toBe('pay.send');
    await w.supervisor.control.decide(id, approval.call, 'owner', 'deny', 'no');
    expect(await ended).toMatchObject({ output: 'CORRAL_APPROVAL_DENIED' });
  });

  test('is refused by a capability that is for clean runs alone', async () => {
    const w = host();
    const { ended } = await w.submit(await w.deploy(agentFile('handles/for-clean-runs')), { to: 'ann@example.com' });
    expect(await ended).toMatchObject({ kind: 'completed', output: 'CORRAL_GRANT_LABEL' });
  });

  test('fits the tool’s schema, or its call is refused like any other', async () => {
    const w = host();
    expect(await w.run(agentFile('handles/does-not-fit'))).toMatchObject({
      output: ['CORRAL_ARGS_INVALID', 'CORRAL_ARGS_INVALID', 'CORRAL_ARGS_INVALID', 'CORRAL_ARGS_INVALID', 'CORRAL_REVOKED'],
    });
    expect(done.filter(({ tool }) => tool === 'mail.send')).toEqual([]);
  });

  test('is not let out by an error: neither a schema’s complaint nor what a tool says of its failure has a word of it', async () => {
    const echoing = (name: string, kind: 'failed' | 'unknown') => ({
      ...made(name, z.strictObject({ text: z.string() }), { ...CHANGES, returns: 'trusted', destinations: ['text'] }),
      invoke: async ({ input }: { input: unknown }) => ({ kind, message: `cannot ${JSON.stringify(input)}` }),
    });
    const keyed = { ...mail(), invoke: async () => ({ kind: 'ok' as const, value: { [SECRET]: SECRET, text: SECRET } }) };
    const broken = {
      ...made('broken', z.object({}), { ...READS, returns: 'untrusted' }),
      invoke: async () => ({ kind: 'failed' as const, message: SECRET }),
    };
    const w = await world([keyed, echoing('fails', 'failed'), echoing('loses', 'unknown'), broken]);
    const { id, ended } = await w.submit(await w.deploy(agentFile('hostile/reads-errors')));
    const outcome = await ended;
    expect(outcome).toMatchObject({
      output: [/ARGS_INVALID/, /TOOL_FAILED/, /UNKNOWN_RESULT/, /TOOL_FAILED/].map((code) => expect.stringMatching(code)),
    });
    expect(JSON.stringify(outcome)).not.toContain('EVIL');
    expect(await crossed(w, id)).not.toContain('EVIL');
  });

  test('adds its size to what may leave at once', async () => {
    const big = [mail('x'.repeat(60_000)), ...TOOLS.slice(1)];
    const w = await bus(big);
    const body = `const h = (await caps.mail.handle({})).part('text');
      return Promise.all([caps.send({ to: 'x', text: h }), caps.send({ to: h, text: h })].map((one) => one.then(() => 'sent', (e) => e.code)));`;
    const { ended } = await w.submit(await w.deploy(agent(body)), { task: 'x' }, { ceilings: { message_bytes: 100_000 } });
    expect(await ended).toMatchObject({ output: ['sent', 'CORRAL_EFFECT_TOO_LARGE'] });
  });
});

describe('a result that is larger than its run may read at once', () => {
  const LINES = Array.from({ length: 20 }, (_, i) => `${i} `.padEnd(10_000, 'x'));
  const big = (lines: readonly string[]) => tool('big', () => ({ lines }));
  const reads = (body: string) => `{ name: 'reads', uses: { big: 'tool:big' }, async run({ caps, open }) { ${body} } }`;

  test('is refused as a value, and stays with the host as a handle, of which the run opens parts', async () => {
    const w = await world([big(LINES)]);
    const body = `const whole = await caps.big({}).catch((error) => [error.code, error.hint.includes('.handle(')]);
      const h = await caps.big.handle({});
      const all = await open(h).catch((error) => error.message);
      return [whole, h.bytes > 200000, all, (await open(h.part('lines').part(7))).length];`;
    const { ended } = await w.submit(await w.deploy(reads(body)), {}, { ceilings: { message_bytes: 50_000 } });
    expect(await ended).toEqual({
      kind: 'completed',
      output: [
        ['CORRAL_RESULT_TOO_LARGE', true],
        true,
        expect.stringMatching(/^\d+ bytes are behind the handle, and at most 50000 may be read at once: open a part of it/),
        10_000,
      ],
    });
  });

  test('is refused as a handle too where no run could be given it', async () => {
    const w = await world([big(Array.from({ length: 450 }, () => LINES[0] as string))]);
    const { ended } = await w.submit(await w.deploy(reads(`return caps.big.handle({}).catch((error) => error.code);`)));
    expect(await ended).toEqual({ kind: 'completed', output: 'CORRAL_RESULT_TOO_LARGE' });
  });
});

describe('an index that a run was never given', () => {
  const forged = (effect: string) => agent(`${raw} await caps.mail.handle({}); await raw(${effect}); return 'went on';`);
  test.each([
    ['in a call', `{ kind: 'call', cap: 2, input: null, handles: [{ path: ['input'], handle: 2 }] }`],
    ['in a message', `{ kind: 'send', cap: 0, body: { a: null }, handles: [{ path: ['body', 'a'], handle: 7 }] }`],
    ['in a spawn', `{ kind: 'spawn', agent: 'nobody', input: null, caps: {}, budget: {}, handles: [{ path: ['input'], handle: 7 }] }`],
    ['to be opened', `{ kind: 'open', handle: 2 }`],
    ['to be let go of', `{ kind: 'drop', handle: 2, id: undefined }`],
    ['in an output', `{ kind: 'finish', output: null, id: undefined, handles: [{ path: ['output'], handle: 2 }] }`],
    ['in a state', `{ kind: 'checkpoint', state: null, id: undefined, handles: [{ path: ['state'], handle: 2 }] }`],
  ])('ends it, %s', async (_, effect) => {
    const w = host();
    const source = effect.includes('id: undefined')
      ? agent(
          `await caps.mail.handle({}); const { id, ...effect } = ${effect}; corral.effect(effect); await new Promise((resolve) => setTimeout(resolve, 1)); return 'went on';`,
        )
      : forged(effect);
    expect(await w.run(source)).toMatchObject({ kind: 'failed', code: 'CORRAL_CAP_FORGED' });
  });

  test.each([
    ['no null', `{ kind: 'call', cap: 2, input: { a: 'text' }, handles: [{ path: ['input', 'a'], handle: 1 }] }`],
    ['nothing', `{ kind: 'call', cap: 2, input: {}, handles: [{ path: ['input', 'a'], handle: 1 }] }`],
    [
      'a handle already',
      `{ kind: 'call', cap: 2, input: null, handles: [{ path: ['input'], handle: 1 }, { path: ['input'], handle: 1 }] }`,
    ],
    ['the effect itself', `{ kind: 'call', cap: 2, input: {}, reason: 'x', handles: [{ path: ['reason'], handle: 1 }] }`],
    ['a prototype', `{ kind: 'call', cap: 2, input: {}, handles: [{ path: ['input', '__proto__'], handle: 1 }] }`],
  ])('and so does a place that holds %s', async (_, effect) => {
    expect(await host().run(forged(effect))).toMatchObject({ kind: 'failed', code: 'CORRAL_EFFECT_INVALID' });
  });

  test('means nothing in another run: a child’s first handle is its own', async () => {
    const w = host();
    expect(await w.run(agentFile('hostile/handle-of-the-parent'))).toEqual({ kind: 'completed', output: 'CORRAL_CAP_FORGED' });
  });

  test('is not made by text: what looks like a handle is handed on as it is', async () => {
    const w = host();
    const body = `const h = await caps.mail.handle({});
      const copy = JSON.parse(JSON.stringify(h));
      return [copy, { handle: 1 }, await open(copy).catch((e) => e.code)];`;
    expect(
      await w.run(agent(body.replace('await open(copy).catch((e) => e.code)', `await (async () => open(copy))().catch((e) => e.code)`))),
    ).toMatchObject({
      output: [{ type: 'object' }, { handle: 1 }, 'CORRAL_ARGS_INVALID'],
    });
  });
});

const CREW = (kid: string, body: string) => `import { defineAgent } from '@corral/guest';
  const kid = defineAgent({ name: 'kid', ${kid} });
  export default defineAgent({ name: 'planner', ${USES}, spawns: { kid }, async run({ input, caps, open, spawn, messages, mailbox }) { ${body} } });`;
/** Goes through without anybody being asked only while the run is clean. */
const CLEAN = `await caps.pay({ to: 'someone-new', amount: 3 });`;

describe('handed to a child', () => {
  test('a handle is the child’s to open: it answers with a number, and the planner pays by it unasked', async () => {
    const w = host();
    const kid = `output: { '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value }), jsonSchema: { input: () => ({ type: 'number' }), output: () => ({ type: 'number' }) } } },
      run: async ({ input, open }) => (await open(input.mail.part('text'))).length`;
    const body = `const h = await caps.mail.handle({});
      const end = await spawn(kid, { mail: h, also: [h.part('amount')] }).ended;
      await caps.pay({ to: 'someone-new', amount: end.output });
      return end.output;`;
    const { id, ended } = await w.submit(await w.deploy(CREW(kid, body)));
    expect(await ended).toEqual({ kind: 'completed', output: SECRET.length });
    expect(await crossed(w, id)).not.toContain('EVIL');
  });

  test('a handle that the child does not open leaves it clean, and comes back in its output as a handle again', async () => {
    const w = host();
    const { id, ended } = await w.submit(await w.deploy(agentFile('handles/there-and-back')));
    expect(await ended).toEqual({ kind: 'completed', output: ['object', 'string', SECRET, 7] });
    const child = (await w.store.runs({})).find(({ record }) => record.parent?.run === id);
    expect(child?.status.outcome).toMatchObject({ output: { same: { text: SECRET }, list: [SECRET] } });
  });

  test('what a child read makes its answer its own, though the answer is a handle', async () => {
    const w = host();
    const kid = `output: { '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value }), jsonSchema: { input: () => ({ type: 'number' }), output: () => ({ type: 'number' }) } } },
      run: async ({ input, open }) => { await open(input); return input.part('amount'); }`;
    const body = `const end = await spawn(kid, await caps.mail.handle({})).ended;
      return caps.pay({ to: 'someone-new', amount: 3 }).catch((e) => e.code);`;
    const { id, ended } = await w.submit(await w.deploy(CREW(kid, body)));
    const { call } = await asked(w, id);
    await w.supervisor.control.decide(id, call, 'owner', 'deny', 'no');
    expect(await ended).toMatchObject({ output: 'CORRAL_APPROVAL_DENIED' });
  });
});

describe('sent in a message', () => {
  test('a handle is the receiver’s own, who is clean until it opens it', async () => {
    const w = host();
    expect(await w.run(agentFile('handles/in-a-message'))).toEqual({ kind: 'completed', output: ['string', SECRET, SECRET] });
  });
});

describe('over time', () => {
  const rest = `await caps.pay({ to: 'someone-new', amount: 3 });
    await caps.send({ to: input.to, text: h.part('text') });
    return open(h.part('text'));`;
  const LATER = agent(`const h = await caps.mail.handle({}); await caps.pay({ to: input.to, amount: 5000 }); ${rest}`);
  const JOB = { to: 'ann@example.com', task: 'mail and pay ann@example.com' };
  const parked = async (w: Awaited<ReturnType<typeof bus>>, id: RunId) => {
    await asked(w, id);
    await park(w, id);
  };
  const sent = () => done.filter(({ tool }) => tool === 'mail.send').map(({ input }) => input);

  test.each([
    ['policies', bus],
    ['none', (tools = TOOLS, folder?: string) => world(tools, folder === undefined ? {} : { folder })],
  ])('a handle outlives its run’s place in memory, and its host, with %s in force', async (_, host) => {
    const w = await host();
    const waiting = agent(`const h = await caps.mail.handle({}); await sleep(input.ms); await caps.pay({ to: 'someone-new', amount: 3 });
      await caps.send({ to: input.to, text: h.part('text') }); return open(h.part('text'));`).replace(
      'state, mailbox',
      'state, mailbox, sleep',
    );
    const { id } = await w.submit(await w.deploy(waiting), { ...JOB, ms: 1500 });
    await park(w, id);
    await w.close();
    const next = await host(TOOLS, w.folder);
    expect(await next.supervisor.ended(id)).toEqual({ kind: 'completed', output: SECRET });
    expect(sent()).toEqual([{ to: JOB.to, text: SECRET }]);
    expect(await crossed(next, id)).not.toContain(`"from"`);
  });

  test('a call that was approved late has what was in the handle when people looked at it', async () => {
    const w = await bus();
    const body = `const h = await caps.mail.handle({}); const paying = caps.pay({ to: h.part('from'), amount: 1 }); h.dispose(); await paying; ${CLEAN} return 'paid'`;
    const { id, ended } = await w.submit(await w.deploy(agent(body)), JOB);
    await parked(w, id);
    const { call, input } = await asked(w, id);
    expect(input).toEqual({ to: 'DE99EVIL00000000000001', amount: 1 });
    await w.supervisor.control.decide(id, call, 'owner', 'approve', 'known');
    expect(await ended).toMatchObject({ output: 'paid' });
    expect(done.filter(({ tool }) => tool === 'pay.send').map((one) => one.input)).toEqual([
      { to: 'DE99EVIL00000000000001', amount: 1 },
      { to: 'someone-new', amount: 3 },
    ]);
  });

  test('a replay is given the same handles, and so is a fork', async () => {
    const w = await bus();
    const version = await w.deploy(LATER);
    const { id, ended } = await w.submit(version, JOB);
    await parked(w, id);
    await w.supervisor.control.decide(id, (await asked(w, id)).call, 'owner', 'approve', 'known');
    expect(await ended).toEqual({ kind: 'completed', output: SECRET });
    const entries = await w.store.journal(id);
    const record = (await w.store.run(id))?.record as RunRecord;
    const source = (await w.store.bundle(version.bundle)) ?? '';
    expect((await w.supervisor.trial({ record, bundle: { digest: version.bundle, source }, entries })).difference).toBeUndefined();
    const at = entries.findIndex(({ decisions }) => decisions.some(({ tool }) => tool === 'mail.send')) + 1;
    const fork = await w.supervisor.fork({ run: id, at, by: 'ann' as never });
    await until(async () => (await w.store.run(fork.id))?.status.waiting === 'resolution');
    await w.supervisor.control.resolve(fork.id, 3, 'ann', { how: 'result', value: { ok: true } });
    expect(await fork.ended).toEqual({ kind: 'completed', output: SECRET });
    expect(sent()).toHaveLength(2);
  });

  test('a state may hold handles: they go on from a checkpoint with their labels, and the others are let go of', async () => {
    const w = await bus();
    const { id, ended } = await w.submit(await w.deploy(agentFile('handles/over-a-checkpoint')), JOB);
    const { call } = await asked(w, id);
    await w.supervisor.control.decide(id, call, 'owner', 'deny', 'no');
    expect(await ended).toEqual({
      kind: 'completed',
      output: ['CORRAL_REVOKED', 'unknown', 'object', SECRET, SECRET, 'CORRAL_APPROVAL_DENIED'],
    });
    expect(sent()).toEqual([{ to: JOB.to, text: SECRET }]);
  });

  test('an unread message keeps its handle over a checkpoint', async () => {
    const w = await bus();
    const kid = `uses: { boss: 'mailbox' }, async run({ input, caps }) { await caps.boss.send({ h: input }); }`;
    const body = `if (state === undefined) { const h = await caps.mail.handle({}); await spawn(kid, h, { caps: { boss: mailbox }, budget: { messages: 2 } }).ended; await checkpoint('on'); }
      const { body } = await messages.next();
      ${CLEAN}
      return open(body.h.part('text'));`;
    const source = CREW(kid, body).replace('messages, mailbox', 'messages, mailbox, state, checkpoint');
    expect(await w.run(source)).toEqual({ kind: 'completed', output: SECRET });
  });

  test('what was read before stays with what comes after: a fork, a message that waits, a child', async () => {
    const w = await bus();
    const PAY = `caps.pay({ to: 'someone-new', amount: 3 }).catch((e) => e.code)`;
    const kid = `uses: { pay: 'tool:pay.send' }, async run({ messages, caps }) { await messages.next(); return ${PAY}; }`;
    const body = `const child = spawn(kid, null, { caps: { pay: caps.pay }, budget: { calls: 5, money_micros: 9_000_000 } });
      await caps.mail({});
      await child.send('go on');
      return (await child.ended).output;`;
    const { ended } = await w.submit(await w.deploy(CREW(kid, body)));
    const one = await asked(w);
    expect(one).toMatchObject({ agent: 'kid', rules: ['strange-destination'] });
    await parked(w, one.run);
    await w.supervisor.control.decide(one.run, one.call, 'owner', 'deny', 'no');
    expect(await ended).toMatchObject({ output: 'CORRAL_APPROVAL_DENIED' });

    const origin = await w.submit(await w.deploy(agent(`await caps.mail({}); return ${PAY};`)));
    await w.supervisor.control.decide(origin.id, (await asked(w, origin.id)).call, 'owner', 'deny', 'no');
    await origin.ended;
    const fork = await w.supervisor.fork({ run: origin.id, at: 2, by: 'ann' as never });
    for (const { call } of fork.unknown) await w.supervisor.control.resolve(fork.id, call, 'ann', { how: 'retry' });
    expect(await asked(w, fork.id)).toMatchObject({ rules: ['strange-destination'] });
  });

  test('a lost result that a person settles is a handle too', async () => {
    const flaky = {
      ...made('flaky', z.object({}), { ...CHANGES, returns: 'untrusted' }),
      invoke: async () => ({ kind: 'unknown' as const, message: 'lost' }),
    };
    const w = await world([flaky]);
    const source = `{ name: 'a', uses: { flaky: 'tool:flaky' }, async run({ caps, open }) { const h = await caps.flaky.handle({}); return [h.type, await open(h)]; } }`;
    const { id, ended } = await w.submit(await w.deploy(source));
    await until(async () => (await w.store.run(id))?.status.waiting === 'resolution');
    await w.supervisor.control.resolve(id, 1, 'ana', { how: 'result', value: 'found it' });
    expect(await ended).toEqual({ kind: 'completed', output: ['string', 'found it'] });
  });
});
