import { describe, expect, test } from 'vitest';
import { events, observe, of, times } from '../fixtures/story.ts';

const found = (steps: Parameters<typeof events>[0]) => of(observe(events(steps)), 'repeat_error');
const pay = { tool: 'pay', input: { to: 'x' } };

describe('repeat_error', () => {
  test('is the same error for the same call, whatever time it says it is; the finding counts the calls and names them', () => {
    const steps = times(3, (i) => ({ ...pay, error: `timeout at 2026-01-01T10:00:0${i}.000Z` }));
    expect(found(steps).at(-1)).toMatchObject({
      evidence: { figures: { times: 3, failures: 3 }, subjects: ['pay'], events: [0, 2, 4, 5] },
    });
    expect(of(observe(events(steps)), 'repeat')).toEqual([]);
  });

  test('names the code of the error', () => {
    const last = found(times(3, () => ({ ...pay, error: 'no such account' })));
    expect(last.at(-1)?.evidence.text).toBe('pay failed 3 times with CORRAL_TOOL_FAILED and the same arguments.');
  });

  test('is surer with each time', () => {
    const confidence = found(times(6, () => ({ ...pay, error: 'no such account' }))).map((finding) => finding.confidence);
    expect(confidence.length).toBeGreaterThan(1);
    expect(confidence).toEqual(confidence.toSorted((a, b) => a - b));
    expect(new Set(confidence).size).toBe(confidence.length);
  });

  test.each([
    ['another error each time', times(6, (i) => ({ ...pay, error: `${['no', 'such', 'account', 'was', 'ever', 'opened'][i]} failed` }))],
    ['an answer each time', times(6, () => ({ ...pay, value: 'paid' }))],
    ['asking again after ever longer waits', times(8, (i) => ({ ...pay, error: 'busy', at: 1_000 * 3 ** i }))],
  ])('is not %s', (_, steps) => {
    expect(found(steps)).toEqual([]);
  });
});
