/** Starts the thread that reads the front door's tables, with Node's cache of compiled sources: `../sqlite/start.ts` says why. */
import { enableCompileCache } from 'node:module';

if (process.env['NODE_COMPILE_CACHE'] !== undefined) enableCompileCache();
await import('./reading-thread.ts');
