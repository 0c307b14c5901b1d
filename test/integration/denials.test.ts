/** A denial may stop more than its call, and all of that is as durable as the denial: no host can die, and no disk be full, in between. */
import { describe, expect, test } from 'vitest';
import { CorralError } from '@corral/protocol/errors';
import type { Commit, Store } from '@corral/protocol/ports/store';
import { temporary, tool, world } from '../world.ts';
import { forbidding, paid, PAYER, payments, policies } from './payments.ts';

/** A host whose denials stop what they concern, the commits that it makes, and how many of those with a denial are refused first. */
async function strict(consequence: 'pause' | 'quarantine', refused = 0) {
  paid.length = 0;
  const folder = await temporary();
  const commits: Commit[] = [];
  let left = refused;
  const through = (store: Store): Store =>
    new Proxy(store, {
      get(target, name) {
        const member = Reflect.get(target, name) as unknown;
        if (name !== 'commit') return typeof member === 'function' ? (member as () => void).bind(target) : member;
        return (commit: Commit) => {
          if (isDenial(commit) && left-- > 0) return Promise.reject(new CorralError('CORRAL_DISK_FULL', 'There is no space left.'));
          commits.push(commit);
          return target.commit(commit);
        };
      },
    });
  const tools = [payments()];
  const tenants = { crew: { tools, policies: { current: policies(tools, forbidding(`@consequence("${consequence}")`)) } } };
  const w = await world(tools, { folder, through, tenants });
  return { w, commits, again: () => world(tools, { folder, tenants }) };
}
const isDenial = ({ entry }: Commit) => entry.decisions.some(({ verdict }) => verdict === 'deny');

describe('the commit with a denial', () => {
  test.each([
    ['pause', 'paused'],
    ['quarantine', 'quarantined'],
  ] as const)('that means %s has the stop too, and the next host finds the run as it stands', async (consequence, control) => {
    const { w, commits, again } = await strict(consequence);
    const { id } = await w.submit(await w.deploy(PAYER));
    await w.until(id, (view) => view?.control === control);
    await expect.poll(() => commits.filter(isDenial).length).toBe(1);
    expect(commits.find(isDenial)).toMatchObject({
      entry: { event: { kind: 'control', control, by: 'policy', reason: 'refused by looked-at' } },
      status: { control },
    });
    expect(commits.filter(({ entry }) => entry.event?.kind === 'control')).toHaveLength(1);
    await w.close();
    const next = await again();
    expect((await next.store.run(id))?.status.control).toBe(control);
    expect((await next.store.journal(id)).at(-1)?.event).toMatchObject({ control });
  });

  test('that means quarantine puts it up against the version, also where the crank ends the run', async () => {
    const { w, commits } = await strict('quarantine');
    const version = await w.deploy(`{ name: 'payer', uses: { pay: 'tool:payments.send' }, async run({ caps }) {
      caps.pay({ to: 'a', amount: 1 }).catch(() => undefined);
      return 'done';
    } }`);
    const { ended } = await w.submit(version);
    expect(await ended).toEqual({ kind: 'completed', output: 'done' });
    expect(commits.find(isDenial)?.quarantine).toMatchObject({ kind: 'version', name: version.version, tenant: 'crew', by: 'policy' });
    expect(await w.store.quarantines()).toHaveLength(1);
    await expect(w.submit(version)).rejects.toMatchObject({ code: 'CORRAL_QUARANTINED' });
  });

  test('that the disk refuses stops nothing: the crank is made again, and with it the denial', async () => {
    const { w, commits } = await strict('quarantine', 1);
    const { id } = await w.submit(await w.deploy(PAYER));
    await expect.poll(async () => (await w.store.quarantines()).length, { timeout: 90_000 }).toBe(1);
    await w.until(id, (view) => view?.control === 'quarantined');
    expect([commits.filter(isDenial).length, w.supervisor.stops.quarantines().length, paid]).toEqual([1, 1, []]);
  });
});

test('a call past a hard bound of an account pauses its run in the same commit', async () => {
  const pay = tool('pay', () => 'paid');
  const w = await world([pay], { tenants: { crew: { tools: [pay], spend: { day: { calls: 1 } } } } });
  const { id } = await w.submit(
    await w.deploy(
      `{ name: 'buyer', uses: { pay: 'tool:pay' }, async run({ caps }) { await caps.pay({}); return caps.pay({}).catch((error) => error.code) } }`,
    ),
  );
  await w.until(id, (view) => view?.control === 'paused');
  await expect.poll(async () => (await w.store.run(id))?.status.control).toBe('paused');
  const entry = (await w.store.journal(id)).find(({ decisions }) => decisions.some(({ verdict }) => verdict === 'deny'));
  expect(entry?.event).toMatchObject({ kind: 'control', control: 'paused', by: 'budget' });
});
