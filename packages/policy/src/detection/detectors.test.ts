import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Detectors } from './detectors.ts';
import type { Seen } from './events.ts';
import type { Finding } from './list.ts';
import { events, observe, of, times } from './fixtures/story.ts';
import { emptyProfile, learn } from './profile.ts';

describe('the detectors of one run', () => {
  test('the same call with the same result is a repeat, and the finding names the calls', () => {
    const found = of(observe(events(times(4, () => ({ tool: 'read', input: { path: 'a' }, value: 'the very same text' })))), 'repeat');
    expect(found.length).toBeGreaterThan(0);
    expect(found.at(-1)?.evidence.figures['times']).toBe(4);
    expect(found.at(-1)?.evidence.events).toEqual([0, 4, 6, 7]);
    expect(found.at(-1)?.evidence.text).toContain('read was called 4 times');
  });

  test('order of keys, white space and volatile fields do not make another call', () => {
    const found = observe(
      events([
        { tool: 'find', input: { a: 'x  y', b: 1, request_id: 'q1' }, value: { rows: [1], took_ms: 3 } },
        { tool: 'find', input: { b: 1, a: 'x y', request_id: 'q2' }, value: { took_ms: 9, rows: [1] } },
        { tool: 'find', input: { b: 1, a: ' x y', request_id: '7f1c0d2e-1111-4222-8333-444455556666' }, value: { rows: [1], took_ms: 1 } },
      ]),
    );
    expect(of(found, 'repeat').at(-1)?.evidence.figures['times']).toBe(3);
  });

  test('another answer is not a repeat', () => {
    expect(
      of(
        observe(events(times(10, (i) => ({ tool: 'next', input: {}, value: { job: `number ${i}`, text: `all new ${i * 7}` } })))),
        'repeat',
      ),
    ).toEqual([]);
  });

  test('attempts of the broker are not repeats', () => {
    const found = observe([
      { kind: 'call', at: 0, id: 1, tool: 'pay', input: {} },
      ...times(20, (i): Seen => ({ kind: 'attempt', at: i, id: 1 })),
      { kind: 'result', at: 30, id: 1, value: 'paid' },
    ]);
    expect(found).toEqual([]);
  });

  test('asking again after ever longer waits is no repeat, hammering is', () => {
    const poll = (wait: (i: number) => number) => {
      let at = 0;
      return of(
        observe(events(times(12, (i) => ({ tool: 'status', input: { job: 1 }, value: { state: 'pending' }, at: (at += wait(i)) })))),
        'repeat',
      );
    };
    expect(poll((i) => 500 * 2 ** i)).toEqual([]);
    expect(poll(() => 100).length).toBeGreaterThan(0);
  });

  test('turning pages is progress; getting the same page for every number is not', () => {
    const page = (rows: (i: number) => unknown) =>
      observe(events(times(30, (i) => ({ tool: 'list', input: { table: 'orders', page: i }, value: rows(i) }))));
    expect(page((i) => ({ items: times(8, (j) => `order ${i * 8 + j} of customer c${i * 8 + j}`) }))).toEqual([]);
    expect(page(() => ({ items: times(8, (j) => `order ${j} of customer c${j}`) })).length).toBeGreaterThan(0);
  });

  test('large results that differ where nobody reads are told apart by their digest', () => {
    const found = (digest: (i: number) => string) =>
      of(
        times(6, (i): Seen[] => [
          { kind: 'call', at: 0, id: i, tool: 'dump', input: {} },
          { kind: 'result', at: 0, id: i, value: 'a long text '.repeat(1000), digest: digest(i) },
        ]).flatMap((list) => observe(list, whole)),
        'repeat',
      );
    let whole = new Detectors();
    expect(found((i) => `sha-${i}`)).toEqual([]);
    whole = new Detectors();
    expect(found(() => 'sha').length).toBeGreaterThan(0);
  });

  test('a turn of several calls is a cycle with its period', () => {
    const turn = times(7, (i) => ({ tool: `t${i}`, input: { i }, value: `result number ${i}` }));
    const found = of(observe(events(times(4, () => turn).flat())), 'cycle');
    expect(found.at(-1)?.evidence.figures['period']).toBe(7);
  });

  test('queries in other words that bring nothing new are near repeats and no progress', () => {
    const words = 'cheapest flights from oslo to rome in may direct'.split(' ');
    const found = observe(
      events(
        times(15, (i) => ({
          tool: 'search',
          input: { query: [...words.slice(i % 8), ...words.slice(0, i % 8)].join(' ') },
          value: 'No flights were found for these dates and airports.',
        })),
      ),
    );
    expect(of(found, 'near_repeat').length + of(found, 'no_progress').length).toBeGreaterThan(0);
    expect(of(found, 'stuck').length).toBeGreaterThan(0);
  });

  test('a hundred different changes with the same acknowledgement are work', () => {
    expect(
      observe(
        events(
          times(100, (i) => ({
            tool: 'update',
            effect: true,
            input: { row: i, name: `name ${i}` },
            value: 'The row was updated and saved.',
          })),
        ),
      ),
    ).toEqual([]);
  });

  test('what goes on is said again, not with every event', () => {
    const found = of(observe(events(times(100, () => ({ tool: 'read', input: {}, value: 'the very same text' })))), 'repeat');
    expect(found.length).toBeGreaterThan(4);
    expect(found.length).toBeLessThan(25);
  });

  test('memory that climbs towards its ceiling is foretold, with the time that is left', () => {
    const found = of(
      observe(times(100, (i): Seen => ({ kind: 'meter', at: i * 1000, used: { memory_mib: 10 + i / 2 }, limits: { memory_mib: 64 } }))),
      'runaway',
    );
    expect(found.length).toBeGreaterThan(0);
    const { seconds_left, used, rate } = (found.at(-1) as Finding).evidence.figures;
    expect(rate).toBeCloseTo(0.5, 5);
    expect(seconds_left).toBe(Math.round((64 - (used as number)) / 0.5));
    expect(found.at(-1)?.evidence.text).toMatch(/^Exceeds its memory_mib in \d+ s/);
  });

  test('memory that goes up and down, and a purse that lasts, are not foretold', () => {
    expect(
      observe(
        times(300, (i): Seen => ({
          kind: 'meter',
          at: i * 1000,
          used: { memory_mib: 30 + 10 * Math.sin(i / 4), calls: i },
          limits: { memory_mib: 64, calls: 100_000 },
        })),
      ),
    ).toEqual([]);
  });

  test('a run unlike the approved ones drifts, and the finding says by what', () => {
    const profile = emptyProfile();
    for (let i = 0; i < 30; i++)
      learn(profile, [
        { tool: 'read', input: { file: `bill-${i}` }, origins: { file: ['prompt'] } },
        { tool: 'send', input: { to: 'landlord', amount: i }, origins: { to: ['prompt'], amount: ['read'] } },
      ]);
    const usual = new Detectors({ profile });
    const found = observe(
      [
        { kind: 'call', at: 0, id: 1, tool: 'read', input: { file: 'bill-x' }, origins: { file: ['prompt'] } },
        { kind: 'call', at: 0, id: 2, tool: 'send', input: { to: 'landlord', amount: 5 }, origins: { to: ['prompt'], amount: ['read'] } },
      ],
      usual,
    );
    expect(found).toEqual([]);
    const hijacked = new Detectors({ profile });
    const odd = observe(
      [
        { kind: 'call', at: 0, id: 1, tool: 'read', input: { file: 'bill-x' }, origins: { file: ['prompt'] } },
        { kind: 'call', at: 0, id: 2, tool: 'set_password', input: { password: 'abc' }, origins: { password: ['read'] } },
        {
          kind: 'call',
          at: 0,
          id: 3,
          tool: 'send',
          input: { to: 'attacker', amount: 5, memo: 'x' },
          origins: { to: ['read'], amount: ['read'], memo: [] },
        },
      ],
      hijacked,
    );
    expect(hijacked.driftScore).toBeGreaterThan(usual.driftScore + 5);
    expect(of(odd, 'drift').at(-1)?.evidence.text).toContain('set_password');
  });

  test('names that every object has are names like others', () => {
    const profile = emptyProfile();
    for (const tool of ['constructor', '__proto__', 'toString']) learn(profile, [{ tool, input: { hasOwnProperty: 'valueOf' } }]);
    const detectors = new Detectors({ profile });
    observe(events([{ tool: 'constructor', input: JSON.parse('{"__proto__":"constructor"}') as unknown, value: {} }]), detectors);
    expect(detectors.driftScore).not.toBeNaN();
  });
});

/** Streams over few tools and values, so that repeats and cycles occur. */
const stream = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        tool: fc.constantFrom('a', 'b', 'c'),
        n: fc.nat(2),
        value: fc.constantFrom('one two three four', 'five six', 7),
        failed: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.record({ body: fc.constantFrom('thank you very much', 'please try again', 'other words') }) },
    { weight: 1, arbitrary: fc.record({ used: fc.nat(100) }) },
  ),
  { maxLength: 120 },
);
function toEvents(list: typeof stream extends fc.Arbitrary<infer T> ? T : never): Seen[] {
  return list.flatMap((one, i): Seen[] => {
    const at = i * 100;
    if ('body' in one) return [{ kind: 'sent', at, peer: 'p', body: one.body }];
    if ('used' in one) return [{ kind: 'meter', at, used: { calls: one.used }, limits: { calls: 120 } }];
    return [
      { kind: 'call', at, id: i, tool: one.tool, input: { n: one.n } },
      {
        kind: 'result',
        at,
        id: i,
        ...(one.failed ? { error: { code: 'CORRAL_TOOL_FAILED', message: String(one.value) } } : { value: one.value }),
      },
    ];
  });
}

describe('the state of the detectors', () => {
  test('saved and loaded anywhere in a run, they go on as if nothing had happened', () => {
    fc.assert(
      fc.property(stream, fc.nat(400), (list, cut) => {
        const all = toEvents(list);
        const whole = new Detectors();
        const first = new Detectors();
        const split = Math.min(cut, all.length);
        observe(all.slice(0, split), whole);
        observe(all.slice(0, split), first);
        const second = Detectors.load(JSON.parse(JSON.stringify(first.save())));
        expect(observe(all.slice(split), second)).toEqual(observe(all.slice(split), whole));
        expect(second.save()).toEqual(whole.save());
      }),
    );
  });

  test('stays small however long the run and however large its values', () => {
    const detectors = new Detectors();
    const size = () => JSON.stringify(detectors.save()).length;
    const feed = (from: number, to: number) => {
      for (let i = from; i < to; i++)
        observe(
          events([
            {
              tool: `tool-${i}`,
              input: { text: `${'word '.repeat(2000)}${i}`, [`key-${i}`]: i },
              value: times(500, (j) => `value ${i} ${j}`),
            },
          ]),
          detectors,
        );
    };
    feed(0, 500);
    const early = size();
    feed(500, 1500);
    expect(size()).toBeLessThan(early * 1.2);
    expect(size()).toBeLessThan(24_000);
  });

  test('calls that never end are given up in turn', () => {
    const detectors = new Detectors();
    for (let id = 0; id < 1000; id++) detectors.observe({ kind: 'call', at: 0, id, tool: 'slow', input: { id } });
    expect(JSON.stringify(detectors.save()).length).toBeLessThan(32_000);
    expect(detectors.observe({ kind: 'result', at: 0, id: 1, value: 'late' })).toEqual([]);
  });
});
