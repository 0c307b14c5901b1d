/** A run's wall time is the time that it takes itself, without the time that people or its host kept it waiting. */
import { describe, expect, test } from 'vitest';
import type { Inspector } from '@corral/protocol/ports/inspector';
import { realClock } from '@corral/supervisor';
import { movableClock } from '../clock.ts';
import { forbidding, FREE, paid, PAYER, payments, policies } from './payments.ts';
import { gate, readingTool, temporary, tool, world, park } from '../world.ts';
import { until } from '../until.ts';

const HOUR_MS = 3_600_000;

describe('wall time', () => {
  test.each(['in memory', 'parked'])('stands still while people are asked, %s', async (where) => {
    paid.length = 0;
    const { clock, forward } = movableClock();
    const tools = [payments()];
    const governed = { crew: { tools, policies: { current: policies(tools, forbidding('@consequence("approval")')) } } };
    const w = await world(tools, { clock, tenants: governed, residency: { park_after_ms: 3_600_000 } });
    const { id, ended } = await w.submit(await w.deploy(PAYER));
    await until(async () => (await w.supervisor.approvals()).length === 1);
    if (where === 'parked') await park(w, id);
    forward(HOUR_MS);
    await w.supervisor.control.decide(id, (await w.supervisor.approvals())[0]?.call ?? 0, 'owner', 'approve', 'late, but yes');
    expect(await ended).toMatchObject({ kind: 'completed' });
  });

  test('stands still while the result of a call is unknown', async () => {
    const { clock, forward } = movableClock();
    const folder = await temporary();
    const never = [tool('send', () => new Promise(() => undefined))];
    const first = await world(never, { clock, folder });
    const version = await first.deploy(`{ name: 'a', uses: { send: 'tool:send' }, run: ({ caps }) => caps.send({}) }`);
    const { id } = await first.submit(version);
    await until(async () => (await first.store.run(id))?.status.waiting === 'call');
    await first.close();
    const w = await world(never, { clock, folder });
    await w.until(id, (view) => view?.waiting === 'resolution');
    forward(HOUR_MS);
    await park(w, id);
    forward(HOUR_MS);
    await w.supervisor.control.resolve(id, 1, 'ana', { how: 'result', value: 'looked it up' });
    expect(await w.supervisor.ended(id)).toEqual({ kind: 'completed', output: 'looked it up' });
  });

  /** A host whose only cell is kept by a run that somebody has paused in its crank, while another has its answer. */
  const starving = async (folder: string) => {
    const answer = gate();
    const moved = movableClock();
    const options = { clock: moved.clock, folder, maxCells: 1, cellsPerTenant: 1, spares: 0, pause_grace_ms: 100 * HOUR_MS };
    const w = await world([readingTool('ask', () => answer.opened.then(() => 'answer'))], options);
    const waiting = await w.deploy(
      `{ name: 'a', uses: { ask: 'tool:ask' }, async run({ caps, sleep }) { const said = await caps.ask({}); await sleep(50); return said } }`,
    );
    const spinning = await w.deploy(`{ name: 'spin', ceilings: { crank_cpu_ms: 10000 }, run() { for (;;); } }`);
    const starved = await w.submit(waiting);
    await w.until(starved.id, (view) => view?.waiting === 'call');
    const spin = await w.submit(spinning);
    await w.until(spin.id, (view) => view?.on_cpu === true);
    await w.supervisor.control.pause(spin.id, 'ana', 'wait');
    answer.open();
    await w.until(starved.id, (view) => view?.runnable === true);
    return { w, ...moved, starved, spin, options };
  };

  test('stands still while its host gives a run no CPU, and its journal says how long that was', async () => {
    const { w, forward, starved, spin } = await starving(await temporary());
    forward(HOUR_MS);
    await w.supervisor.control.kill(spin.id, 'ana', 'enough');
    expect(await starved.ended).toEqual({ kind: 'completed', output: 'answer' });
    const queued = (await w.store.journal(starved.id)).map(({ queued_ms }) => queued_ms ?? 0);
    expect(Math.max(...queued)).toBeGreaterThan(HOUR_MS - 1_000);
  });

  test('that was queued stays so when the host is started again, before its next crank and after it', { tags: 'long' }, async () => {
    const folder = await temporary();
    const { w, clock, forward, starved, spin } = await starving(folder);
    forward(HOUR_MS);
    await w.close();
    const tools = [readingTool('ask', () => 'again')];
    const second = await world(tools, { folder, clock });
    await second.supervisor.control.kill(spin.id, 'ana', 'enough').catch(() => undefined);
    expect(await second.supervisor.ended(starved.id)).toEqual({ kind: 'completed', output: 'again' });
    const [...entries] = await second.store.journal(starved.id);
    expect(Math.max(...entries.map(({ queued_ms }) => queued_ms ?? 0))).toBeGreaterThan(HOUR_MS - 1_000);
  });

  test('is not owed by a run whose last crank is decided slowly: its entry is not stamped with a time before it was measured', async () => {
    const { clock, forward } = movableClock();
    const tools = [readingTool('ask', () => 'answer')];
    const slow: Inspector = {
      name: 'slow',
      on: ['output'],
      always: true,
      timeout_ms: HOUR_MS,
      async inspect() {
        forward(5_000);
        return { kind: 'said', finding: { found: false, kinds: [], count: 0, score: 0 } };
      },
    };
    const governed = { crew: { tools, policies: { current: policies(tools, FREE) }, inspectors: [slow] } };
    const w = await world(tools, { clock, tenants: governed });
    const version = await w.deploy(`{ name: 'a', uses: { ask: 'tool:ask' }, run: ({ caps }) => caps.ask({}) }`);
    const { id, ended } = await w.submit(version);
    expect(await ended).toEqual({ kind: 'completed', output: 'answer' });
    const queued = (await w.store.journal(id)).map(({ queued_ms }) => queued_ms ?? 0);
    expect(queued.filter((ms) => ms < -1_000)).toEqual([]);
  });

  test('is never owed as less than nothing, wherever its host is held up between two looks at its clocks', async () => {
    let late = 0;
    const held = (read: () => number) => () => read() + (late += 7);
    const clock = { ...realClock, now: held(() => realClock.now()), monotonic: held(() => realClock.monotonic()) };
    const w = await world([readingTool('ask', () => 'answer')], { clock });
    const version = await w.deploy(
      `{ name: 'a', uses: { ask: 'tool:ask' }, async run({ caps }) { await caps.ask({}); return caps.ask({}) } }`,
    );
    const { id, ended } = await w.submit(version);
    expect(await ended).toEqual({ kind: 'completed', output: 'answer' });
    const queued = (await w.store.journal(id)).map(({ queued_ms = 0 }) => queued_ms);
    expect(queued.length).toBe(3);
    expect(queued.filter((ms) => ms < 0)).toEqual([]);
  });

  // Bug ended-behind-another: seed 72000874 of two hosts.
  test('does not run out while a crank waits in its cell behind that of another run', async () => {
    const answer = gate();
    const { clock, forward } = movableClock();
    const ask = readingTool('ask', () => answer.opened.then(() => 'answer'));
    const w = await world([ask], { clock, maxCells: 1, cellsPerTenant: 1, spares: 0 });
    const asks = (name: string, then: string) =>
      w.deploy(
        `{ name: '${name}', uses: { ask: 'tool:ask' }, ceilings: { crank_cpu_ms: 10000 }, async run({ caps }) { const said = await caps.ask({}); ${then} } }`,
      );
    const [spins, waits] = [await asks('spins', 'for (;;);'), await asks('waits', 'return said;')];
    const first = await w.submit(spins);
    await w.until(first.id, (view) => view?.waiting === 'call');
    const behind = await w.submit(waits);
    await w.until(behind.id, (view) => view?.waiting === 'call');
    answer.open();
    await until(() => [first, behind].every(({ id }) => w.supervisor.view(id)?.on_cpu === true));
    forward(25 * HOUR_MS, true);
    expect(await behind.ended).toEqual({ kind: 'completed', output: 'answer' });
  });

  test.each([
    ['in memory', false],
    ['in memory, the limit looked at first', true],
    ['parked', false],
  ] as const)('a timer that was due before the limit goes first when the clock is put forward, %s', async (where, last) => {
    const { clock, forward } = movableClock();
    const w = await world([], { clock, residency: { park_after_ms: 100 * HOUR_MS, sweep_ms: 60_000 } });
    const version = await w.deploy(`{ name: 'a', async run({ sleep }) { await sleep(300000); await sleep(10); return 'woke' } }`);
    const { id, ended } = await w.submit(version);
    await w.until(id, (view) => view?.waiting === 'timer');
    if (where === 'parked') await park(w, id);
    forward(25 * HOUR_MS, last);
    expect(await ended).toEqual({ kind: 'completed', output: 'woke' });
  });

  test.each(['in memory', 'parked'])('that is over before its timer is due ends a run, %s', async (where) => {
    const { clock, forward } = movableClock();
    const w = await world([], { clock, residency: { park_after_ms: 100 * HOUR_MS } });
    const { id, ended } = await w.submit(await w.deploy(`{ name: 'a', async run({ sleep }) { await sleep(700000); return 'woke' } }`));
    await w.until(id, (view) => view?.waiting === 'timer');
    if (where === 'parked') await park(w, id);
    forward(25 * HOUR_MS);
    expect(await ended).toMatchObject({ kind: 'exceeded', limit: 'wall' });
  });
});
