/**
 * Starts a thread of a store. Node reads its cache of compiled sources in the main thread alone, unless a thread asks for it:
 * without it a thread takes five times as long to start.
 */
import { enableCompileCache } from 'node:module';

if (process.env['NODE_COMPILE_CACHE'] !== undefined) enableCompileCache();
await import('./thread.ts');
