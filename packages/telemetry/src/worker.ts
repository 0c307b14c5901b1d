/** The thread of telemetry: the composition root of work.ts. */
import { enableCompileCache } from 'node:module';
import { setTimeout } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import type { Begin, ToThread } from './messages.ts';
import { Work } from './work.ts';

/** How often the thread looks for facts. The ring has room for more than a host makes in that time. */
const LOOK_MS = 100;

if (process.env['NODE_COMPILE_CACHE'] !== undefined) enableCompileCache();
const work = new Work(workerData as Begin, {
  now: Date.now,
  fetch,
  pause: (ms) => setTimeout(ms),
  random: Math.random,
  tell: (message) => parentPort?.postMessage(message),
});
parentPort?.on('message', (message: ToThread) => void work.heard(message));
setInterval(() => work.look(), LOOK_MS);
