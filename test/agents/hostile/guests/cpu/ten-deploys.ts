/** Ten bundles at once compute for ever when they are loaded. Together they gain every cell that looks at bundles. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: '', deploy: 'CORRAL_BUNDLE_INVALID', at_once: 10 };

// Only in an isolate: the scoreboard itself imports this file.
if (!('process' in globalThis)) for (;;);

export default defineAgent({ name: 'ten-deploys', run: () => 1 });
