/** Returns an object that is a promise which resolves to another of its kind, for ever. It gains CPU time after its own code has returned. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(cpu)', limit: { cpu_ms: 200 } };

export default defineAgent({
  name: 'thenable',
  ceilings: { crank_cpu_ms: 200 },
  run() {
    // oxlint-disable-next-line unicorn/no-thenable -- it is what this guest does
    const thenable = (): object => ({ then: (next: (value: unknown) => void) => next(thenable()) });
    return thenable();
  },
});
