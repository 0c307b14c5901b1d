/** Authority on the bus: what a capability allows, who may pass it on, and what happens when it is taken back. */
import { describe, expect, test } from 'vitest';
import type { GrantId } from '@corral/protocol/ids';
import { gate, temporary, tool, world, park } from '../world.ts';
import { until } from '../until.ts';
import { read, pay, module, USES, grantOf, childOf, CODE, SERVER } from './granting.ts';

describe('rights', () => {
  test('are separate: a coordinator passes on what it may not use, a reader only reads, and nobody hands out more than it was given', async () => {
    const paid: unknown[] = [];
    const w = await world([read(), pay(paid)]);
    expect(
      await w.run(
        module(
          CODE,
          `const worker = defineAgent({ name: 'worker', ${USES}, spawns: {}, async run({ caps }) {
            return { pay: await code(caps.pay({ amount: 1 })), read: await code(caps.read({ path: 'a' })) };
          } });`,
          `const boss = defineAgent({ name: 'boss', ${USES}, spawns: { worker }, async run({ caps, spawn }) {
            const mine = await code(caps.pay({ amount: 100 }));
            const same = await spawn(worker, {}, { caps: { pay: caps.pay, read: caps.read }, budget: { calls: 5 } }).ended;
            const more = await spawn(worker, {}, { caps: { pay: caps.pay.attenuate({ rights: ['invoke', 'delegate', 'read'] }), read: caps.read.attenuate({ rights: ['delegate'] }) }, budget: { calls: 5 } }).ended;
            return { mine, same: same.output, more: more.output ?? more.code };
          } });`,
          `export default defineAgent({ name: 'owner', ${USES}, spawns: { boss, worker }, async run({ caps, spawn }) {
            const given = { pay: caps.pay.attenuate({ rights: ['delegate'], passes: ['invoke'] }), read: caps.read.attenuate({ rights: ['read', 'delegate'] }) };
            return (await spawn(boss, {}, { caps: given, budget: { calls: 20, children: 5 } }).ended).output;
          } });`,
        ),
      ),
    ).toEqual({
      kind: 'completed',
      output: {
        mine: 'CORRAL_GRANT_RIGHT',
        same: { pay: 'ok', read: 'ok' },
        more: { pay: 'ok', read: 'CORRAL_GRANT_RIGHT' },
      },
    });
    expect(paid).toEqual([1, 1]);
  });

  test('to read do not reach a tool that changes something, and what may not be passed on is not', async () => {
    const paid: unknown[] = [];
    const w = await world([read(), pay(paid)]);
    expect(
      await w.run(
        module(
          CODE,
          `const leaf = defineAgent({ name: 'leaf', ${USES}, async run() { return 1 } });`,
          `const worker = defineAgent({ name: 'worker', ${USES}, spawns: { leaf }, async run({ caps, spawn }) {
            const end = await spawn(leaf, {}, { caps }).ended;
            return { pay: await code(caps.pay({ amount: 1 })), read: await code(caps.read({ path: 'a' })), passed: end.code };
          } });`,
          `export default defineAgent({ name: 'owner', ${USES}, spawns: { worker, leaf }, async run({ caps, spawn }) {
            const given = { pay: caps.pay.attenuate({ rights: ['read'] }), read: caps.read.attenuate({ rights: ['read'] }) };
            return (await spawn(worker, {}, { caps: given, budget: { calls: 20, children: 2 } }).ended).output;
          } });`,
        ),
      ),
    ).toMatchObject({ output: { pay: 'CORRAL_GRANT_RIGHT', read: 'ok', passed: 'CORRAL_GRANT_RIGHT' } });
    expect(paid).toEqual([]);
  });
});

describe('limits on a grant', () => {
  const worker = (body: string) => `const worker = defineAgent({ name: 'worker', ${USES}, async run({ caps }) { ${body} } });`;
  const owner = (terms: string) =>
    `export default defineAgent({ name: 'owner', ${USES}, spawns: { worker }, async run({ caps, spawn }) {
      const given = caps.read.attenuate(${terms});
      const ends = await Promise.all([0, 1].map(() => spawn(worker, {}, { caps: { read: given, pay: caps.pay }, budget: { calls: 20 } }).ended));
      return ends.map((end) => end.output ?? end);
    } });`;

  test('hold for the rate, and for the bytes that go through it', async () => {
    const w = await world([read(), pay([])]);
    const three = worker(
      `const codes = []; for (const path of ['a', 'b', 'c']) codes.push(await code(caps.read({ path }))); return codes;`,
    );
    const rated = await w.run(module(CODE, three, owner('{ rate: { per_minute: 2 } }')));
    expect(rated).toMatchObject({ output: [0, 1].map(() => ['ok', 'ok', 'CORRAL_GRANT_RATE']) });
    // {"path":"a"} has 12 bytes
    const sliced = await w.run(module(CODE, three, owner('{ bytes: 25 }')));
    expect(sliced).toMatchObject({ output: [0, 1].map(() => ['ok', 'ok', 'CORRAL_GRANT_SPENT']) });
  });

  test('for clean runs alone are refused where nobody keeps track of what a run has read', async () => {
    const w = await world([read(), pay([])]);
    expect(await w.run(module(CODE, worker(`return code(caps.read({ path: 'a' }))`), owner('{ only_clean: true }')))).toMatchObject({
      output: ['CORRAL_GRANT_LABEL', 'CORRAL_GRANT_LABEL'],
    });
  });
});

describe('a grant that is taken back', () => {
  test('ends everything derived from it at once, through a chain of runs and calls under way, and stays so after a restart', async () => {
    const began = gate();
    const aborted = gate();
    const slow = tool('bank.pay', async (_, { signal }) => {
      began.open();
      await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
    });
    const stubborn = tool('fs.read', async (_, { signal }) => {
      signal.addEventListener('abort', () => aborted.open());
      await aborted.opened;
      return 'the secret';
    });
    const folder = await temporary();
    const w = await world([stubborn, slow], { folder });
    const { id, ended } = await w.submit(
      await w.deploy(
        module(
          CODE,
          `const leaf = defineAgent({ name: 'leaf', ${USES}, async run({ caps }) {
            const first = await Promise.all([code(caps.pay({})), code(caps.read({}))]);
            return [...first, await code(caps.pay({}))];
          } });`,
          `const middle = defineAgent({ name: 'middle', ${USES}, spawns: { leaf }, async run({ caps, spawn }) {
            return (await spawn(leaf, {}, { caps, budget: { calls: 9 } }).ended).output;
          } });`,
          `export default defineAgent({ name: 'owner', ${USES}, spawns: { middle, leaf }, async run({ caps, spawn, messages }) {
            const below = (await spawn(middle, {}, { caps, budget: { calls: 20, children: 1 } }).ended).output;
            return { below, own: await code(caps.pay({})) };
          } });`,
        ),
      ),
    );
    await began.opened;
    const [payGrant, readGrant] = [await grantOf(w, id, 'pay'), await grantOf(w, id, 'read')];
    expect(await w.supervisor.stops.revoke(payGrant, 'ana', 'leaking')).toEqual({ calls_aborted: 1 });
    expect(await w.supervisor.stops.revoke(readGrant, 'ana', 'leaking')).toEqual({ calls_aborted: 1 });
    expect(await ended).toEqual({
      kind: 'completed',
      output: { below: ['CORRAL_REVOKED', 'CORRAL_REVOKED', 'CORRAL_REVOKED'], own: 'CORRAL_REVOKED' },
    });
    const leaf = await childOf(w, await childOf(w, id));
    const journal = await w.store.journal(leaf);
    const fenced = journal.flatMap(({ event }) => (event?.kind === 'fenced' ? [event.result] : []));
    // The answer that the tool gave in spite of it is evidence, and the agent was not given it.
    expect(fenced).toContainEqual(expect.objectContaining({ value: 'the secret' }));
    expect(journal.some(({ delivery }) => delivery?.includes('the secret') === true)).toBe(false);
    await expect(w.supervisor.stops.revoke('grant_000000000000' as GrantId, 'ana', '')).rejects.toMatchObject({
      code: 'CORRAL_GRANT_UNKNOWN',
    });
    await w.close();
    const again = await world([read(), pay([])], { folder });
    expect((await again.store.grants(id)).filter(({ revoked }) => revoked).map((grant) => grant.id)).toEqual(
      expect.arrayContaining([payGrant, readGrant]),
    );
  });

  test('is gone for a parked run too when it comes back', async () => {
    const w = await world([read(), pay([])]);
    const { id, ended } = await w.submit(
      await w.deploy(
        module(
          CODE,
          `export default defineAgent({ name: 'owner', ${USES}, async run({ caps, sleep }) { await sleep(300); return code(caps.read({})); } });`,
        ),
      ),
    );
    await w.until(id, (view) => view?.waiting === 'timer');
    await park(w, id);
    await w.supervisor.stops.revoke(await grantOf(w, id, 'read'), 'ana', 'old');
    expect(await ended).toMatchObject({ output: 'CORRAL_REVOKED' });
  });
});

describe('a capability in a message', () => {
  test('is the receiver’s own, narrowed as the sender said', async () => {
    const w = await world([read(), pay([])]);
    const { ended } = await w.submit(
      await w.deploy(
        module(
          CODE,
          SERVER(`
            const { reader, reply } = message.caps;
            const seen = [message.body, JSON.stringify(message), await reader({ path: 'a' }), await code(reader({ path: 'a' })), await code(reader({ path: 'b' }))];
            let missing; try { message.caps.other } catch (error) { missing = error.code }
            await reply.send({ seen, missing });
          `),
          `export default defineAgent({ name: 'owner', ${USES}, spawns: { server }, async run({ caps, spawn, messages, mailbox }) {
            const child = spawn(server, {});
            await child.send('hello', { caps: { reader: caps.read.attenuate({ where: { path: { equals: 'a' } }, uses: 1 }), reply: mailbox } });
            const { body, from } = await messages.next();
            return { ...body, from: from.agent };
          } });`,
        ),
      ),
    );
    expect(await ended).toMatchObject({
      output: {
        seen: ['hello', expect.stringContaining('"body":"hello"'), 'text of a', 'CORRAL_GRANT_SPENT', 'CORRAL_GRANT_SPENT'],
        missing: 'CORRAL_CAP_NOT_GRANTED',
        from: 'server',
      },
    });
  });

  test('reaches a parked receiver, and is still there unread after a checkpoint and a replay', async () => {
    const w = await world([read(), pay([])]);
    const { id, ended } = await w.submit(
      await w.deploy(
        module(
          CODE,
          `const server = defineAgent({ name: 'server', async run({ messages, state, checkpoint, sleep }) {
            if (state === undefined) { await messages.next(); await sleep(50); await checkpoint('second'); }
            const { caps, body } = await messages.next();
            await sleep(200);
            return [body, await caps.reader({ path: 'x' })];
          } });`,
          `export default defineAgent({ name: 'owner', ${USES}, spawns: { server }, async run({ caps, spawn, sleep }) {
            const child = spawn(server, {});
            await sleep(300);
            await child.send('one', { caps: { other: caps.pay } });
            await child.send('two', { caps: { reader: caps.read } });
            return (await child.ended).output;
          } });`,
        ),
      ),
    );
    const child = await childOf(w, id);
    await park(w, child);
    await until(async () => (await w.store.run(child))?.checkpoint !== 0);
    await w.until(child, (view) => view?.waiting === 'timer');
    await park(w, child);
    expect(await ended).toMatchObject({ output: ['two', 'text of x'] });
  });

  test('is let go of by dispose, after which its index names nothing and what was passed on lives on', async () => {
    const w = await world([read(), pay([])]);
    expect(
      await w.run(
        module(
          CODE,
          SERVER(`return message.caps.reader({ path: 'mine' });`),
          `export default defineAgent({ name: 'owner', ${USES}, spawns: { server }, async run({ caps, spawn, mailbox }) {
            const child = spawn(server, {});
            const sent = child.send('', { caps: { reader: caps.read } });
            await sent;
            caps.read.dispose();
            caps.read.dispose();
            let own; try { mailbox.dispose() } catch (error) { own = error.code }
            return [await code(caps.read({ path: 'x' })), own, (await child.ended).output];
          } });`,
        ),
      ),
    ).toMatchObject({ output: ['CORRAL_REVOKED', 'CORRAL_ARGS_INVALID', 'text of mine'] });
  });
});

describe('retries', () => {
  const flaky = (fails: number, annotations: Parameters<typeof tool>[2]) => {
    const keys: string[] = [];
    const made = tool('fs.read', () => 'done', annotations);
    return {
      keys,
      tool: {
        ...made,
        invoke: (call: Parameters<typeof made.invoke>[0]) => {
          keys.push(`${call.idempotency_key}#${call.attempt}`);
          return keys.length <= fails ? Promise.resolve({ kind: 'failed' as const, message: 'busy', retryable: true }) : made.invoke(call);
        },
      },
    };
  };
  const agent = (options: string) =>
    module(
      CODE,
      `export default defineAgent({ name: 'owner', ${USES}, async run({ caps }) { return code(caps.read({}, ${options})); } });`,
    );

  test('follow what the tool says of itself, under one key, and the journal has the number of attempts', async () => {
    const { tool: read, keys } = flaky(2, { readOnly: true, idempotent: true });
    const w = await world([read, pay([])]);
    const { id, ended } = await w.submit(await w.deploy(agent('{}')));
    expect(await ended).toMatchObject({ output: 'ok' });
    expect(keys).toEqual([1, 2, 3].map((attempt) => `${id}:1#${attempt}`));
    expect((await w.store.journal(id)).some(({ delivery }) => delivery?.includes('"attempts":3') === true)).toBe(true);
  });

  test('of what changes something are made only where the agent asks for them, and the tool says it did nothing', async () => {
    const once = flaky(1, {});
    expect(await (await world([once.tool, pay([])])).run(agent('{}'))).toMatchObject({ output: 'CORRAL_TOOL_FAILED' });
    const twice = flaky(1, {});
    expect(await (await world([twice.tool, pay([])])).run(agent('{ retry: { attempts: 2 } }'))).toMatchObject({ output: 'ok' });
    const never = flaky(9, { readOnly: true });
    expect(await (await world([never.tool, pay([])])).run(agent('{ retry: { attempts: 1 } }'))).toMatchObject({
      output: 'CORRAL_TOOL_FAILED',
    });
    expect([once.keys.length, twice.keys.length, never.keys.length]).toEqual([1, 2, 1]);
  });
});
