/** Runs the simulator in a process of its own, so that an uncaught exception in it counts as a finding. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const main = fileURLToPath(new URL('main.ts', import.meta.url));

export async function simulate(...args: string[]): Promise<{ readonly failed: boolean; readonly said: string }> {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [main, ...args], { maxBuffer: 64 * 1024 * 1024 });
    return { failed: false, said: stdout };
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    return { failed: true, said: stdout + stderr };
  }
}
