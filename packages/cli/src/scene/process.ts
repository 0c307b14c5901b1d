/** Starts the host of the scene, and starts it once more each time it was killed. */
import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { CorralError } from '@corral/protocol/errors';

/** Given to the process of the host in its environment, because others can read command lines. */
export interface HostSettings {
  readonly data: string;
  readonly config: string;
  readonly port: number;
  readonly outside: { readonly url: string; readonly secret: string };
}

/** Said by that process once it takes requests. */
export interface HostSaid {
  readonly url: string;
  readonly walls: string;
}

export interface Started {
  readonly pid: number;
  readonly said: HostSaid;
  /** How long its start took. Milliseconds. */
  readonly took_ms: number;
}

const HOST = fileURLToPath(new URL('./host-process.ts', import.meta.url));
/** How long the host may take to stop in order. */
const STOP_MS = 5_000;

export class HostProcess {
  readonly #settings: Omit<HostSettings, 'port'>;
  #child: ChildProcess | undefined;
  #port = 0;
  #stopping = false;

  constructor(settings: Omit<HostSettings, 'port'>) {
    this.#settings = settings;
  }

  /**
   * Starts the host, and keeps it running.
   * @param up called at each start, as soon as the host takes requests
   * @returns when the host is not to be running any more
   * @throws CORRAL_INTERNAL if it ends by itself, which it does when it cannot start; it has said why
   */
  async run(up: (started: Started) => void): Promise<void> {
    while (!this.#stopping) {
      const began = performance.now();
      const env = { ...process.env, CORRAL_SCENE: JSON.stringify({ ...this.#settings, port: this.#port } satisfies HostSettings) };
      // In a group of its own: the terminal sends its signals to the whole group, and the host stops when this process says so.
      const child = spawn(process.execPath, [HOST], {
        env,
        detached: true,
        windowsHide: true,
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      });
      this.#child = child;
      let isUp = false;
      child.on('message', (message) => {
        const said = message as HostSaid;
        isUp = true;
        // The page that is open in a browser asks this port again.
        this.#port = Number(new URL(said.url).port);
        up({ pid: child.pid ?? 0, said, took_ms: performance.now() - began });
      });
      const signal = await new Promise<string | null>((resolve) => child.once('exit', (_, name) => resolve(name)));
      if (!this.#stopping && (signal !== 'SIGKILL' || !isUp))
        throw new CorralError('CORRAL_INTERNAL', 'The host of the scene ended by itself.');
    }
  }

  kill(): void {
    this.#child?.kill('SIGKILL');
  }

  /** Stops the host in order, and by SIGKILL if it takes too long. */
  stop(): void {
    this.#stopping = true;
    const child = this.#child;
    if (child?.connected === true) child.send('stop');
    const timer = setTimeout(() => child?.kill('SIGKILL'), STOP_MS);
    child?.once('exit', () => clearTimeout(timer));
  }
}
