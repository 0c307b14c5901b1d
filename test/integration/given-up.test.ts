/** A call that its run no longer awaits is not asked about, and not made. The real host, real policies that ask people. */
import { describe, expect, test } from 'vitest';
import { asked, bus, forbidding, outputOf, paid, payments } from './payments.ts';
import type { World } from '../world.ts';
import { until } from '../until.ts';
import { agentFile } from '../agents/file.ts';
import { eachOrLong } from '../tables.ts';

/** Pays under a rule that asks people, and no longer wants to in a way that its input names. */
const UNDECIDED = agentFile('crew/undecided');

const ASKING = forbidding('@consequence("approval")');
const gone = (w: World) => until(async () => (await w.supervisor.approvals()).length === 0);

describe('a call that waits for people', () => {
  eachOrLong(
    [
      ['abort', 'AbortError'],
      ['signal', 'TimeoutError'],
      ['dispose', 'CORRAL_CALL_GIVEN_UP'],
      ['timeout', 'CORRAL_TIMED_OUT'],
    ],
    ['signal', 'dispose'],
  )('leaves their list when its agent no longer waits for it (%s), and holds up no checkpoint', async (how, code) => {
    paid.length = 0;
    const w = await bus([payments()], ASKING);
    const { id, ended } = await w.submit(await w.deploy(UNDECIDED), { how });
    const { call } = await asked(w);
    await gone(w);
    await expect(w.supervisor.control.decide(id, call, 'owner', 'approve', '')).rejects.toMatchObject({
      code: expect.stringMatching(/CORRAL_RUN_(STATE|UNKNOWN)/) as string,
    });
    expect(outputOf(await ended)).toBe(code);
    expect(paid).toEqual([]);
  });

  test('says to whoever approves it too late that it was given up', async () => {
    paid.length = 0;
    const w = await bus([payments()], ASKING);
    const { id } = await w.submit(
      await w.deploy(`{ name: 'slow', uses: { pay: 'tool:payments.send' }, async run({ caps, sleep }) {
        await caps.pay({ to: 'a', amount: 1 }, { signal: AbortSignal.timeout(2000) }).catch(() => 0);
        await sleep(600_000);
      } }`),
    );
    const { call } = await asked(w);
    await gone(w);
    for (const verdict of ['approve', 'deny'] as const)
      await expect(w.supervisor.control.decide(id, call, 'owner', verdict, '')).rejects.toThrow(/given up/);
    await w.supervisor.park();
    await expect(w.supervisor.control.decide(id, call, 'owner', 'approve', '')).rejects.toThrow(/given up/);
    expect(paid).toEqual([]);
  });

  test('is withdrawn at once when its capability is taken back, also from a run that is parked', async () => {
    paid.length = 0;
    for (const parked of [false, true]) {
      const w = await bus([payments()], ASKING);
      const { id, ended } = await w.submit(
        await w.deploy(`{ name: 'waits', uses: { pay: 'tool:payments.send' }, run: ({ caps }) =>
          caps.pay({ to: 'a', amount: 1 }).then(() => 'paid', (error) => error.code) }`),
      );
      const { call } = await asked(w);
      const stored = await w.store.run(id);
      const grant = stored?.record.caps.find(({ alias }) => alias === 'pay')?.grant;
      if (parked) await w.supervisor.park();
      await w.supervisor.stops.revoke(grant as never, 'ops', 'not any more');
      await expect(w.supervisor.control.decide(id, call, 'owner', 'approve', '')).rejects.toThrow(/taken back|not ended/);
      expect(outputOf(await ended)).toBe('CORRAL_REVOKED');
      expect([paid, await w.supervisor.approvals()]).toEqual([[], []]);
    }
  });

  test('may be given up in the very crank that made it', async () => {
    paid.length = 0;
    const w = await bus([payments()], ASKING);
    expect(outputOf(await w.run(UNDECIDED, { how: 'same' }))).toBe('AbortError');
    expect([paid, await w.supervisor.approvals()]).toEqual([[], []]);
  });

  test('is still made when one is approved and another given up', async () => {
    paid.length = 0;
    const w = await bus([payments()], ASKING);
    const { id, ended } = await w.submit(await w.deploy(agentFile('crew/gives-up-one-of-two')));
    await asked(w);
    await until(async () => (await w.supervisor.approvals()).length === 1);
    const [left] = await w.supervisor.approvals();
    await w.supervisor.control.decide(id, left?.call as number, 'owner', 'approve', '');
    expect(outputOf(await ended)).toEqual(['TimeoutError', 'paid']);
    expect(paid).toEqual([{ to: 'b', amount: 1 }]);
  });
});

test('a call that nobody asks about and that is given up in the crank that made it never leaves', async () => {
  paid.length = 0;
  const w = await bus([payments()], '@id("free") permit (principal, action, resource);');
  expect(outputOf(await w.run(UNDECIDED, { how: 'same' }))).toBe('AbortError');
  expect(paid).toEqual([]);
});
