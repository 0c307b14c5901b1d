import { describe, expect, test } from 'vitest';
import type { Delivery } from '@corral/protocol/wire/delivery';
import type { RunId } from '@corral/protocol/ids';
import { until } from '../until.ts';
import { gate, readingTool, sharedWorld, temporary, tool, world } from '../world.ts';
import { agentFile } from '../agents/file.ts';

/** For runs that need no tool. */
const host = sharedWorld();

describe('a run', () => {
  test('calls its tools and completes with its output, each call once and in the journal', async () => {
    const keys: string[] = [];
    const w = await world([
      readingTool('look', ({ at }) => ({ found: `${String(at)}!` })),
      tool('pay', (_, { idempotency_key }) => {
        keys.push(idempotency_key);
        return { paid: true };
      }),
    ]);
    const version = await w.deploy(`{ name: 'a', uses: { look: 'tool:look', pay: 'tool:pay' }, async run({ input, caps }) {
      const { found } = await caps.look({ at: input.where });
      return { found, ...(await caps.pay({ amount: 3 })) };
    } }`);
    const { id, ended } = await w.submit(version, { where: 'here' });
    expect(await ended).toEqual({ kind: 'completed', output: { found: 'here!', paid: true } });
    expect(keys).toEqual([`${id}:2`]);
    const journal = await w.store.journal(id);
    expect(
      journal.map((entry) => (entry.delivery === undefined ? entry.event?.kind : (JSON.parse(entry.delivery) as Delivery).kind)),
    ).toEqual(['start', 'reply', 'reply']);
    expect(journal[1]?.decisions).toMatchObject([{ id: 2, verdict: 'allow', tool: 'pay', reserved: { calls: 1 } }]);
    expect(await w.store.run(id)).toMatchObject({ seq: 3, status: { lifecycle: 'ended', outcome: { kind: 'completed' } } });
  });

  test('does nothing to the outside world before the crank that asked for it is durable', async () => {
    const order: string[] = [];
    const w = await world([readingTool('look', () => order.push('look')), tool('pay', () => order.push('pay'))]);
    const version = await w.deploy(
      `{ name: 'a', uses: { look: 'tool:look', pay: 'tool:pay' }, async run({ caps }) { await Promise.all([caps.pay({}), caps.look({})]) } }`,
    );
    const commit = w.store.commit.bind(w.store);
    w.store.commit = async (one) => {
      order.push('committing');
      const result = await commit(one);
      order.push('durable');
      return result;
    };
    await (
      await w.submit(version)
    ).ended;
    // Reading may begin at once; nobody can tell afterwards that it did.
    expect(order.slice(0, 2)).toEqual(['look', 'committing']);
    expect(order.indexOf('pay')).toBeGreaterThan(order.indexOf('durable'));
  });

  test('sends no effect of a crank whose commit was refused', async () => {
    const paid: unknown[] = [];
    const w = await world([tool('pay', (input) => paid.push(input))]);
    const version = await w.deploy(`{ name: 'a', uses: { pay: 'tool:pay' }, async run({ caps }) { await caps.pay({}) } }`);
    const commit = w.store.commit.bind(w.store);
    const other = await w.store.join('other', Date.now());
    let isTaken = false;
    // Another node takes the run meanwhile.
    w.store.commit = async (one) => {
      if (!isTaken) await w.store.claim(one.run, other, Date.now(), 'fence');
      isTaken = true;
      return commit(one);
    };
    const { ended } = await w.submit(version);
    await until(() => w.seen.some(({ kind }) => kind === 'refused'));
    expect(paid).toEqual([]);
    // The run has not ended: it is elsewhere. The waiter is told how it ends, once some node has gone on with it.
    await w.store.leave(other, Date.now());
    expect(await ended).toMatchObject({ kind: 'completed' });
    expect(paid).toEqual([{}]);
  });

  test('spawns children with part of its authority and budget, and hears how they ended', async () => {
    const w = await world([readingTool('look', ({ path }) => path)]);
    const outcome = await w.run(agentFile('family/parent-with-shares'));
    expect(outcome).toMatchObject({
      kind: 'completed',
      output: [
        { kind: 'completed', output: { refused: 'CORRAL_GRANT_PREDICATE', first: 'a/1', spent: 'CORRAL_GRANT_SPENT', calls: 5 }, calls: 3 },
        { kind: 'failed', code: 'CORRAL_AGENT_THREW' },
        { kind: 'denied', code: 'CORRAL_BUDGET_EXCEEDED' },
        { kind: 'denied', code: 'CORRAL_CAP_NOT_GRANTED' },
      ],
    });
  });

  test('exchanges messages with its children, each stamped with who really sent it', async () => {
    const w = host();
    const outcome = await w.run(agentFile('family/pen-friends'));
    expect(outcome).toEqual({ kind: 'completed', output: { n: 5, from: 'child heard parent', late: 'CORRAL_RECIPIENT_ENDED' } });
  });

  test.each([
    ['waits for nothing', 'await new Promise(() => {})', { kind: 'failed', code: 'CORRAL_STALLED' }],
    ['waits for a message that nobody can send', 'await messages.next()', { kind: 'failed', code: 'CORRAL_STALLED' }],
    ['throws', 'throw new Error("oh")', { kind: 'failed', code: 'CORRAL_AGENT_THREW', message: 'oh' }],
    ['throws something that is no error', 'throw { code: "CORRAL_CELL_CRASHED" }', { kind: 'failed', code: 'CORRAL_AGENT_THREW' }],
    [
      'claims a verdict that is the host’s',
      'throw Object.assign(new Error("x"), { code: "CORRAL_CAP_FORGED" })',
      { kind: 'failed', code: 'CORRAL_AGENT_THREW' },
    ],
    [
      'claims to have met a limit',
      'throw new (corral.errorClass("BudgetExceeded"))({ code: "CORRAL_BUDGET_EXCEEDED", message: "m", limit: "calls" })',
      { kind: 'failed', code: 'CORRAL_BUDGET_EXCEEDED' },
    ],
    [
      'forgets a rejection',
      'Promise.reject(new Error("lost")); await sleep(50)',
      { kind: 'failed', code: 'CORRAL_UNHANDLED_REJECTION', message: 'lost' },
    ],
    ['returns nothing', '', { kind: 'completed', output: null }],
  ])('that %s ends truthfully', async (_, body, expected) => {
    const w = host();
    expect(await w.run(`{ name: 'a', async run({ messages, sleep }) { ${body} } }`)).toMatchObject(expected);
  });

  test('ends when a limit is met that it does not catch, and goes on when it does', async () => {
    const w = await world([readingTool('look', () => 1)]);
    const use = (n: number, and: string) =>
      `{ name: 'a', uses: { look: 'tool:look' }, budget: { calls: 3 }, async run({ caps }) { let done = 0; try { for (let i = 0; i < ${n}; i++) { await caps.look({}); done++ } } catch (error) { ${and} } return done } }`;
    expect(await w.run(use(9, 'throw error'))).toMatchObject({ kind: 'exceeded', limit: 'calls' });
    expect(await w.run(use(9, ''))).toMatchObject({ kind: 'completed', output: 3 });
  });

  test('keeps time for its timers, and sleeps without a cell', async () => {
    const w = host();
    const outcome = await w.run(
      `{ name: 'a', async run({ sleep }) { const began = Date.now(); await Promise.all([sleep(60), sleep(20)]); return Date.now() - began } }`,
    );
    expect(outcome).toMatchObject({ kind: 'completed' });
    expect((outcome as { output: number }).output).toBeGreaterThanOrEqual(60);
  });
});

describe('a call', () => {
  test('that takes too long is told to the agent when it may be repeated, and is unknown when it may not', async () => {
    const never = () => new Promise(() => undefined);
    const w = await world([readingTool('look', never), tool('pay', never)]);
    const ask = (name: string, more = '') =>
      `{ name: 'a', uses: { ask: 'tool:${name}' }, ${more} run: ({ caps }) => caps.ask({}, { timeout_ms: 30 }).catch((error) => error.name + ' ' + error.code) }`;
    expect(await w.run(ask('look'))).toEqual({ kind: 'completed', output: 'TimedOut CORRAL_TIMED_OUT' });
    expect(await w.run(ask('pay', "onUnknown: 'tell',"))).toEqual({ kind: 'completed', output: 'Unknown CORRAL_UNKNOWN_RESULT' });

    const { id, ended } = await w.submit(await w.deploy(ask('pay')));
    await w.until(id, (view) => view?.waiting === 'resolution');
    await expect(w.supervisor.control.resolve(id, 9, 'ana', { how: 'fail' })).rejects.toMatchObject({ code: 'CORRAL_RUN_STATE' });
    await w.supervisor.control.resolve(id, 1, 'ana', { how: 'result', value: 'it was paid' });
    expect(await ended).toEqual({ kind: 'completed', output: 'it was paid' });
  });

  test('that its agent gave up is aborted at the tool', async () => {
    let reason: unknown;
    const w = await world([
      readingTool(
        'look',
        (_, { signal }) =>
          new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject((reason = signal.reason) as Error))),
      ),
    ]);
    const outcome = await w.run(`{ name: 'a', uses: { look: 'tool:look' }, async run({ caps }) {
      return caps.look({}, { signal: AbortSignal.timeout(30) }).catch((error) => error.name);
    } }`);
    expect(outcome).toEqual({ kind: 'completed', output: 'TimeoutError' });
    expect(reason).toMatchObject({ name: 'AbortError' });
  });

  test('with arguments or results of the wrong shape fails by name', async () => {
    const { readingTools } = await import('@corral/tools/fs');
    const w = await world([...(await readingTools(await temporary())), readingTool('odd', () => 1n)]);
    const ask = (name: string, input: string) =>
      `{ name: 'a', uses: { ask: 'tool:${name}' }, run: ({ caps }) => caps.ask(${input}).catch((error) => [error.name, error.message]) }`;
    expect(await w.run(ask('fs.read', '{ path: 1 }'))).toMatchObject({
      output: ['InvalidArguments', expect.stringContaining('path') as string],
    });
    expect(await w.run(ask('fs.read', '{ path: "missing" }'))).toMatchObject({ output: ['ToolFailed', 'missing does not exist.'] });
    expect(await w.run(ask('odd', '{}'))).toMatchObject({ output: ['ToolFailed', expect.any(String) as string] });
  });
});

describe('many runs', () => {
  test('of one tenant take turns in its cells and all complete', async () => {
    const w = await world([readingTool('look', ({ n }) => n)]);
    const version = await w.deploy(
      `{ name: 'a', uses: { look: 'tool:look' }, async run({ input, caps }) { let sum = 0; for (let i = 0; i < 20; i++) sum += await caps.look({ n: input }); return sum } }`,
    );
    const runs = await Promise.all(Array.from({ length: 40 }, (_, n) => w.submit(version, n)));
    expect(await Promise.all(runs.map((run) => run.ended))).toEqual(runs.map((_, n) => ({ kind: 'completed', output: n * 20 })));
  });

  test('that are idle leave memory when their cell holds too much, and come back by replay', async () => {
    const doors = gate();
    const w = await world([readingTool('wait', () => doors.opened.then(() => 'open'))]);
    const version = await w.deploy(
      `{ name: 'a', uses: { wait: 'tool:wait' }, async run({ input, caps }) { const before = Math.random(); const said = await caps.wait({}); return [input, said, before === before] } }`,
    );
    const runs: { id: RunId; ended: Promise<unknown> }[] = [];
    for (let n = 0; n < 6; n++) runs.push(await w.submit(version, n));
    for (const { id } of runs) await w.until(id, (view) => view?.waiting === 'call');
    await w.supervisor.park();
    expect(w.supervisor.runs().map((view) => view.residency)).toEqual(runs.map(() => 'parked'));
    doors.open();
    expect(await Promise.all(runs.map((run) => run.ended))).toEqual(runs.map((_, n) => ({ kind: 'completed', output: [n, 'open', true] })));
  });
});
