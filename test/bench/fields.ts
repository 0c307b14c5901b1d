/**
 * Measures what declared fields cost: to index a result of 20 records with a text each, and to trace an argument of it, with the fields that the
 * system writes itself named (`fields`), and where the records are JSON in a text (`fields text`). The floor is the same result without.
 */
import type { Json } from '@corral/protocol/json';
import { Provenance } from '@corral/policy/flow/provenance';
import { durations, type Figure } from './measure.ts';

const RECORDS = 20;
const ROUND = 200;
const PASSES = 9;
const FIELDS = ['items[].id', 'items[].account', 'items[].state'];
const TEXT =
  'The parcel has not come, and nobody answers the telephone number on the bill; please look into it before the weekend, thanks. ';

const items = Array.from({ length: RECORDS }, (_, i) => ({
  id: `T-${1000 + i}`,
  account: `GB29NWBK6016133192${6000 + i}`,
  state: i % 2 === 0 ? 'open' : 'closed',
  text: `${TEXT.repeat(3)} ${i}`,
}));

function sampler(value: Json, trusted_fields: readonly string[] | undefined, work: 'read' | 'trace'): () => Promise<number[]> {
  const read = (provenance: Provenance) =>
    provenance.result({ call: 1, tool: 'tickets', trusted: false, private: false, args: {}, trusted_fields }, value);
  const known = new Provenance();
  read(known);
  return async () =>
    Array.from({ length: ROUND }, (_, i) => {
      const fresh = new Provenance();
      const account = items[i % RECORDS]?.account ?? '';
      const began = performance.now();
      if (work === 'read') read(fresh);
      else known.trace(account, 'to');
      return (performance.now() - began) * 1_000;
    });
}

export async function fields(): Promise<Figure[]> {
  const value = { items };
  const text = { status: 200, body: JSON.stringify(value) };
  const inBody = FIELDS.map((path) => `body.${path}`);
  const made = (name: string, of: Json, named: readonly string[], work: 'read' | 'trace') =>
    durations(name, PASSES, sampler(of, named, work), sampler(of, undefined, work), {
      unit: 'µs',
      note: `${RECORDS} records, ${Math.round(JSON.stringify(of).length / 1024)} KiB; floor: the same without declared fields`,
    });
  return [
    await made('fields read', value, FIELDS, 'read'),
    await made('fields trace', value, FIELDS, 'trace'),
    await made('fields text read', text, inBody, 'read'),
    await made('fields text trace', text, inBody, 'trace'),
  ];
}
