/** Asks for what makes memory shared and collection visible. It gains a clock and a channel between runs. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'completed', output: [] };

export default defineAgent({
  name: 'names-that-are-gone',
  run: () =>
    [
      'SharedArrayBuffer',
      'Atomics',
      'WeakRef',
      'FinalizationRegistry',
      'WebAssembly',
      'process',
      'require',
      'fetch',
      'Worker',
      'gc',
      'ShadowRealm',
    ].filter((name) => name in globalThis),
});
