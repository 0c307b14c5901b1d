import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { CellLauncher } from '@corral/protocol/ports/machine';
import { findWalls, ProcessLauncher, type RunView } from '@corral/supervisor';
import { gate, readingTool, temporary, tool, world, type World } from '../world.ts';
import { movableClock } from '../clock.ts';
import { agentFile } from '../agents/file.ts';

const SPIN = `{ name: 'spin', ceilings: { crank_cpu_ms: 10000 }, run() { const until = Date.now() + 1; for (let i = 0; i < 1e9; i++); return 'done' } }`;
const onCpu = (view: RunView | undefined) => view?.on_cpu === true;

/** Processes that are past the end of their crank when the signal to stop arrives. */
const stoppedTooLate = (): CellLauncher => {
  const real = new ProcessLauncher(findWalls());
  return {
    launch(events) {
      const cell = real.launch(events);
      return new Proxy(cell, {
        get(target, name) {
          if (name === 'freeze' || name === 'thaw' || name === 'stopped') return () => true;
          const member = Reflect.get(target, name) as unknown;
          return typeof member === 'function' ? member.bind(target) : member;
        },
      });
    },
  };
};

/** Nanoseconds on the CPU, of every thread of a process. */
const onCpuOf = (pid: number): number[] =>
  readdirSync(`/proc/${pid}/task`).map((thread) => Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0]));

/** Ten runs that wait for a tool, in the same cell as whoever comes next. */
async function neighbours(w: World) {
  const version = await w.deploy(
    `{ name: 'neighbour', uses: { wait: 'tool:wait' }, async run({ input, caps }) { const mine = Math.random(); const said = []; for (let i = 0; i < 3; i++) said.push((await caps.wait({ i })) + input); return said.join() } }`,
  );
  const runs = await Promise.all(Array.from({ length: 10 }, (_, n) => w.submit(version, n)));
  for (const { id } of runs) await w.until(id, (view) => view?.waiting === 'call');
  return {
    allWell: async () =>
      expect(await Promise.all(runs.map((run) => run.ended))).toEqual(
        runs.map((_, n) => ({ kind: 'completed', output: [n, n, n].map((one) => `ok${one}`).join() })),
      ),
  };
}

describe('kill', () => {
  test('ends a run on the CPU, proves it, and costs its neighbours nothing', async () => {
    const doors = gate();
    const w = await world([readingTool('wait', () => doors.opened.then(() => 'ok'))], { cellsPerTenant: 1 });
    const others = await neighbours(w);
    const { id, ended } = await w.submit(await w.deploy(SPIN));
    await w.until(id, onCpu);
    const receipt = await w.supervisor.control.kill(id, 'ana', 'enough');
    expect(receipt).toMatchObject({ run: id, operation: 'kill', by: 'ana', reason: 'enough', lifecycle: 'ended', cell_killed: true });
    expect(await ended).toEqual({ kind: 'killed', by: 'ana', reason: 'enough' });
    expect(await w.store.run(id)).toMatchObject({ status: { lifecycle: 'ended', outcome: { kind: 'killed' } } });
    doors.open();
    await others.allWell();
  });

  test('takes the children with it, aborts calls, revokes grants, and names what nobody knows', async () => {
    const invoked: string[] = [];
    const aborted: string[] = [];
    const wait =
      (name: string) =>
      (_: unknown, { signal }: { signal: AbortSignal }) => {
        invoked.push(name);
        return new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            aborted.push(name);
            reject(new Error('aborted'));
          });
        });
      };
    const w = await world([tool('pay', wait('pay')), readingTool('look', wait('look'))]);
    const version = await w.deploy(agentFile('family/both-call'));
    const { id, ended } = await w.submit(version);
    await w.until(id, () => invoked.length === 2);
    const receipt = await w.supervisor.control.kill(id, 'ana', 'enough');
    expect(receipt).toMatchObject({
      cell_killed: false,
      calls_aborted: 1,
      calls_unknown: [],
      grants_revoked: 4,
      children: [{ calls_aborted: 1, calls_unknown: [1], lifecycle: 'ended' }],
    });
    expect(aborted.sort()).toEqual(['look', 'pay']);
    expect(await ended).toMatchObject({ kind: 'killed' });
    expect(w.supervisor.runs()).toEqual([]);
    await expect(w.supervisor.control.kill(id, 'ana', 'again')).rejects.toMatchObject({ code: 'CORRAL_RUN_UNKNOWN' });
  });

  test('keeps what is still under embargo from ever leaving', async () => {
    const paid: unknown[] = [];
    const w = await world([tool('pay', (input) => paid.push(input))]);
    const version = await w.deploy(`{ name: 'a', uses: { pay: 'tool:pay' }, run: ({ caps }) => caps.pay({}) }`);
    const commit = w.store.commit.bind(w.store);
    const kills: Promise<unknown>[] = [];
    let first = true;
    w.store.commit = (one) => {
      const writing = commit(one);
      // The crank has been decided and is being written down.
      if (first) {
        first = false;
        kills.push(w.supervisor.control.kill(one.run, 'ana', 'just in time'));
      }
      return writing;
    };
    const { ended } = await w.submit(version);
    expect(await ended).toMatchObject({ kind: 'killed' });
    await Promise.all(kills);
    expect(paid).toEqual([]);
  });
});

describe('pause', () => {
  test.runIf(process.platform === 'linux')(
    'freezes a run on the CPU, lets its neighbours go on elsewhere, and resumes where it stood',
    async () => {
      const doors = gate();
      const w = await world([readingTool('wait', () => doors.opened.then(() => 'ok'))], { cellsPerTenant: 1 });
      const others = await neighbours(w);
      const { id, ended } = await w.submit(await w.deploy(SPIN));
      await w.until(id, onCpu);
      const receipt = await w.supervisor.control.pause(id, 'ana', 'let me look');
      expect(receipt).toMatchObject({ operation: 'pause', control: 'paused', lifecycle: 'active' });
      const pid = w.supervisor.cellOf(id)?.pid as number;
      const before = onCpuOf(pid);
      doors.open();
      await others.allWell();
      expect(onCpuOf(pid)).toEqual(before);
      expect(w.supervisor.view(id)).toMatchObject({ control: 'paused' });
      await expect(w.supervisor.control.pause(id, 'ana', 'again')).rejects.toMatchObject({ code: 'CORRAL_RUN_STATE' });
      await w.supervisor.control.resume(id, 'ana', 'go on');
      expect(await ended).toMatchObject({ kind: 'completed', output: 'done' });
      const events = (await w.store.journal(id)).flatMap((entry) =>
        entry.event?.kind === 'control' ? [[entry.event.control, entry.event.by]] : [],
      );
      expect(events).toEqual([
        ['paused', 'ana'],
        ['none', 'ana'],
      ]);
    },
  );

  test('gives the cell back after a grace; the crank is made again', async () => {
    const w = await world([], { pause_grace_ms: 50 });
    const { id, ended } = await w.submit(
      await w.deploy(`{ name: 'a', ceilings: { crank_cpu_ms: 5000 }, run() { for (let i = 0; i < 5e8; i++); return 'done' } }`),
    );
    await w.until(id, onCpu);
    await w.supervisor.control.pause(id, 'ana', 'look');
    await w.until(id, (view) => view?.residency === 'parked');
    await w.supervisor.control.resume(id, 'ana', 'go on');
    expect(await ended).toMatchObject({ kind: 'completed', output: 'done' });
  });

  test('holds what arrives between cranks, and paused time counts towards no ceiling', async () => {
    const doors = gate();
    const { clock, forward } = movableClock();
    const w = await world([readingTool('wait', () => doors.opened.then(() => 'ok'))], { clock });
    const { id, ended } = await w.submit(
      await w.deploy(`{ name: 'a', uses: { wait: 'tool:wait' }, ceilings: { wall_ms: 60_000 }, run: ({ caps }) => caps.wait({}) }`),
    );
    await w.until(id, (view) => view?.waiting === 'call');
    await w.supervisor.control.pause(id, 'ana', 'look');
    doors.open();
    forward(90_000);
    expect(w.supervisor.view(id)).toMatchObject({ control: 'paused', outcome: undefined });
    await w.supervisor.control.resume(id, 'ana', 'go on');
    expect(await ended).toMatchObject({ kind: 'completed', output: 'ok' });
  });
});

describe('cancel', () => {
  const patient = (onAbort: string) =>
    `{ name: 'a', async run({ signal, sleep }) { try { await new Promise((_, reject) => { signal.addEventListener('abort', () => reject(signal.reason)); setTimeout(() => {}, 3600000) }) } catch (error) { ${onAbort} } } }`;

  test.each([
    ['that tidies up and throws on', 'await sleep(5); throw error', { kind: 'cancelled', by: 'ana', reason: 'enough' }],
    ['that finishes all the same', 'return "saved"', { kind: 'completed', output: 'saved' }],
    [
      'that does not care, after a grace',
      'await new Promise(() => setTimeout(() => {}, 3600000))',
      { kind: 'cancelled', by: 'ana', reason: 'enough' },
    ],
  ])('ends a run %s', async (_, body, expected) => {
    const w = await world();
    const { id, ended } = await w.submit(await w.deploy(patient(body)));
    await w.until(id, (view) => view?.waiting === 'timer');
    expect(await w.supervisor.control.cancel(id, 'ana', 'enough', 150)).toMatchObject({ operation: 'cancel' });
    expect(await ended).toEqual(expected);
  });
});

describe('a cancel whose host is stopped', () => {
  test('leaves the run the rest of the grace that it was given, and not the usual one', { tags: 'long' }, async () => {
    const folder = await temporary();
    const before = await world([], { folder });
    const slow = `{ name: 'slow', async run({ sleep }) { await sleep(3600000).catch(() => 0); await sleep(2600); return 'tidied' } }`;
    const { id } = await before.submit(await before.deploy(slow));
    await before.until(id, (view) => view?.waiting === 'timer');
    await before.supervisor.control.cancel(id, 'ana', 'enough', 60_000);
    await before.close();
    const after = await world([], { folder });
    expect(await after.supervisor.ended(id)).toEqual({ kind: 'completed', output: 'tidied' });
  });
});

describe('cancel of a parent', () => {
  const family = agentFile('family/tidies-up');

  test('cancels its children, which tidy up in a grace of their own, also after their parent has ended', async () => {
    const tidied: unknown[] = [];
    const w = await world([tool('tidy', (input) => tidied.push((input as { who: string }).who))]);
    const { id, ended } = await w.submit(await w.deploy(family));
    await w.until(id, () => w.supervisor.runs().some((run) => run.id !== id));
    const child = w.supervisor.runs().find((run) => run.id !== id)?.id;
    if (child === undefined) throw new Error('there is no child');
    await w.until(child, (view) => view?.waiting === 'timer');
    const receipt = await w.supervisor.control.cancel(id, 'ana', 'enough', 60_000);
    expect(receipt).toMatchObject({ operation: 'cancel', children: [{ run: child, operation: 'cancel', by: 'ana', reason: 'enough' }] });
    const cancelled = { kind: 'cancelled', by: 'ana', reason: 'enough' };
    expect(await Promise.all([ended, w.supervisor.ended(child)])).toEqual([cancelled, cancelled]);
    expect(new Set(tidied)).toEqual(new Set(['child', 'parent']));
  });

  test('ends a child that does not care, once its grace is over', async () => {
    const w = await world([]);
    const { id, ended } = await w.submit(await w.deploy(agentFile('hostile/cancel-ignored')));
    await w.until(id, () => w.supervisor.runs().some((run) => run.id !== id));
    const child = w.supervisor.runs().find((run) => run.id !== id)?.id;
    if (child === undefined) throw new Error('there is no child');
    await w.supervisor.control.cancel(id, 'ana', 'enough', 200);
    expect(await ended).toMatchObject({ kind: 'cancelled' });
    expect(await w.supervisor.ended(child)).toEqual({ kind: 'cancelled', by: 'ana', reason: 'enough' });
  });
});

describe('a host that stops', () => {
  test('takes its runs up again when it starts on the same folder, and decides nothing twice', async () => {
    const calls: string[] = [];
    const doors = gate();
    const tools = (stuck: boolean) => [
      tool('pay', (_, { idempotency_key }) => calls.push(idempotency_key)),
      readingTool('wait', () => (stuck ? new Promise(() => undefined) : doors.opened.then(() => 'ok'))),
    ];
    const source = `{ name: 'a', uses: { pay: 'tool:pay', wait: 'tool:wait' }, budget: { calls: 3 }, async run({ caps, messages }) { const mine = Math.random(); await caps.pay({}); const [said] = await Promise.all([caps.wait({}), new Promise((resolve) => setTimeout(resolve, 300))]); return [said, mine === mine] } }`;
    const first = await world(tools(true));
    const { id } = await first.submit(await first.deploy(source));
    await first.until(id, (view) => view?.waiting === 'call' && view.calls === 2);
    await first.close();

    const second = await world(tools(false), { folder: first.folder });
    expect(second.supervisor.view(id)).toMatchObject({ waiting: 'call', calls: 2, lifecycle: 'active' });
    doors.open();
    await second.until(id, (view) => view === undefined);
    expect(await second.store.run(id)).toMatchObject({ epoch: 2, status: { outcome: { kind: 'completed', output: ['ok', true] } } });
    expect(calls).toEqual([`${id}:1`]);
  });

  test('leaves a call that it had sent and may not repeat to a person', async () => {
    const first = await world([tool('pay', () => new Promise(() => undefined))]);
    const { id } = await first.submit(await first.deploy(`{ name: 'a', uses: { pay: 'tool:pay' }, run: ({ caps }) => caps.pay({}) }`));
    await first.until(id, (view) => view?.waiting === 'call');
    await first.close();
    let paid = 0;
    const second = await world([tool('pay', () => (paid += 1))], { folder: first.folder });
    await second.until(id, (view) => view?.waiting === 'resolution');
    expect(paid).toBe(0);
    await second.supervisor.control.resolve(id, 1, 'ana', { how: 'retry' });
    await second.until(id, (view) => view === undefined);
    expect(paid).toBe(1);
    expect(await second.store.run(id)).toMatchObject({ status: { outcome: { kind: 'completed', output: 1 } } });
  });
});

// Bug frozen-for-nothing: a cell stood still for the grace of a pause although the crank of the paused run had ended; seed 99184170 of three
// hosts at 19226e5.
test('a cell goes on with others once the crank of the run that was paused in it has ended', async () => {
  const w = await world([], { launcher: stoppedTooLate(), maxCells: 1, spares: 0, pause_grace_ms: 600_000 });
  const other = await w.deploy(`{ name: 'other', run: () => 'done' }`);
  const { id, ended } = await w.submit(await w.deploy(SPIN));
  await w.until(id, onCpu);
  expect(await w.supervisor.control.pause(id, 'ana', 'wait')).toMatchObject({ control: 'paused' });
  expect(await (await w.submit(other)).ended).toEqual({ kind: 'completed', output: 'done' });
  await w.supervisor.control.resume(id, 'ana', 'go on');
  expect(await ended).toEqual({ kind: 'completed', output: 'done' });
});
