/** Starts the thread of memories, with Node's cache of compiled sources: `../sqlite/start.ts` says why. */
import { enableCompileCache } from 'node:module';

if (process.env['NODE_COMPILE_CACHE'] !== undefined) enableCompileCache();
await import('./thread.ts');
