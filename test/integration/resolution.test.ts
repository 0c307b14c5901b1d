/** A call of which nobody knows whether it acted, settled by a person: what is kept of that, and what it costs to have it made again. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import type { RunId } from '@corral/protocol/ids';
import type { Tool } from '@corral/protocol/ports/tool';
import { SqliteStore } from '@corral/store/sqlite';
import { amend, read, realClock, resolutionOf, type Resolution } from '@corral/supervisor';
import { describe as described } from '@corral/tools/define';
import { outputOf } from './payments.ts';
import { temporary, world, type World } from '../world.ts';
import { until } from '../until.ts';
import { agentFile } from '../agents/file.ts';

/** A payment whose answer is lost as often as is said, after it was made. */
function losing(times: number, paid: number[] = []): Tool {
  let lost = 0;
  return {
    ...described({
      name: 'payments.send',
      description: 'pays',
      input: z.object({ amount: z.number() }),
      output: z.object({ paid: z.boolean() }),
      annotations: { readOnly: false, destructive: true, openWorld: true, idempotent: false, returns: 'trusted', money: 'amount' },
    }),
    invoke: ({ input }) => {
      paid.push((input as { amount: number }).amount);
      lost += 1;
      return Promise.resolve(lost <= times ? { kind: 'unknown', message: 'the line went dead' } : { kind: 'ok', value: { paid: true } });
    },
  };
}
const AGENT = agentFile('crew/pays-twice');
const MILLION = 1_000_000;
const money = (units: number) => ({ budget: { money_micros: units * MILLION } });
const unknown = (w: World, id: RunId) =>
  until(async () => (await w.store.run(id))?.status.waiting === 'resolution', `${id} waits for a resolution`);

describe('a payment of unknown result that a person has made again', () => {
  test('is reserved once more, and billed twice: it may have been paid both times', async () => {
    const paid: number[] = [];
    const w = await world([losing(1, paid)]);
    const { id, ended } = await w.submit(await w.deploy(AGENT), {}, money(14));
    await unknown(w, id);
    await w.supervisor.control.resolve(id, 1, 'ana', { how: 'retry' }, 'the bank has nothing');
    // 14 less twice 5 is less than the second payment takes.
    expect(outputOf(await ended)).toEqual([true, 'CORRAL_BUDGET_EXCEEDED']);
    expect(paid).toEqual([5, 5]);
    const [said] = (await w.store.journal(id)).flatMap(({ event }) => (event?.kind === 'resolved' ? [event] : []));
    expect(said).toMatchObject({ by: 'ana', how: 'retry', reason: 'the bank has nothing', again: { money_micros: 5 * MILLION } });
  });

  test('is refused where the purse does not have it once more, however often it was asked for', async () => {
    const paid: number[] = [];
    const w = await world([losing(9, paid)]);
    const { id, ended } = await w.submit(await w.deploy(AGENT), {}, money(12));
    await unknown(w, id);
    await w.supervisor.control.resolve(id, 1, 'ana', { how: 'retry' });
    await until(() => paid.length >= 2);
    await unknown(w, id);
    await expect(w.supervisor.control.resolve(id, 1, 'ana', { how: 'retry' })).rejects.toMatchObject({ code: 'CORRAL_BUDGET_EXCEEDED' });
    await w.supervisor.park();
    await expect(w.supervisor.control.resolve(id, 1, 'ana', { how: 'retry' })).rejects.toMatchObject({ code: 'CORRAL_BUDGET_EXCEEDED' });
    await w.supervisor.control.resolve(id, 1, 'ana', { how: 'result', value: { paid: true } });
    expect(outputOf(await ended)).toEqual([true, 'CORRAL_BUDGET_EXCEEDED']);
    expect(paid).toEqual([5, 5]);
  });

  test('is billed the same by the next host, which reads it back', async () => {
    const folder = await temporary();
    const paid: number[] = [];
    const first = await world([losing(1, paid)], { folder });
    const { id } = await first.submit(await first.deploy(AGENT), {}, money(16));
    await unknown(first, id);
    await first.close();
    const second = await world([losing(0, paid)], { folder });
    const ended = second.supervisor.ended(id);
    await second.supervisor.control.resolve(id, 1, 'ana', { how: 'retry' });
    expect(outputOf(await ended)).toEqual([true, true]);
    expect(paid).toEqual([5, 5, 5]);
  });
});

describe('what a person says of a call', () => {
  const settled = async (folder: string, w: World, id: RunId, resolution: Resolution, live: boolean): Promise<unknown> => {
    if (live) await w.supervisor.control.resolve(id, 1, 'ana', resolution, 'looked');
    else {
      await w.close();
      const store = await SqliteStore.open(join(folder, 'data'));
      const tool = losing(0);
      try {
        await amend(store, realClock, id, async ({ ledger }) => [
          await resolutionOf(ledger, 1, { by: 'ana', reason: 'looked' }, resolution, tool),
        ]);
        expect((await read(store, id)).entries.at(-1)?.event).toMatchObject({ kind: 'resolved', reason: 'looked' });
      } finally {
        await store.close();
      }
      w = await world([losing(0)], { folder });
    }
    return outputOf(await w.supervisor.ended(id));
  };

  test.each([true, false])('answers a call made for a handle with a handle (on a living host: %s)', async (live) => {
    const folder = await temporary();
    const w = await world([losing(1)], { folder });
    const { id } = await w.submit(await w.deploy(AGENT), { handle: true }, money(20));
    await unknown(w, id);
    expect(await settled(folder, w, id, { how: 'result', value: { paid: true } }, live)).toEqual(['object', { paid: true }]);
  });

  test.each([true, false])('is held to the output schema of the tool (on a living host: %s)', async (live) => {
    const folder = await temporary();
    const w = await world([losing(1)], { folder });
    const { id } = await w.submit(await w.deploy(AGENT), {}, money(20));
    await unknown(w, id);
    for (const value of [{ paid: 'yes' }, 'paid', null])
      await expect(
        live
          ? w.supervisor.control.resolve(id, 1, 'ana', { how: 'result', value })
          : settled(folder, w, id, { how: 'result', value }, false),
      ).rejects.toMatchObject({
        code: 'CORRAL_REQUEST_INVALID',
      });
    expect(await settled(folder, w, id, { how: 'fail' }, live)).toEqual(['CORRAL_UNKNOWN_RESULT', true]);
  });

  test('has the reason that was given, and none that was not', async () => {
    const w = await world([losing(2)]);
    const { id, ended } = await w.submit(await w.deploy(AGENT), {}, money(20));
    await unknown(w, id);
    await w.supervisor.control.resolve(id, 1, 'ana', { how: 'fail' });
    await until(async () => (await w.store.journal(id)).length >= 4, 'the second payment was made');
    await unknown(w, id);
    await w.supervisor.control.resolve(id, 2, 'ben', { how: 'result', value: { paid: true } }, 'the bank says so');
    await ended;
    const said = (await w.store.journal(id)).flatMap(({ event }) => (event?.kind === 'resolved' ? [event] : []));
    expect(said.map((one) => ('reason' in one ? one.reason : undefined))).toEqual([undefined, 'the bank says so']);
  });
});
