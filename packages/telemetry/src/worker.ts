/** The thread of telemetry: the composition root of work.ts. */
import { enableCompileCache } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import type { Begin, ToThread } from './messages.ts';
import { Work } from './work.ts';

/** How often the thread looks for facts. The ring has room for more than a host makes in that time. */
const LOOK_MS = 100;

if (process.env['NODE_COMPILE_CACHE'] !== undefined) enableCompileCache();
const work = new Work(workerData as Begin, {
  now: Date.now,
  fetch,
  pause: (ms) => sleep(ms),
  random: Math.random,
  tell: (message) => parentPort?.postMessage(message),
});
parentPort?.on('message', (message: ToThread) => void work.heard(message));
/** Where more waits it goes on at once, but after messages and answers that have come meanwhile. */
function look(): void {
  const more = work.look();
  setTimeout(look, more ? 0 : LOOK_MS);
}
look();
