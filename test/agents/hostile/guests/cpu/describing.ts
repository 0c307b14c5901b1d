/** Computes for ever when it is loaded, before any run. It gains a cell and its CPU time at each deploy. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: '', deploy: 'CORRAL_BUNDLE_INVALID' };

// Only in an isolate: the scoreboard itself imports this file.
if (!('process' in globalThis)) for (;;);

export default defineAgent({ name: 'describing', run: () => 1 });
