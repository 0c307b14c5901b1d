/**
 * One fold (ARCHITECTURE.md, "Journal and commit"): a random run is lived through, and the journal of it is folded into fresh books. Both
 * must be the same in every field, private ones too. And a crank that is decided in part, or as a whole, and then dropped leaves
 * everything as it was.
 */
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { fieldsOf } from '../fields.ts';

import { Life, type Step } from './lives.ts';
import { MAKERS, type Kind } from './wishes.ts';

/** Fields that are of this process alone, and why no journal has them. */
const LIVED_ONLY: readonly (readonly [field: RegExp, why: string])[] = [
  [/^wall\.#(mark|own_ms|stamped|given)$/, 'measured on the monotonic clock; what comes of it is in the next entry, as queued_ms'],
  [/^tally$/, 'what the next commit takes along; of what is read back, the store has it already'],
  [/\.asked_at$/, 'a time of the monotonic clock, for how long a call takes on this host'],
  [/^handles\.#parts$/, 'parts of values that were looked at, so that they are found sooner'],
  [/\.#lent$/, 'whether a set is that of a draft’s origin, and is copied before it is changed'],
];

const wish = fc.record({
  kind: fc.constantFrom<Kind[]>('call', 'call', ...(Object.keys(MAKERS) as Kind[])),
  n: fc.nat(5_000),
  m: fc.nat(5_000),
});
const step: fc.Arbitrary<Step> = fc.record({
  what: fc.constantFrom('crank', 'crank', 'crank', 'event'),
  n: fc.nat(5_000),
  m: fc.nat(5_000),
  wishes: fc.array(wish, { maxLength: 5 }),
  drops: fc.oneof({ weight: 4, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: fc.nat(6) }),
});

/** How often each kind of decision, effect and event occurred: the property must have met them. */
const seen = new Map<string, number>();

test('what a run has lived through and what its journal says are the same books, field by field; a crank that is dropped leaves no trace', () => {
  const without = (path: string) => LIVED_ONLY.some(([field]) => field.test(path));
  fc.assert(
    fc.property(fc.array(step, { minLength: 10, maxLength: 40 }), (steps) => {
      const life = new Life();
      for (const one of steps) if (!life.over) life.take(one);
      for (const { decisions, effects, event } of life.journal) {
        for (const { verdict } of decisions) seen.set(verdict, (seen.get(verdict) ?? 0) + 1);
        for (const { kind } of JSON.parse(effects ?? '[]') as { kind: string }[]) seen.set(kind, (seen.get(kind) ?? 0) + 1);
        if (event !== undefined) seen.set(`event ${event.kind}`, (seen.get(`event ${event.kind}`) ?? 0) + 1);
      }
      if (life.over) return;
      assert.deepEqual(fieldsOf(life.fold(), without), fieldsOf(life.run.ledger, without));
    }),
    { numRuns: 100, endOnFailure: true },
  );
  const kinds = Object.keys(MAKERS).filter((kind) => kind !== 'finish');
  for (const name of ['allow', 'ask', 'deny', ...kinds, 'event approval', 'event resolved'])
    expect([name, seen.has(name)]).toEqual([name, true]);
});
