import { expect, test } from 'vitest';
import type { Decision } from '@corral/protocol/model/decision';
import type { Entry } from '@corral/protocol/model/run';
import { Quoted, withShort, type Quoting } from './quoted.ts';

const MIB = 1024 * 1024;

/** An entry of a run that was given a text, and asked for some calls that were denied. */
function entry(seq: number, given: string, calls: readonly (readonly [call: number, to: string])[]): Entry {
  const denied = (id: number) => ({ id, tool: 'pay', verdict: 'deny', origins: [['to', 'tool:mail.read']] }) as unknown as Decision;
  return {
    seq,
    at: seq,
    delivery: given === '' ? undefined : JSON.stringify({ kind: 'reply', results: [{ id: 0, value: given }] }),
    effects: JSON.stringify(calls.map(([id, to]) => ({ kind: 'call', cap: 1, id, input: { to } }))),
    decisions: calls.map(([id]) => denied(id)),
    event: undefined,
    cpu_us: 0,
  };
}

/** Looks for nothing, and notes what it was given. */
function noting() {
  const asked: { readonly entries: readonly Entry[]; readonly input: unknown }[] = [];
  const quoting: Quoting = (entries, _, input) => {
    asked.push({ entries, input });
    return [{ path: 'to', value: 'x', source: 'mail.read', call: 0, trusted: false, proven: true, private_to: [], beside: [], text: '' }];
  };
  return { asked, quoted: new Quoted(quoting) };
}

test('the latest calls are searched for first, each in what its run had been given by then, until all searches together have their bound', () => {
  const { asked, quoted } = noting();
  const page = 'x'.repeat(100_000);
  for (let n = 1; n <= 9; n++)
    quoted.take(
      entry(
        n,
        page,
        Array.from({ length: 100 }, (_, i) => [100 * n + i, `to ${n}`]),
      ),
    );
  const found = quoted.quotes(() => true);
  expect(found.size).toBe(asked.length);
  expect([...found.keys()].slice(0, 2)).toEqual([999, 998]);
  expect(asked[0]).toMatchObject({ input: { to: 'to 9' } });
  expect(asked[0]?.entries).toHaveLength(9);
  const searched = asked.reduce((sum, { entries }) => sum + entries.reduce((all, { delivery = '' }) => all + delivery.length, 0), 0);
  expect(searched).toBeGreaterThan(3 * MIB);
  expect(searched).toBeLessThan(6 * MIB);
});

test('of what a run did only what it was given is kept, up to a bound, and arguments of the latest calls alone', () => {
  const { asked, quoted } = noting();
  const wanted = new Set([1, 100, 130]);
  for (let n = 1; n <= 130; n++) quoted.take(entry(n, n % 2 === 0 ? 'x'.repeat(20_000) : '', [[n, 'z'.repeat(50_000)]]));
  expect([...quoted.quotes((call) => wanted.has(call)).keys()]).toEqual([130, 100]);
  const { entries = [] } = asked[0] ?? {};
  expect(entries.length).toBe(Math.floor(MIB / 20_100));
  expect(entries.every(({ effects, decisions }) => effects === undefined && decisions.length === 0)).toBe(true);
});

test('of a value that is too short to be traced it is said where it stands as well', () => {
  const model = { path: 'amount', origin: 'model', from: 'in nothing that the run has read' };
  const quote = { path: 'amount', source: 'mail.read', proven: false };
  expect(withShort([model], [quote])[0]?.from).toBe('too short to trace; the same value is also in what mail.read gave');
  expect(withShort([model], [{ ...quote, path: 'to' }])).toEqual([model]);
});
