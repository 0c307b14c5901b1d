/** Attempts of a run to gain something by spawning. */
import { describe, expect, test } from 'vitest';
import { CorralError } from '@corral/protocol/errors';
import { gate, readingTool, world } from '../world.ts';
import { agentFile } from '../agents/file.ts';
import { eachOrLong } from '../tables.ts';

describe('a child', () => {
  // Bug child-above-its-parent: a run held to 16 MiB and 50 ms spawned a child that asked for 1,024 MiB and 10 s, and it was given that.
  test('has no ceiling that its parent has not', async () => {
    const w = await world();
    const version = await w.deploy(agentFile('hostile/bigger-children'));
    const { id, ended } = await w.submit(version, {}, { ceilings: { crank_cpu_ms: 2_000, memory_mib: 16, spawn_depth: 1 } });
    // The grandchild would have been the second generation.
    expect(await ended).toEqual({ kind: 'completed', output: 'denied' });
    const [kid] = await w.store.runs({ parent: id });
    expect(kid?.record.ceilings).toMatchObject({ crank_cpu_ms: 2_000, memory_mib: 16, spawn_depth: 1 });
  });

  // Bug unbilled-last-crank: the crank in which a child was stopped was in nobody's bill: a parent with 1 s of CPU time burnt as much as it liked by children.
  eachOrLong(
    [
      ['computes until it is stopped', 'computes', 'exceeded'],
      ['kills its isolate after it has computed', 'eats', 'exceeded'],
    ],
    ['kills its isolate after it has computed'],
  )('that %s is paid for by its parent', async (_, how, kind) => {
    const w = await world();
    const version = await w.deploy(agentFile('hostile/costly-children'));
    const outcome = await (await w.submit(version, how, { budget: { cpu_ms: 1000 } })).ended;
    const ends = (outcome as unknown as { output: [string, number][] }).output;
    expect(ends[0]?.[0]).toBe(kind);
    expect(ends[0]?.[1]).toBeGreaterThan(0);
    expect(ends.at(-1)?.[0]).toBe('denied');
    expect(ends.reduce((sum, [, spent]) => sum + (spent ?? 0), 0)).toBeGreaterThan(500);
  });

  // Bug end-that-cannot-be-written: a child whose last commit the store refused vanished, and its parent waited for it for ever.
  test.each([
    ['once', 1],
    ['every time', Number.POSITIVE_INFINITY],
  ])('whose end the store refuses %s has ended all the same, and its parent hears of it', async (_, times) => {
    const w = await world();
    const version = await w.deploy(agentFile('family/end-that-cannot-be-written'));
    const commit = w.store.commit.bind(w.store);
    let refused = 0;
    w.store.commit = async (one) => {
      if (one.status.outcome !== undefined && one.outbox.length > 0 && (refused += 1) <= times)
        throw new CorralError('CORRAL_INTERNAL', 'The store failed: string or blob too big.');
      return commit(one);
    };
    const { id, ended } = await w.submit(version);
    expect(await ended).toEqual({ kind: 'completed', output: ['failed', 'CORRAL_INTERNAL'] });
    const [kid] = await w.store.runs({ parent: id });
    expect(kid?.status).toMatchObject(times === 1 ? { lifecycle: 'ended', outcome: { kind: 'failed' } } : { control: 'quarantined' });
  });

  test('that does not read has a bounded mailbox, and whoever writes to it is told', async () => {
    const { opened, open } = gate();
    const w = await world([readingTool('wait', () => opened.then(() => 1))]);
    const version = await w.deploy(agentFile('hostile/mailbox-flood'));
    const { id, ended } = await w.submit(version);
    await w.until(id, () => w.supervisor.runs().some((one) => one.agent === 'kid' && one.waiting === 'timer'));
    const kid = w.supervisor.runs().find((one) => one.agent === 'kid');
    await w.supervisor.control.pause(kid?.id as never, 'ana', 'so that nothing is read');
    open();
    expect(await ended).toEqual({ kind: 'completed', output: Array(5).fill('CORRAL_MAILBOX_FULL') });
  });

  test('that is killed has what it used until then in its journal', async () => {
    const w = await world();
    const { id, ended } = await w.submit(await w.deploy(`{ name: 'a', ceilings: { crank_cpu_ms: 10000 }, async run() { for (;;) {} } }`));
    await w.until(id, (view) => view?.on_cpu === true && view.crank_age_ms > 300);
    await w.supervisor.control.kill(id, 'ana', 'enough');
    await ended;
    expect((await w.store.journal(id)).at(-1)?.cpu_us).toBeGreaterThan(10_000);
  });
});
