/** A capability that is in a message under way, when it is taken back from its sender or from its receiver. */
import { expect, test } from 'vitest';
import type { GrantId, RunId } from '@corral/protocol/ids';
import type { Commit } from '@corral/protocol/ports/store';
import { agentFile } from '../agents/file.ts';
import { until } from '../until.ts';
import { gate, keepingBack, park, readingTool, world, type World } from '../world.ts';
import { childOf, grantOf, pay } from './granting.ts';

const sends = ({ outbox }: Commit): boolean => outbox.some(({ delivery }) => delivery.kind === 'message');

/** A receiver that stands still, and what lets its sender send; `durable` lets the message be written. */
async function handing() {
  const paid: unknown[] = [];
  const [told, durable, sent] = [gate(), gate(), gate()];
  const read = readingTool('fs.read', () => told.opened);
  const isKept = (commit: Commit) => {
    if (sends(commit)) sent.open();
    return sends(commit);
  };
  const w = await world([read, pay(paid)], { through: (store) => keepingBack(store, isKept, durable.opened) });
  const { id, ended } = await w.submit(await w.deploy(agentFile('grants/hands-on-when-told')));
  const child = await childOf(w, id);
  await w.until(child, (view) => view?.waiting === 'message');
  await w.supervisor.control.pause(child, 'ana', 'wait');
  told.open();
  await sent.opened;
  return { w, id, child, ended, paid, durable };
}

/** The grants of a run to the tool by the store, as `ToolReads.holdings` does. */
const holdings = async ({ store }: World, run: RunId): Promise<{ run: RunId; grant: GrantId }[]> =>
  (await store.grants(run)).flatMap(({ id, holder, target, revoked }) =>
    holder === run && target.kind === 'tool' && target.tool === 'bank.pay' && !revoked ? [{ run, grant: id }] : [],
  );

const arrived = ({ w, child }: Awaited<ReturnType<typeof handing>>) =>
  until(async () => (await w.store.inbox(child)).length > 0, 'the message');
const take = async ({ w, child }: Awaited<ReturnType<typeof handing>>) => {
  const stored = await holdings(w, child);
  const taking = { tool: 'bank.pay', runs: [{ id: child, tenant: 'crew' as never }], stored };
  return (await Promise.all(w.supervisor.stops.takeTool(taking, 'ana', 'leaks').values())).map(({ grants_revoked }) => grants_revoked);
};
const REFUSED = { kind: 'completed', output: 'CORRAL_REVOKED' };

test('a capability that came in a message is used where nobody takes it back', async () => {
  const one = await handing();
  one.durable.open();
  await one.w.supervisor.control.resume(one.child, 'ana', 'go on');
  expect([await one.ended, one.paid]).toEqual([{ kind: 'completed', output: 'ok' }, [1]]);
});

test.each<[string, (one: Awaited<ReturnType<typeof handing>>) => Promise<void>]>([
  [
    'its sender, before the message is written',
    async ({ w, id, durable }) => {
      await w.supervisor.stops.revoke(await grantOf(w, id, 'pay'), 'ana', 'leaks');
      durable.open();
    },
  ],
  [
    'its sender, while the message waits for a receiver that is parked',
    async (one) => {
      one.durable.open();
      await arrived(one);
      await park(one.w, one.child);
      await one.w.supervisor.stops.revoke(await grantOf(one.w, one.id, 'pay'), 'ana', 'leaks');
    },
  ],
  [
    'its receiver, while the message waits for it in memory',
    async (one) => {
      one.durable.open();
      await arrived(one);
      expect(await take(one)).toEqual([1]);
    },
  ],
  [
    'its receiver, while the message waits and it is parked',
    async (one) => {
      one.durable.open();
      await arrived(one);
      await park(one.w, one.child);
      expect(await take(one)).toEqual([1]);
    },
  ],
  [
    'its receiver, twice: the message was not written the first time, and is when all is settled that runs did before',
    async (one) => {
      expect(await take(one)).toEqual([]);
      const settled = one.w.supervisor.stops.settled();
      one.durable.open();
      await settled;
      expect(await take(one)).toEqual([1]);
    },
  ],
])('is refused at its first use where it is taken back from %s', async (_, takeBack) => {
  const one = await handing();
  await takeBack(one);
  await one.w.supervisor.control.resume(one.child, 'ana', 'go on');
  expect(await one.ended).toMatchObject(REFUSED);
  expect(one.paid).toEqual([]);
});
