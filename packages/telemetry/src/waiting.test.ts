import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RunId } from '@corral/protocol/ids';
import type { Span } from './span.ts';
import { WaitingSpans } from './waiting.ts';

const span = (tenant: string, name: string): Span => ({
  run: 'run_0123456789ab' as RunId,
  tenant,
  isOfRun: false,
  trace: new Uint8Array(16),
  id: new Uint8Array(8),
  parent: undefined,
  name,
  kind: 1,
  from: 0,
  to: 0,
  attributes: [],
  links: [],
  error: undefined,
});

describe('spans that wait', () => {
  it('are dropped of the tenant that has the most: a flood costs itself', () => {
    const waiting = new WaitingSpans(100);
    for (let i = 0; i < 10; i++) expect(waiting.keep(span('calm', `calm-${i}`))).toBeUndefined();
    for (let i = 0; i < 1_000; i++) waiting.keep(span('flood', `flood-${i}`));
    expect(waiting.keep(span('calm', 'last'))?.tenant).toBe('flood');
    expect(waiting.size).toBe(100);
    const all = waiting.take(100);
    expect(all.filter(({ tenant }) => tenant === 'calm')).toHaveLength(11);
    expect([all.length, waiting.size]).toEqual([100, 0]);
  });

  it('leave by tenants in turn, each in its order', () => {
    const waiting = new WaitingSpans(100);
    for (let i = 0; i < 50; i++) waiting.keep(span('many', String(i)));
    for (let i = 0; i < 3; i++) waiting.keep(span('few', String(i)));
    const [first, rest] = [waiting.take(10), waiting.take(100)];
    expect(first.filter(({ tenant }) => tenant === 'few').map(({ name }) => name)).toEqual(['0', '1', '2']);
    expect([...first, ...rest].filter(({ tenant }) => tenant === 'many').map(({ name }) => name)).toEqual(
      Array.from({ length: 50 }, (_, i) => String(i)),
    );
  });

  it('are each taken or dropped, once, and never more than the bound', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constantFrom('a', 'b', 'c'), fc.nat(9)), { maxLength: 80 }), (steps) => {
        const waiting = new WaitingSpans(8);
        const [kept, over]: [Span[], Span[]] = [[], []];
        for (const step of steps) {
          if (typeof step === 'number') over.push(...waiting.take(step));
          else {
            const one = span(step, '');
            kept.push(one);
            const gone = waiting.keep(one);
            if (gone !== undefined) over.push(gone);
          }
          expect(waiting.size).toBeLessThanOrEqual(8);
        }
        over.push(...waiting.take(8));
        expect(new Set(over).size).toBe(over.length);
        expect(new Set(over)).toEqual(new Set(kept));
      }),
    );
  });
});
