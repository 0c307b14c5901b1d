/** Authority on the bus: what a capability allows, who may pass it on, and what happens when it is taken back. */
import { describe, expect, test } from 'vitest';
import type { GrantId } from '@corral/protocol/ids';
import { gate, temporary, tool, world, park } from '../world.ts';
import { until } from '../until.ts';
import { read, pay, module, USES, grantOf, childOf, CODE } from './granting.ts';
import { agentFile } from '../agents/file.ts';

describe('rights', () => {
  test('are separate: a coordinator passes on what it may not use, a reader only reads, and nobody hands out more than it was given', async () => {
    const paid: unknown[] = [];
    const w = await world([read(), pay(paid)]);
    expect(await w.run(agentFile('grants/rights'))).toEqual({
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
    expect(await w.run(agentFile('grants/read-alone'))).toMatchObject({
      output: { pay: 'CORRAL_GRANT_RIGHT', read: 'ok', passed: 'CORRAL_GRANT_RIGHT' },
    });
    expect(paid).toEqual([]);
  });
});

describe('limits on a grant', () => {
  const shared = agentFile('grants/shared-by-two');

  test('hold for the rate, and for the bytes that go through it', async () => {
    const w = await world([read(), pay([])]);
    const paths = ['a', 'b', 'c'];
    const rated = await w.run(shared, { terms: { rate: { per_minute: 2 } }, paths });
    expect(rated).toMatchObject({ output: [0, 1].map(() => ['ok', 'ok', 'CORRAL_GRANT_RATE']) });
    // {"path":"a"} has 12 bytes
    const sliced = await w.run(shared, { terms: { bytes: 25 }, paths });
    expect(sliced).toMatchObject({ output: [0, 1].map(() => ['ok', 'ok', 'CORRAL_GRANT_SPENT']) });
  });

  test('for clean runs alone are refused where nobody keeps track of what a run has read', async () => {
    const w = await world([read(), pay([])]);
    expect(await w.run(shared, { terms: { only_clean: true }, paths: ['a'] })).toMatchObject({
      output: [['CORRAL_GRANT_LABEL'], ['CORRAL_GRANT_LABEL']],
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
    const { id, ended } = await w.submit(await w.deploy(agentFile('grants/chain-of-three')));
    await began.opened;
    const [payGrant, readGrant] = [await grantOf(w, id, 'pay'), await grantOf(w, id, 'read')];
    expect(await w.supervisor.stops.revoke(payGrant, 'ana', 'leaking')).toMatchObject({ calls_aborted: 1 });
    expect(await w.supervisor.stops.revoke(readGrant, 'ana', 'leaking')).toMatchObject({ calls_aborted: 1 });
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

  // Bug counted-again: the tool had not obeyed its signal yet when the next grant was taken back, and its call was in that receipt too.
  test('is counted with the calls that it aborted, and not with those that were aborted before and whose tools still answer', async () => {
    const [began, givenUp, answers] = [gate(), gate(), gate()];
    let calls = 0;
    const slow = (name: string) =>
      tool(name, async (_, { signal }) => {
        signal.addEventListener('abort', () => givenUp.open());
        calls += 1;
        if (calls === 3) began.open();
        await answers.opened;
        return 'done';
      });
    const w = await world([slow('fs.read'), slow('bank.pay')]);
    const { id, ended } = await w.submit(await w.deploy(agentFile('grants/gives-up-one')));
    await Promise.all([began.opened, givenUp.opened]);
    const revoke = async (alias: string) => w.supervisor.stops.revoke(await grantOf(w, id, alias), 'ana', 'leaking');
    expect(await revoke('pay')).toMatchObject({ calls_aborted: 1 });
    // The agent gave the other one of its two readings up itself.
    expect(await revoke('read')).toMatchObject({ calls_aborted: 1 });
    expect(await revoke('read')).toMatchObject({ calls_aborted: 0 });
    answers.open();
    expect(await ended).toMatchObject({ output: ['AbortError', 'CORRAL_REVOKED', 'CORRAL_REVOKED'] });
  });

  test('is gone for a parked run too when it comes back', { tags: 'long' }, async () => {
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
    const { ended } = await w.submit(await w.deploy(agentFile('grants/narrowed-in-a-message')));
    expect(await ended).toMatchObject({
      output: {
        seen: ['hello', expect.stringContaining('"body":"hello"'), 'text of a', 'CORRAL_GRANT_SPENT', 'CORRAL_GRANT_SPENT'],
        missing: 'CORRAL_CAP_NOT_GRANTED',
        from: 'server',
      },
    });
  });

  test('reaches a parked receiver, and is still there unread after a checkpoint and a replay', { tags: 'long' }, async () => {
    const w = await world([read(), pay([])]);
    const { id, ended } = await w.submit(await w.deploy(agentFile('grants/read-after-a-checkpoint')));
    const child = await childOf(w, id);
    await park(w, child);
    await until(async () => (await w.store.run(child))?.checkpoint !== 0);
    await w.until(child, (view) => view?.waiting === 'timer');
    await park(w, child);
    expect(await ended).toMatchObject({ output: ['two', 'text of x'] });
  });

  test('is let go of by dispose, after which its index names nothing and what was passed on lives on', async () => {
    const w = await world([read(), pay([])]);
    expect(await w.run(agentFile('grants/lets-go'))).toMatchObject({ output: ['CORRAL_REVOKED', 'CORRAL_ARGS_INVALID', 'text of mine'] });
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

  test(
    'of what changes something are made only where the agent asks for them, and the tool says it did nothing',
    { tags: 'long' },
    async () => {
      const once = flaky(1, {});
      expect(await (await world([once.tool, pay([])])).run(agent('{}'))).toMatchObject({ output: 'CORRAL_TOOL_FAILED' });
      const twice = flaky(1, {});
      expect(await (await world([twice.tool, pay([])])).run(agent('{ retry: { attempts: 2 } }'))).toMatchObject({ output: 'ok' });
      const never = flaky(9, { readOnly: true });
      expect(await (await world([never.tool, pay([])])).run(agent('{ retry: { attempts: 1 } }'))).toMatchObject({
        output: 'CORRAL_TOOL_FAILED',
      });
      expect([once.keys.length, twice.keys.length, never.keys.length]).toEqual([1, 2, 1]);
    },
  );
});
