import { expect, test } from 'vitest';
import type { Decision } from '@corral/protocol/model/decision';
import type { Entry, HostEvent, RunRecord } from '@corral/protocol/model/run';
import { Ledger } from './ledger.ts';

const FETCH = {
  id: 1,
  verdict: 'allow',
  tool: 'fetch',
  grant: 'grant_a',
  tool_facts: { effect: 'none', destinations: [], returns: 'untrusted' },
};
const CALL: readonly object[] = [
  { kind: 'call', id: 1, cap: 1, input: {}, stream: true },
  { kind: 'pull', id: 1 },
];

/** The ledger of a run that has asked for a stranger's stream, and a function that adds an entry. */
function asking() {
  const ledger = new Ledger({ id: 'run_a', tenant: 't', agent: 'a', caps: [], budget: {}, header: {} } as unknown as RunRecord, true);
  let seq = 0;
  const none = { delivery: undefined, effects: undefined, event: undefined, decisions: [], cpu_us: 0 };
  const add = (more: Partial<Entry>) => {
    seq += 1;
    ledger.apply({ ...none, seq, at: seq, ...more });
  };
  const crank = (delivery: object, effects: readonly object[] = [], decisions: readonly object[] = []) =>
    add({
      delivery: JSON.stringify(delivery),
      effects: JSON.stringify(effects),
      decisions: decisions as readonly Decision[],
    });
  crank({ kind: 'start', run: 'run_a', input: {}, at: 1 }, CALL, [FETCH]);
  return { ledger, crank, event: (event: object) => add({ event: event as HostEvent }) };
}
const CHUNK = { kind: 'chunk', id: 1, offset: 0, parts: ['what a stranger says'], at: 1 };

// Bug read-while-revoked (seed 99120080 of the simulator): the call was settled in the journal before the crank that had read the chunk, so
// that nothing said what the run had read.
test('a chunk that a run reads while the capability is taken back raises its label', () => {
  const { ledger, crank, event } = asking();
  expect(ledger.label?.sticky.untrusted_input).not.toBe(true);
  event({ kind: 'fenced', id: 1, result: { id: 1, value: 'end' } });
  crank(CHUNK);
  expect(ledger.label?.sticky.untrusted_input).toBe(true);
});

test('a call whose capability is taken back before anything of it was read leaves the label as it is', () => {
  const { ledger, crank, event } = asking();
  event({ kind: 'fenced', id: 1, result: { id: 1, value: 'end' } });
  crank({ kind: 'reply', at: 2, results: [{ id: 1, error: { code: 'CORRAL_REVOKED', message: 'It was taken back.' } }] });
  expect(ledger.label?.sticky.untrusted_input).not.toBe(true);
  expect(ledger.pending.size).toBe(0);
});
