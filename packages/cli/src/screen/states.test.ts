import { describe, expect, test } from 'vitest';
import { stateOf } from './states.ts';

const RUN = { ended_as: null, control: 'none', lifecycle: 'active', waiting: 'nothing', on_cpu: false } as const;

describe('the state of a run as one word', () => {
  test('says that a person has to decide, before all else but a stop', () => {
    for (const waiting of ['approval', 'resolution', 'upgrade'] as const) {
      expect(stateOf({ ...RUN, waiting })).toBe(`needs ${waiting}`);
      expect(stateOf({ ...RUN, lifecycle: 'queued', waiting })).toBe(`needs ${waiting}`);
      expect(stateOf({ ...RUN, control: 'paused', waiting })).toBe('paused');
    }
  });

  test('is waiting for what comes by itself, queued only before it begins, and active with something to process', () => {
    for (const waiting of ['call', 'message', 'timer', 'child'] as const) expect(stateOf({ ...RUN, waiting })).toBe('waiting');
    expect(stateOf({ ...RUN, lifecycle: 'queued' })).toBe('queued');
    // An instance of a service that has a message, and no turn yet.
    expect(stateOf({ ...RUN, lifecycle: 'queued', waiting: 'message' })).toBe('queued');
    expect(stateOf(RUN)).toBe('active');
    expect(stateOf({ ...RUN, on_cpu: true, waiting: 'call' })).toBe('running');
    expect(stateOf({ ...RUN, lifecycle: 'ended', ended_as: 'exceeded(cpu)' })).toBe('exceeded(cpu)');
  });
});
