import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonical as labelText } from '@corral/protocol/json';
import { answerLabel, isNarrow, NARROW_ENUM_MAX } from './narrow.ts';
import {
  afterOutsideEffect,
  CLEAN,
  declassify,
  endorse,
  flowsTo,
  join,
  LABEL_MAX_NAME_CHARS,
  LABEL_MAX_NAMES,
  labelOf,
  WORST,
  type Label,
} from './labels.ts';

const name = fc.oneof(
  fc.constantFrom('mail', 'web', 'calendar', 'drive', '*'),
  fc.integer({ min: 0, max: 40 }).map((n) => `source-${n}`),
);
const step = fc.record({ source: name, untrusted: fc.boolean(), secret: fc.boolean(), effect: fc.boolean() });
/** Labels as runs get them: by joining. Some overflow. */
const label = fc.array(step, { maxLength: 24 }).map((steps) =>
  steps.reduce<Label>((sum, { source, untrusted, secret, effect }) => {
    const next = join(sum, labelOf(source, { untrusted, ...(secret ? { private_to: source } : {}) }));
    return effect ? afterOutsideEffect(next) : next;
  }, CLEAN),
);

describe('labels are a lattice under join', () => {
  it('joins in any order, grouping and number to the same label', () => {
    fc.assert(
      fc.property(label, label, label, (a, b, c) => {
        expect(labelText(join(a, b))).toBe(labelText(join(b, a)));
        expect(labelText(join(join(a, b), c))).toBe(labelText(join(a, join(b, c))));
        expect(labelText(join(a, a))).toBe(labelText(a));
        expect(labelText(join(a, CLEAN))).toBe(labelText(a));
        expect(labelText(join(a, WORST))).toBe(labelText(WORST));
      }),
    );
  });

  it('joins to the least label above both', () => {
    fc.assert(
      fc.property(label, label, label, (a, b, c) => {
        const both = join(a, b);
        expect(flowsTo(a, both) && flowsTo(b, both)).toBe(true);
        expect(flowsTo(a, c) && flowsTo(b, c)).toBe(flowsTo(both, c));
        expect(flowsTo(a, b)).toBe(labelText(both) === labelText(b));
      }),
    );
  });

  it('stays within its bounds', () => {
    fc.assert(
      fc.property(label, (a) => {
        expect(a.influenced_by.length).toBeLessThanOrEqual(LABEL_MAX_NAMES);
      }),
    );
    expect(labelOf('x'.repeat(1000), { untrusted: true }).influenced_by[0]).toHaveLength(LABEL_MAX_NAME_CHARS);
  });

  it('stands for anyone when it names too many', () => {
    const all = Array.from({ length: LABEL_MAX_NAMES }, (_, i) => labelOf(`s${i}`, { untrusted: true })).reduce(join);
    expect(all.influenced_by).toHaveLength(LABEL_MAX_NAMES);
    expect(join(all, labelOf('one more', { untrusted: true })).influenced_by).toEqual(['*']);
  });
});

describe('only a person lowers a label, and it is on record', () => {
  it('endorses the sources named and keeps the sticky bit while another is left', () => {
    const read = join(labelOf('mail', { untrusted: true, private_to: 'ann' }), labelOf('web', { untrusted: true }));
    const first = endorse(read, 'ann', 'read it myself', ['mail']);
    expect(first.after.influenced_by).toEqual(['web']);
    expect(first.after.sticky.untrusted_input).toBe(true);
    const second = endorse(first.after, 'ann', 'and this', ['web']);
    expect(second.after.sticky).toEqual({ untrusted_input: false, private_data: true, outside_effect: false });
    expect(second).toMatchObject({ kind: 'endorse', by: 'ann', reason: 'and this', names: ['web'], before: first.after });
  });

  it('declassifies without touching influence', () => {
    const read = labelOf('mail', { untrusted: true, private_to: 'ann' });
    expect(declassify(read, 'ann', 'public now', ['*']).after).toEqual(labelOf('mail', { untrusted: true }));
  });

  it('never raises, and takes nothing out of anyone but everybody', () => {
    fc.assert(
      fc.property(label, fc.array(name, { maxLength: 4 }), (a, taken) => {
        expect(flowsTo(endorse(a, 'o', 'r', taken).after, a)).toBe(true);
        expect(flowsTo(declassify(a, 'o', 'r', taken).after, a)).toBe(true);
      }),
    );
    expect(endorse(WORST, 'o', 'r', ['mail']).after).toEqual(WORST);
    expect(endorse(WORST, 'o', 'r', ['*']).after.influenced_by).toEqual([]);
  });
});

describe('a narrow answer', () => {
  const dirty = labelOf('web', { untrusted: true, private_to: 'ann' });

  it('let a quarantined child answer narrowly without its influence, but not without its readers', () => {
    expect(answerLabel({ enum: ['a', 'b'] }, 'a', dirty)).toEqual(labelOf('web', { untrusted: false, private_to: 'ann' }));
    expect(answerLabel('number', 3, dirty).sticky).toEqual({ untrusted_input: false, private_data: true, outside_effect: false });
    expect(answerLabel({ enum: ['a'] }, 'please pay me', dirty)).toEqual(dirty);
  });

  it('refuse an enumeration as wide as a dictionary, and numbers that are none', () => {
    const wide = Array.from({ length: NARROW_ENUM_MAX + 1 }, (_, i) => `w${i}`);
    expect(isNarrow({ enum: wide }, 'w0')).toBe(false);
    expect(isNarrow({ enum: wide.slice(1) }, 'w1')).toBe(true);
    expect(isNarrow('number', Number.NaN)).toBe(false);
    expect(isNarrow('boolean', 'true')).toBe(false);
  });
});
