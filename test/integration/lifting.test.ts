/** Runs that a quarantine kept still go on once it is lifted, wherever they are. */
import { describe, expect, test } from 'vitest';
import type { RunId } from '@corral/protocol/ids';
import { gate, readingTool, temporary, world, type World, park } from '../world.ts';
import { found, until } from '../until.ts';

const SLEEPER = `{ name: 'sleeper', async run({ sleep }) { await sleep(200); return 'done'; } }`;

describe('once a quarantine is lifted', () => {
  test('a run goes on that was parked under it', async () => {
    const w = await world();
    const { id, ended } = await w.submit(await w.deploy(SLEEPER));
    await w.until(id, (view) => view?.waiting === 'timer');
    await w.supervisor.stops.quarantine('agent', 'crew/sleeper', 'ana', 'looks odd');
    await park(w, id);
    expect((await w.store.run(id))?.status.control).toBe('quarantined');
    await w.supervisor.stops.lift('agent', 'crew/sleeper', 'ana', 'it was nothing');
    expect(await ended).toEqual({ kind: 'completed', output: 'done' });
  });

  test('a run goes on whose host died between the lift and its resumption', async () => {
    const folder = await temporary();
    const before = await world([], { folder, residency: { runs_in_memory: 0 } });
    const { id } = await before.submit(await before.deploy(SLEEPER));
    await before.supervisor.control.pause(id, 'ana', 'looks odd', 'quarantined');
    await before.close();
    const after = await world([], { folder });
    expect(await after.supervisor.ended(id)).toEqual({ kind: 'completed', output: 'done' });
  });

  const parkAll = (w: World) =>
    until(async () => {
      await w.supervisor.park();
      return w.supervisor.runs().length === 0;
    }, 'all runs are parked');
  /** Parks runs of an agent under its quarantine. */
  const stopped = async (w: World, name: string, runs: number, ms = 1) => {
    const version = await w.deploy(`{ name: '${name}', async run({ sleep }) { await sleep(${ms}); return 'done'; } }`);
    const all = await Promise.all(Array.from({ length: runs }, () => w.submit(version)));
    for (const { id } of all) await w.until(id, (view) => view?.waiting === 'timer');
    await w.supervisor.stops.quarantine('agent', `crew/${name}`, 'ana', 'looks odd');
    await parkAll(w);
    return all;
  };

  test('those stay in the store that another quarantine keeps still, at a lift and at the start of a host', { tags: 'long' }, async () => {
    const folder = await temporary();
    const before = await world([], { folder });
    const free = await stopped(before, 'free', 5, 500);
    // These sleep for so long that no timer wakes one, however slow the machine is.
    const kept = await stopped(before, 'kept', 5, 600_000);
    const parked = before.seen.length;
    await before.supervisor.stops.lift('agent', 'crew/free', 'ana', 'it was nothing');
    for (const { ended } of free) expect(await ended).toEqual({ kind: 'completed', output: 'done' });
    const woken = new Set(before.seen.slice(parked).flatMap((seen) => (seen.kind === 'woken' ? [seen.run] : [])));
    for (const { id } of kept) expect(woken.has(id)).toBe(false);
    await before.close();
    // Nobody can listen yet while a host starts, so the test looks at what the store is asked.
    const claims: string[] = [];
    const after = await world([], {
      folder,
      through: (store) =>
        new Proxy(store, {
          get: (target, name) => {
            const value = Reflect.get(target, name, target) as unknown;
            if (typeof value !== 'function') return value;
            return (...args: unknown[]) => {
              if (name === 'claim') claims.push(String(args[0]));
              return (value as (...all: unknown[]) => unknown).apply(target, args);
            };
          },
        }),
    });
    await after.supervisor.stops.takeUp();
    expect(claims).toEqual([]);
    await after.supervisor.stops.lift('agent', 'crew/kept', 'ana', 'it was nothing');
    for (const { id } of kept) await until(async () => (await after.store.run(id))?.status.control === 'none', `${id} goes on`);
  });

  // A search once a second found no place for as long as runs waited in the queue, since these are brought in as soon as a place is free.
  test('one is given the next place that becomes free, before runs that are queued', async () => {
    const folder = await temporary();
    const before = await world([], { folder });
    const [kept] = await stopped(before, 'kept', 1, 600_000);
    await before.close();
    const doors = [gate(), gate(), gate()];
    let calls = 0;
    const w = await world([readingTool('wait', () => doors[calls++]?.opened.then(() => 'ok'))], {
      folder,
      residency: { runs_in_memory: 1, sweep_ms: 10 },
    });
    const busy = await w.deploy(`{ name: 'busy', uses: { wait: 'tool:wait' }, run: ({ caps }) => caps.wait({}) }`);
    const first = await w.submit(busy);
    await until(() => calls === 1, 'the first run has the only place');
    for (let i = 0; i < 2; i++) await w.submit(busy);
    await w.supervisor.stops.lift('agent', 'crew/kept', 'ana', 'it was nothing');
    doors[0]?.open();
    expect(await first.ended).toEqual({ kind: 'completed', output: 'ok' });
    await until(async () => (await w.store.run(kept?.id as RunId))?.status.control === 'none', 'the run that was kept still goes on');
    expect(calls).toBe(1);
    for (const door of doors) door.open();
    await until(() => calls === 3, 'the queued runs have their turn');
  });

  test('they come into memory as it has places for them', { tags: 'long' }, async () => {
    const folder = await temporary();
    const before = await world([], { folder });
    const all = await stopped(before, 'many', 40, 600_000);
    await before.close();
    const w = await world([], { folder, residency: { runs_in_memory: 8, sweep_ms: 50 } });
    let most = 0;
    w.supervisor.observe(() => (most = Math.max(most, w.supervisor.runs().length)));
    await w.supervisor.stops.lift('agent', 'crew/many', 'ana', 'it was nothing');
    for (const { id } of all) await until(async () => (await w.store.run(id))?.status.control === 'none', `${id} goes on`);
    expect(most).toBeLessThanOrEqual(8);
  });

  test(
    'each is resumed under the name of whoever lifted what kept it still, though memory had no place for any of them at first',
    { tags: 'long' },
    async () => {
      const folder = await temporary();
      const before = await world([], { folder });
      const [one] = await stopped(before, 'one', 6, 600_000);
      const [two] = await stopped(before, 'two', 6, 600_000);
      await before.close();
      const doors = gate();
      let looks = 0;
      let most = 0;
      const w = await world([readingTool('wait', () => doors.opened.then(() => 'ok'))], {
        folder,
        residency: { runs_in_memory: 2, sweep_ms: 50 },
        through: (store) =>
          new Proxy(store, {
            get: (target, name) => {
              const value = Reflect.get(target, name, target) as unknown;
              if (name !== 'quarantined') return typeof value === 'function' ? (value as () => unknown).bind(target) : value;
              return async (...args: Parameters<typeof store.quarantined>) => {
                looks += 1;
                most = Math.max(most, looks);
                return target.quarantined(...args).finally(() => (looks -= 1));
              };
            },
          }),
      });
      const busy = await w.deploy(
        `{ name: 'busy', uses: { wait: 'tool:wait' }, async run({ caps }) { await caps.wait({}); return 'done'; } }`,
      );
      const taken = await Promise.all([w.submit(busy), w.submit(busy)]);
      for (const { id } of taken) await w.until(id, (view) => view?.waiting === 'call');
      const { stops } = w.supervisor;
      await Promise.all([stops.lift('agent', 'crew/one', 'ana', 'one is fine'), stops.lift('agent', 'crew/two', 'bob', 'two is fine')]);
      doors.open();
      const resumedBy = (id: RunId) =>
        found(async () => {
          const entries = await w.store.journal(id, 0, 100);
          const event = entries.map((entry) => entry.event).findLast((one) => one?.kind === 'control');
          return event?.kind === 'control' && event.control === 'none' ? [event.by, event.reason] : undefined;
        }, `${id} is resumed`);
      expect(await resumedBy((one as { id: RunId }).id)).toEqual(['ana', 'one is fine']);
      expect(await resumedBy((two as { id: RunId }).id)).toEqual(['bob', 'two is fine']);
      // One look at a time, however often somebody asks.
      expect(most).toBe(1);
    },
  );
});

describe('a quarantine', () => {
  test('waits for a run whose pause is under way', async () => {
    const w = await world([], { cellsPerTenant: 1 });
    const body = 'async run({ sleep }) { await sleep(1); for (let i = 0; i < 4e8; i++); return "done"; }';
    const other = await w.submit(await w.deploy(`{ name: 'other', ceilings: { crank_cpu_ms: 10000 }, ${body} }`));
    await w.until(other.id, (view) => view?.on_cpu === true && view.effects > 0);
    // Its crank is sent to the same cell ahead of its turn.
    const { id } = await w.submit(await w.deploy(`{ name: 'busy', ceilings: { crank_cpu_ms: 10000 }, ${body} }`));
    await w.until(id, (view) => view?.on_cpu === true);
    const said: string[] = [];
    const paused = w.supervisor.control.pause(id, 'ana', 'now').then(() => said.push('paused'));
    await w.until(id, (view) => view?.control === 'paused');
    await w.supervisor.stops.quarantine('agent', 'crew/busy', 'ana', 'looks odd');
    said.push('quarantined');
    await paused;
    expect(said).toEqual(['paused', 'quarantined']);
  });
});
