/** A real redis-server of its own for a test, on a port that is free, which can be stopped where it stands, killed, flushed and started again. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createServer, type AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { until } from './until.ts';

export const HAS_REDIS = ['redis-server', 'redis-cli'].every((name) => spawnSync(name, ['--version']).status === 0);
if (!HAS_REDIS) console.warn('redis-server is not installed: the tests of wake-ups by Redis are skipped (apt-get install redis-server).');

export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** One command, and what it answers. */
  readonly ask: (...args: string[]) => string;
  readonly signal: (signal: NodeJS.Signals) => void;
  /** Starts it again, empty. */
  readonly start: () => Promise<void>;
}

/** @param more options of redis-server, such as `--requirepass` */
export async function redisServer(...more: string[]): Promise<RedisServer> {
  return redisOn(await freePort(), ...more);
}

export async function redisOn(port: number, ...more: string[]): Promise<RedisServer> {
  let child: ChildProcess | undefined;
  const password = more[more.indexOf('--requirepass') + 1];
  const auth = more.includes('--requirepass') && password !== undefined ? ['--no-auth-warning', '-a', password] : [];
  const ask = (...args: string[]) => spawnSync('redis-cli', ['-p', String(port), ...auth, ...args], { encoding: 'utf8' }).stdout.trim();
  const start = async () => {
    child = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', ...more], {
      stdio: 'ignore',
      cwd: '/tmp',
    });
    await until(async () => ask('ping') === 'PONG');
  };
  const kill = () => void child?.kill('SIGKILL');
  // Before it is started: a test that ends while it waits for it leaves none behind.
  process.once('exit', kill);
  onTestFinished(() => {
    process.off('exit', kill);
    kill();
  });
  await start();
  return { url: `redis://127.0.0.1:${port}`, port, ask, signal: (signal) => void child?.kill(signal), start };
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}
