/** Waiting of an agent: messages with a deadline, sleep, ends of children, and the effect of a cancel or a checkpoint on each. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CANCEL, isolate, message, outcomeOf, reply, timer, type Isolate, type Seen } from './fixtures/isolate.ts';

const kinds = (effects: readonly Seen[]) => effects.map(({ kind }) => kind);
const logs = (effects: readonly Seen[]) => effects.filter(({ kind }) => kind === 'log').map(({ text }) => text);
const timersOf = (effects: readonly Seen[]) => effects.filter(({ kind }) => kind === 'timer').map(({ id }) => id as number);

/** Usual ways to wait for a message with a deadline. */
const DEADLINES: Readonly<Record<string, string>> = {
  'a race': `await Promise.race([messages.next(), sleep(20).then(() => undefined)])`,
  'a race with the deadline first': `await Promise.race([sleep(20), messages.next()])`,
  'an iterator': `(await Promise.race([messages[Symbol.asyncIterator]().next(), sleep(20)]))?.value`,
  'a promise made of it': `await Promise.race([messages.next().then((m) => ({ body: m.body })), sleep(20)])`,
  'any of several': `await Promise.any([messages.next(), sleep(20)])`,
  'a deadline of its own': `await messages.next({ timeout_ms: 20 }).catch((error) => { if (error.code !== 'CORRAL_TIMED_OUT') throw error })`,
  'a signal': `await messages.next({ signal: AbortSignal.timeout(20) }).catch((error) => { if (error.name !== 'TimeoutError') throw error })`,
  'a function around it': `await Promise.race([(async () => await messages.next())(), sleep(20)])`,
  'a promise around it': `await new Promise((resolve) => { void messages.next().then(resolve); setTimeout(resolve, 20) })`,
};

describe('no message is lost to a deadline that has passed', () => {
  test.each(Object.entries(DEADLINES))('%s', (_, wait) => {
    const one = isolate(`for (let i = 0; i < 6; i++) { const got = ${wait}; log(got === undefined ? 'none' : got.body) }`);
    let last = timersOf(one.start()).at(-1) as number;
    const seen: unknown[] = [];
    for (const what of ['late', 'one', 'late', 'late', 'two', 'three']) {
      const effects = one.crank(what === 'late' ? timer(last) : message(what));
      seen.push(...logs(effects));
      last = timersOf(effects).at(-1) ?? last;
    }
    expect(seen).toEqual(['none', 'one', 'none', 'none', 'two', 'three']);
  });

  test.each(Object.entries(DEADLINES).filter(([name]) => !name.includes('around')))(
    'nor while the agent does something else: %s',
    (_, wait) => {
      const one = isolate(
        `for (let i = 0; i < 2; i++) { const got = ${wait}; if (got === undefined) await caps.t({}); log(got === undefined ? 'none' : got.body) }`,
      );
      const [deadline] = timersOf(one.start());
      const call = one.crank(timer(deadline as number)).find(({ kind }) => kind === 'call');
      // Nobody waits for this message.
      one.crank(message('in between'));
      expect(logs(one.crank(reply(call?.['id'] as number, 1)))).toEqual(['none', 'in between']);
    },
  );

  test('a promise that is kept, and waited for again, takes the next one', () => {
    const one = isolate(`const next = messages.next(); await Promise.race([next, sleep(20)]); await caps.t({}); log((await next).body);`);
    one.start();
    one.crank(timer(1));
    one.crank(message('meanwhile'));
    expect(logs(one.crank(reply(2, 1)))).toEqual(['meanwhile']);
  });

  test('what nobody has read when it checkpoints is carried on, however many races were lost', () => {
    const one = isolate(
      `for (let i = 0; i < 3; i++) await Promise.race([messages.next(), sleep(20)]); await caps.t({}); await checkpoint({});`,
    );
    one.start();
    for (const id of [1, 2, 3]) one.crank(timer(id));
    one.crank(message('kept'));
    expect(one.crank(reply(4, 1))).toEqual([
      { kind: 'checkpoint', state: {}, unread: [{ from: { run: 'run_111111111111', agent: 'b' }, body: 'kept' }] },
    ]);
  });

  test('in whatever order messages, deadlines and calls come', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.keys(DEADLINES).filter((name) => !name.includes('around'))),
        fc.array(fc.constantFrom('message', 'timer', 'reply'), { minLength: 1, maxLength: 30 }),
        (way, events) => {
          const one = isolate(
            `for (;;) { const got = ${DEADLINES[way] as string}; if (got === undefined) await caps.t({}); else log(got.body) }`,
          );
          const open = new Map<string, number[]>([
            ['timer', []],
            ['reply', []],
          ]);
          const seen: unknown[] = [];
          const take = (effects: readonly Seen[]) => {
            seen.push(...logs(effects));
            for (const { kind, id } of effects) {
              if (kind === 'timer') open.get('timer')?.push(id as number);
              if (kind === 'call') open.get('reply')?.push(id as number);
              if (kind === 'abort')
                open.set(
                  'timer',
                  (open.get('timer') ?? []).filter((one) => one !== id),
                );
            }
          };
          take(one.start());
          let sent = 0;
          for (const event of [...events, 'timer', 'reply', 'timer', 'reply']) {
            if (event === 'message') take(one.crank(message((sent += 1))));
            else {
              const id = open.get(event)?.shift();
              if (id !== undefined) take(one.crank(event === 'timer' ? timer(id) : reply(id, 1)));
            }
          }
          for (let i = 0; i < 40 && seen.length < sent; i++) {
            const asked = open.get('reply')?.shift();
            const due = asked === undefined ? open.get('timer')?.shift() : undefined;
            if (asked !== undefined) take(one.crank(reply(asked, 1)));
            else if (due !== undefined) take(one.crank(timer(due)));
          }
          expect(seen).toEqual(Array.from({ length: sent }, (_, i) => `${i + 1}`));
        },
      ),
      { numRuns: 60 },
    );
  }, 120_000);
});

describe('readers of messages', () => {
  test('of one crank are served in their order', () => {
    const one = isolate(`const [a, b] = await Promise.all([messages.next(), messages.next()]); return [a.body, b.body];`);
    one.start();
    one.crank(message(1));
    expect(one.crank(message(2)).at(-1)).toEqual({ kind: 'finish', output: [1, 2] });
  });

  test('each get one, where several loops read', () => {
    const one = isolate(
      `const read = async (name) => { for await (const m of messages) { log(name, m.body); await caps.t({}) } }; await Promise.all([read('a'), read('b')]);`,
    );
    one.start();
    expect(new Set([...logs(one.crank(message(1))), ...logs(one.crank(message(2)))])).toEqual(new Set(['a 1', 'b 2']));
  });

  test('leave the loop without taking what comes after it', () => {
    const one = isolate(`for await (const m of messages) { log(m.body); break } await caps.t({}); log((await messages.next()).body);`);
    one.start();
    one.crank(message(1));
    one.crank(message(2));
    expect(logs(one.crank(reply(1, 1)))).toEqual(['2']);
    const two = isolate(
      `const it = messages[Symbol.asyncIterator](); const asked = it.next(); log((await it.return()).done, (await asked).done, (await it.next()).done); log((await messages.next()).body);`,
    );
    expect(logs(two.start())).toEqual(['true true true']);
    expect(logs(two.crank(message('still there')))).toEqual(['still there']);
  });

  test('are given what is there at once, however little time they have', () => {
    expect(
      logs(
        isolate(
          `log((await messages.next({ timeout_ms: 0 })).body); log(await messages.next({ timeout_ms: -5 }).catch((error) => error.name))`,
        ).start({
          unread: [{ from: { run: 'run_111111111111', agent: 'b' }, body: 'waiting' }],
        }),
      ),
    ).toEqual(['waiting', 'TimedOut']);
  });

  test('call off their deadline once they have one', () => {
    const one = isolate(`log((await messages.next({ timeout_ms: 50 })).body);`);
    expect(one.start()).toEqual([
      { kind: 'timer', ms: 50, id: 1 },
      { kind: 'listen', on: true },
    ]);
    expect(kinds(one.crank(message('hi')))).toEqual(['abort', 'log', 'finish']);
  });
});

test('races that no reader takes part in are as they were', () => {
  expect(
    outcomeOf(`void messages.next(); const tried = [];
      for (const race of [[1, 2], new Set([Promise.resolve('set')]), 5, [{ then: (done) => done('thenable') }, 9], [Promise.reject(new Error('no')), 1]])
        tried.push(await Promise.race([Promise.race(race).catch((error) => error.name), sleep(5).then(() => 'never')]).catch((error) => error.name) ?? 'undefined');
      tried.push(await Promise.any([Promise.reject(1), 2]), await Promise.any([Promise.reject(1)]).catch((error) => error.errors[0]), Promise.race.name, Promise.race.length);
      return tried;`),
  ).toEqual([1, 'set', 'TypeError', 9, 'Error', 2, 1, 'race', 1]);
});

describe('sleep', () => {
  test('can be called off, with the reason of the signal', () => {
    const one = isolate(
      `const stop = new AbortController(); const slept = sleep(1000, { signal: stop.signal }).catch((why) => why); stop.abort('enough'); return await slept;`,
    );
    expect(one.start()).toEqual([
      { kind: 'timer', ms: 1000, id: 1 },
      { kind: 'abort', id: 1 },
      { kind: 'finish', output: 'enough' },
    ]);
    expect(outcomeOf(`return await sleep(5, { signal: AbortSignal.abort('before') }).catch((why) => why)`)).toBe('before');
  });
});

describe('a checkpoint', () => {
  test.each([
    ['sleep that lost its race', `await Promise.race([caps.t({}), sleep(60_000)])`],
    ['timeout of a signal', `await caps.t({}, { signal: AbortSignal.timeout(60_000) })`],
    ['timeout of a signal among others', `await caps.t({}, { signal: AbortSignal.any([AbortSignal.timeout(60_000), signal]) })`],
    ['timer', `setTimeout(() => log('never'), 60_000); await caps.t({})`],
    ['series of timers', `setInterval(() => log('never'), 60_000); await caps.t({})`],
  ])('calls off a %s', (_, before) => {
    const one = isolate(`${before}; await checkpoint({ at: 1 });`);
    const call = one.start().find(({ kind }) => kind === 'call');
    const effects = one.crank(reply(call?.['id'] as number, 1));
    expect(kinds(effects)).toEqual(['abort', 'checkpoint']);
  });

  test('is refused while a call or a child is under way, which it counts', () => {
    const refused = outcomeOf(
      `void caps.t({}); void spawn(kid, {}); return await checkpoint({}).catch((error) => [error.code, error.message])`,
    );
    expect(refused).toEqual(['CORRAL_CHECKPOINT_BUSY', expect.stringContaining('1 calls or messages and 1 children') as string]);
  });

  test('waits for the answer to a call that was given up', () => {
    const one = isolate(
      `const stop = new AbortController(); const call = caps.t({}, { signal: stop.signal }).catch((error) => error.name); stop.abort(); await call; await checkpoint({ at: 1 });`,
    );
    expect(kinds(one.start())).toEqual(['call', 'abort']);
    expect(one.crank(reply(1, 'too late'))).toEqual([{ kind: 'checkpoint', state: { at: 1 } }]);
  });

  test('that waits is refused where something was begun meanwhile', () => {
    const one = isolate(
      `const stop = new AbortController(); void caps.t({}, { signal: stop.signal }).catch(() => 0); stop.abort(); const asked = checkpoint({}).catch((error) => error.code); void caps.t({}); return await asked;`,
    );
    one.start();
    expect(one.crank(reply(1, 1)).at(-1)).toEqual({ kind: 'finish', output: 'CORRAL_CHECKPOINT_BUSY' });
  });
});

describe('a cancel', () => {
  const tidy = (wait: string) =>
    isolate(`try { ${wait} } catch (error) { log(error.name, error.message) } finally { log('tidied', await caps.t({ tidy: true })) }`);
  const AWAITS: Readonly<Record<string, string>> = {
    'a sleep': `await sleep(30_000)`,
    'a message': `await messages.next()`,
    'a message with a deadline': `await messages.next({ timeout_ms: 30_000 })`,
    'a loop over messages': `for await (const m of messages) log(m)`,
    'a notice': `await notices.next()`,
    'the end of a child': `await spawn(kid, {}).ended`,
    'a call': `await caps.t({})`,
    'a call with a signal of its own': `await caps.t({}, { signal: new AbortController().signal })`,
    'a request': `await caps.friend.request(1)`,
    'a race': `await Promise.race([messages.next(), sleep(30_000), caps.t({})])`,
    'all of several': `await Promise.all([sleep(30_000), caps.t({}), spawn(kid, {}).ended])`,
    'a checkpoint': `const stop = new AbortController(); void caps.t({}, { signal: stop.signal }).catch(() => 0); stop.abort(); await checkpoint({})`,
  };

  test.each(Object.entries(AWAITS))('reaches %s, and what is begun after it works', (_, wait) => {
    const one = tidy(wait);
    one.start();
    const effects = one.crank(CANCEL);
    expect(logs(effects)).toEqual(['AbortError no longer needed']);
    const call = effects.find(({ kind }) => kind === 'call');
    expect(call).toMatchObject({ input: { tidy: true } });
    expect(logs(one.crank(reply(call?.['id'] as number, 'done')))).toEqual(['tidied done']);
  });

  test('that nobody catches is how the run ends', () => {
    const one = isolate(`await sleep(30_000)`);
    one.start();
    expect(one.crank(CANCEL)).toEqual([
      { kind: 'abort', id: 1 },
      { kind: 'finish', error: { message: 'no longer needed', stack: expect.any(String) as string } },
    ]);
  });

  test('leaves the agent alive though work beside it, which nobody awaits, ends by it', () => {
    const one = isolate(
      `void (async () => { try { await sleep(30_000) } finally { await sleep(1) } })(); void spawn(kid, {}).ended.then(() => 1); try { await sleep(30_000) } finally { await caps.t({}); log('tidied') }`,
    );
    one.start();
    const effects = one.crank(CANCEL);
    const [pause] = timersOf(effects);
    one.crank(timer(pause as number));
    expect(logs(one.crank(reply(effects.find(({ kind }) => kind === 'call')?.['id'] as number, 1)))).toEqual(['tidied']);
  });

  test('does not hide an error of another kind that nobody handled', () => {
    const one = isolate(`signal.addEventListener('abort', () => void Promise.reject(new Error('broken'))); await new Promise(() => 0)`);
    one.start();
    expect(one.fault(CANCEL)).toMatchObject({ fault: 'rejected', message: 'broken' });
  });

  test('lets the end of a child be awaited again', () => {
    const one = isolate(
      `const child = spawn(kid, {}); try { await child.ended } catch { log(child.ended === child.ended, (await child.ended).kind) }`,
    );
    one.start();
    one.crank(CANCEL);
    const end = { kind: 'child_ended', id: 1, run: 'run_222222222222', outcome: { kind: 'cancelled', by: 'x', reason: 'y' }, spent: {} };
    expect(logs(one.crank(end))).toEqual(['true cancelled']);
  });

  test('of a journal from before it reached anything but the signal does what it did then', () => {
    const one: Isolate = isolate(`signal.addEventListener('abort', () => log('asked to stop')); await sleep(30_000)`);
    one.start();
    expect(kinds(one.crank({ kind: 'cancel', reason: 'no longer needed' }))).toEqual(['log']);
  });
});
