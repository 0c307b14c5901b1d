/**
 * A host with canaries, for payloads of others: a secret in its environment, one in a file beside its data, one in a run of another tenant.
 * Each payload runs in an isolate of that host, and once more directly in a cell's place. A canary has moved if what the payload gives back
 * has a secret in it, if the file was changed, or if the other tenant's run does not end as it would have.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { transportTo } from '@corral/client/node';
import { createClient, type Client } from '@corral/protocol/api/client';
import type { RunId } from '@corral/protocol/ids';
import { cellCommand, CELL_ENVIRONMENT, CELL_MAIN, findWalls } from '@corral/supervisor/host/walls';
import { agentFile } from '../agents/file.ts';
import { bundleSource, type AgentSource } from '../bundles.ts';
import { spawnHost, type HostProcess } from '../e2e/chaos/process.ts';

const MAIN = fileURLToPath(import.meta.resolve('@corral/cli/main'));
const DIRECTLY = fileURLToPath(new URL('fixtures/directly.mjs', import.meta.url));
const WITHIN_MS = 20_000;
const [ATTACKER, VICTIM] = ['attacker', 'victim'];

export interface Payload {
  readonly id: string;
  readonly code: string;
}
/** The result of one way of running a payload. */
export interface Came {
  /** How it ended, in a few words. */
  readonly ended: string;
  /** Canaries that moved. */
  readonly moved: readonly string[];
  readonly crashed: boolean;
  /** Processes that were left. */
  readonly survivors: number;
  /** The payload is not JavaScript that can be parsed. */
  readonly applies: boolean;
}

const RUNNER = agentFile('hostile/payload');
const HOLDER = `{ name: 'holder', async run({ input, sleep }) { const { secret } = input; for (;;) await sleep(60_000); return secret } }`;

export class Arena {
  readonly #secrets = { env: randomBytes(12).toString('hex'), file: randomBytes(12).toString('hex'), run: randomBytes(12).toString('hex') };
  #folder = '';
  #host: HostProcess | undefined;
  #client: Client | undefined;
  #victim: RunId | undefined;
  #gone = false;

  /** @throws Error if the host does not start */
  static async start(): Promise<Arena> {
    const arena = new Arena();
    await arena.#start();
    return arena;
  }

  async #start(): Promise<void> {
    this.#folder = await mkdtemp(join(tmpdir(), 'arena-'));
    // As on a machine where a file is readable by everybody: the wall alone keeps it.
    await chmod(this.#folder, 0o755);
    await writeFile(this.#file, this.#secrets.file);
    await chmod(this.#file, 0o666);
    const config = join(this.#folder, 'corral.json');
    await writeFile(config, JSON.stringify({ policies: 'none', tenants: { [ATTACKER]: { loops: false }, [VICTIM]: { loops: false } } }));
    let said = '';
    const flags = ['--data', join(this.#folder, 'd'), '--config', config, '--port', '0', '--json'];
    this.#host = spawnHost([MAIN, 'up', ...flags], {
      env: { ...process.env, CORRAL_CANARY: this.#secrets.env },
      onError: (text) => void (said = (said + text).slice(-2000)),
    });
    this.#gone = false;
    void this.#host.gone.then(() => (this.#gone = true));
    const first = await this.#host.lines[Symbol.asyncIterator]().next();
    if (first.done === true) throw new Error(`The host did not start: ${said}`);
    this.#client = createClient(transportTo({ socket: join(this.#folder, 'd', 'corral.sock') }));
    await this.#deploy(RUNNER, ATTACKER);
    await this.#deploy(HOLDER, VICTIM);
    const body = { tenant: VICTIM, agent: 'holder', input: { secret: this.#secrets.run } };
    this.#victim = (await this.#api.submitRun({ body, headers: {} })).run;
  }

  get #api(): Client {
    return this.#client as Client;
  }
  get #file(): string {
    return join(this.#folder, 'canary');
  }
  get #canary() {
    return { file: this.#file, variable: 'CORRAL_CANARY', host: this.#host?.pid ?? 0 };
  }

  async #deploy(source: AgentSource, tenant: string): Promise<void> {
    const { source: text, describing } = await bundleSource(source, join(this.#folder, `${tenant}.ts`));
    await this.#api.deployAgent({ body: { tenant, source: text, describing } });
  }

  /** The payload as an agent's code, in an isolate. A host that crashes is started again. */
  async inIsolate({ code }: Payload): Promise<Came> {
    let ended = 'the host did not answer';
    let text = '';
    try {
      const body = { tenant: ATTACKER, agent: 'payload', input: { code, canary: this.#canary } };
      const { run } = await this.#api.submitRun({ body, headers: {} });
      const view = await this.#api.showRun({ params: { run }, query: { wait_ms: WITHIN_MS } });
      const { outcome } = view;
      if (outcome === null)
        await this.#api.operate({ body: { operation: 'kill', target: { run }, reason: 'the time of a payload is over' } });
      const journal = await this.#api.runJournal({ params: { run }, query: {} });
      text = JSON.stringify([view, journal]);
      ended = outcome === null ? 'killed after its time' : outcome.kind;
    } catch (error) {
      text = String(error);
      if (!this.#gone) ended = `refused: ${text.slice(0, 200)}`;
    }
    const crashed = this.#gone || !(await this.#answers());
    const moved = await this.#moved(text, crashed);
    if (crashed) await this.#again();
    return { ended, moved, crashed, survivors: 0, applies: !text.includes('"unparsed":true') };
  }

  /** The payload as a process in a cell's place, behind the walls of this machine. */
  async inCell({ code }: Payload, walls = findWalls()): Promise<Came> {
    const { command, args, statusDescriptor, filter } = cellCommand(walls);
    const replaced = args.map((arg) => (arg === CELL_MAIN ? DIRECTLY : arg));
    const more = [statusDescriptor, filter?.descriptor].filter((one) => one !== undefined).map(() => 'pipe' as const);
    const child = spawn(command, replaced, {
      stdio: ['ignore', 'pipe', 'pipe', 'pipe', ...more],
      env: { ...CELL_ENVIRONMENT },
      cwd: '/',
      detached: true,
    });
    let text = '';
    for (const stream of [child.stdout as Duplex, child.stderr as Duplex, child.stdio[3] as Duplex])
      stream.on('data', (part: Buffer) => (text = (text + part.toString()).slice(-1_000_000))).on('error', () => undefined);
    if (filter !== undefined) (child.stdio[filter.descriptor] as Writable).on('error', () => undefined).end(filter.program);
    (child.stdio[3] as Duplex).write(`${JSON.stringify({ code, canary: this.#canary })}\n`);
    const pid = child.pid as number;
    // oxlint-disable-next-line no-restricted-globals -- a payload that never ends is ended by time alone
    const late = setTimeout(() => void signal(-pid, 'SIGKILL'), WITHIN_MS);
    const [exit, how] = await new Promise<[number | null, string | null]>((resolve) => child.on('close', (...end) => resolve(end)));
    clearTimeout(late);
    const survivors = signal(-pid, 0) ? 1 : 0;
    if (survivors > 0) signal(-pid, 'SIGKILL');
    const crashed = this.#gone || !(await this.#answers());
    const moved = await this.#moved(text, crashed);
    if (crashed) await this.#again();
    return { ended: how ?? `exit code ${exit}`, moved, crashed, survivors, applies: !text.includes('"unparsed":true') };
  }

  async #moved(text: string, crashed: boolean): Promise<string[]> {
    const moved = Object.entries(this.#secrets).flatMap(([name, secret]) => (text.includes(secret) ? [name] : []));
    const held = await readFile(this.#file, 'utf8').catch(() => 'gone');
    if (held !== this.#secrets.file) moved.push('file changed');
    const beside = (await readdir(this.#folder)).filter((name) => !EXPECTED.has(name));
    if (beside.length > 0) moved.push('file written');
    if (!crashed && this.#victim !== undefined) {
      const view = await this.#api.showRun({ params: { run: this.#victim }, query: {} }).catch(() => undefined);
      if (view !== undefined && view.outcome !== null) moved.push('run of another tenant');
    }
    return moved;
  }

  async #answers(): Promise<boolean> {
    return this.#api.health({}).then(
      () => true,
      () => false,
    );
  }

  async #again(): Promise<void> {
    await this.#stop();
    await this.#start();
  }

  async #stop(): Promise<void> {
    this.#host?.kill('SIGKILL');
    await this.#host?.gone;
    await rm(this.#folder, { recursive: true, force: true });
  }

  async close(): Promise<void> {
    await this.#stop();
  }
}

const EXPECTED = new Set(['canary', 'corral.json', 'd', 'attacker.ts', 'victim.ts']);

function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}
