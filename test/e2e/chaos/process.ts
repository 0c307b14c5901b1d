/** A host in a process of its own, to be stopped and killed from outside: what the chaos pass and the soak have in common. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export interface HostProcess {
  readonly pid: number;
  /** The lines that it prints; ends with the process. */
  readonly lines: AsyncIterable<string>;
  readonly kill: (signal: NodeJS.Signals) => void;
  /** Settles once the process is gone: its exit code, or null after a signal. */
  readonly gone: Promise<number | null>;
}

/** @param args for Node: flags, the file, its arguments @param onError is handed what it writes to its standard error */
export function spawnHost(
  args: readonly string[],
  { env = process.env, onError }: { readonly env?: NodeJS.ProcessEnv; readonly onError?: (text: string) => void } = {},
): HostProcess {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', onError === undefined ? 'inherit' : 'pipe'], env });
  child.stderr?.on('data', (text: Buffer) => onError?.(text.toString()));
  return {
    pid: child.pid as number,
    lines: createInterface({ input: child.stdout as NodeJS.ReadableStream }),
    kill: (signal) => void child.kill(signal),
    gone: new Promise((resolve) => child.on('exit', (code) => resolve(code))),
  };
}
