/**
 * Loaded into the host by `--import`: writes down every time that its event loop was blocked, as 24 bytes: when, for how many
 * milliseconds, and how much CPU time its thread used meanwhile, which does not depend on what else the machine does.
 */
import { openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';

/** Shorter blocks are not written. Milliseconds. */
const WRITTEN_MS = 5;
const TICK_MS = 2;

// The host's threads inherit its flags, and its tools' processes its environment.
if (isMainThread && process.argv[2] === 'up') {
  const file = openSync(join(process.env['SCOREBOARD_FOLDER'] as string, 'blocks'), 'a');
  const cpu_ms = () => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1000;
  };
  let at = performance.now();
  let used = cpu_ms();
  const tick = () => {
    const now = performance.now();
    const blocked = now - at - TICK_MS;
    const spent = cpu_ms();
    if (blocked >= WRITTEN_MS) {
      const row = Buffer.allocUnsafe(24);
      row.writeDoubleLE(performance.timeOrigin + now, 0);
      row.writeDoubleLE(blocked, 8);
      row.writeDoubleLE(spent - used, 16);
      writeSync(file, row);
    }
    used = spent;
    at = performance.now();
    setTimeout(tick, TICK_MS).unref();
  };
  setTimeout(tick, TICK_MS).unref();
}
