/** The scoreboard's host: a real `corral up` with three tenants, two neighbours that read all the time, and what is measured of it. */
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transportTo } from '@corral/client/node';
import { createClient, type Client } from '@corral/protocol/api/client';
import type { RunId } from '@corral/protocol/ids';
import { bundleSource } from '../../bundles.ts';
import { agentFile } from '../../agents/file.ts';
import { spawnHost, type HostProcess } from '../../e2e/chaos/process.ts';
import { Memory } from './memory.ts';
import { gapsIn, type Block, type Gaps } from './judge.ts';
import { Rows } from './rows.ts';

const MAIN = fileURLToPath(import.meta.resolve('@corral/cli/main'));
const CONFIG = fileURLToPath(new URL('corral.config.ts', import.meta.url));
const PROBE = new URL('probe.ts', import.meta.url).href;
/** Heap of the host, which the hostile guests of two tenants try to fill. */
const HOST_HEAP_MIB = 512;
const DRAIN_MS = '1000';
const AGAIN_MS = 20;
const SETTLE_MS = 15_000;
/** Calls after which a neighbour has come to read evenly. */
const SETTLED_CALLS = 100;

const WHO = ['other', 'own'] as const;
export type Who = (typeof WHO)[number];
export const TENANT_OF = { other: 'others', own: 'guests' } as const satisfies Record<Who, string>;

export const now = (): number => performance.timeOrigin + performance.now();
export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const alive = new Set<BoardHost>();

/** Kills the hosts that are still there and removes their folders, for a program that is interrupted. */
export function abandon(): void {
  for (const host of alive) host.abandon();
}

export class BoardHost {
  readonly client: Client;
  readonly memory: Memory;
  /** Exit code or signal once the process has ended. */
  ended: string | undefined;
  readonly #folder: string;
  readonly #process: HostProcess;
  readonly #neighbours = new Map<Who, RunId>();
  /** Agents that were deployed here, by tenant and file. */
  readonly #deployed = new Map<string, string>();
  readonly #calls: Readonly<Record<Who, Rows>>;
  readonly #blocks: Rows;
  #said = '';

  private constructor(folder: string) {
    this.#folder = folder;
    this.#calls = { other: new Rows(join(folder, 'calls-other'), 1), own: new Rows(join(folder, 'calls-own'), 1) };
    this.#blocks = new Rows(join(folder, 'blocks'), 3);
    const args = [`--max-old-space-size=${HOST_HEAP_MIB}`, '--import', PROBE, MAIN, 'up'];
    const flags = ['--data', join(folder, 'd'), '--config', CONFIG, '--port', '0', '--drain', DRAIN_MS, '--json'];
    this.#process = spawnHost([...args, ...flags], {
      env: { ...process.env, SCOREBOARD_FOLDER: folder },
      onError: (text) => void (this.#said = (this.#said + text).slice(-4000)),
    });
    this.client = createClient(transportTo({ socket: join(folder, 'd', 'corral.sock') }));
    this.memory = new Memory(this.#process.pid);
    alive.add(this);
    void this.#process.gone.then((code) => (this.ended = code === null ? 'a signal' : `exit code ${code}`));
  }

  /** @throws Error if the host does not start */
  static async start(): Promise<BoardHost> {
    const folder = await mkdtemp(join(tmpdir(), 'board-'));
    await mkdir(join(folder, 'files'));
    await writeFile(join(folder, 'files', 'a.txt'), 'a\n');
    const host = new BoardHost(folder);
    const first = await host.#process.lines[Symbol.asyncIterator]().next();
    if (first.done === true) throw new Error(`The host did not start: ${host.#said}`);
    for (const who of WHO) await host.#settle(who);
    return host;
  }

  /** The end of what it wrote to its standard error. */
  get said(): string {
    return this.#said;
  }

  async close(): Promise<void> {
    this.memory.close();
    this.#process.kill('SIGTERM');
    const gone = await Promise.race([this.#process.gone.then(() => true), pause(SETTLE_MS).then(() => false)]);
    if (!gone) this.#process.kill('SIGKILL');
    await this.#process.gone;
    for (const rows of [this.#calls.own, this.#calls.other, this.#blocks]) rows.close();
    alive.delete(this);
    await rm(this.#folder, { recursive: true, force: true });
  }

  abandon(): void {
    this.#process.kill('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** The agent of a file and its version, deployed in a tenant: once on each host, so that further passes do not wait for it. Some guests share a name. */
  async deploy(file: string, tenant: string): Promise<string> {
    const known = this.#deployed.get(`${tenant} ${file}`);
    if (known !== undefined) return known;
    const { source, describing } = await bundleSource({ file }, file);
    const { agents } = await this.client.deployAgent({ body: { tenant: tenant, source, describing } });
    // The default export is the last agent of its bundle that is named here: its children are in its `spawns`.
    const spawned = new Set(agents.flatMap(({ manifest }) => manifest.spawns));
    const deployed = agents.find((one) => !spawned.has(one.agent)) ?? agents[0];
    if (deployed === undefined) throw new Error(`There is no agent in ${file}.`);
    const agent = `${deployed.agent}@${deployed.version}`;
    this.#deployed.set(`${tenant} ${file}`, agent);
    return agent;
  }

  /** Starts a neighbour, and waits until it reads. */
  async #settle(who: Who): Promise<void> {
    const tenant = TENANT_OF[who];
    const agent = await this.deploy(agentFile('crew/neighbour').file, tenant);
    const { run } = await this.client.submitRun({ body: { tenant: tenant, agent: agent, input: { who } }, headers: {} });
    this.#neighbours.set(who, run);
    const had = this.calls(who).length;
    const end = now() + SETTLE_MS;
    while (this.calls(who).length < had + SETTLED_CALLS) {
      if (now() > end) throw new Error(`The neighbour in ${tenant} does not read: ${this.#said}`);
      await pause(AGAIN_MS);
    }
  }

  /** The neighbours that are no longer there, with their outcomes. */
  async lost(): Promise<string[]> {
    const found = [];
    for (const [who, run] of this.#neighbours) {
      const { lifecycle, ended_as } = await this.client.showRun({ params: { run }, query: {} });
      if (lifecycle !== 'ended') continue;
      found.push(`the neighbour in ${TENANT_OF[who]} ended as ${ended_as}`);
      await this.#settle(who);
    }
    return found;
  }

  isNeighbour(run: string): boolean {
    return [...this.#neighbours.values()].some((one) => one === run);
  }

  /** When a neighbour called, in milliseconds since 1970. */
  calls(who: Who): number[] {
    return this.#calls[who].read().map(([at = 0]) => at);
  }

  /** The gaps of a neighbour between two times, after it has called once more; those of one that does not end at `until`. */
  async gaps(who: Who, from: number, until: number): Promise<Gaps> {
    const end = now() + SETTLE_MS;
    let calls = this.calls(who);
    while ((calls.at(-1) ?? 0) < until && now() < end && this.ended === undefined) {
      await pause(AGAIN_MS);
      calls = this.calls(who);
    }
    return gapsIn(calls, from, (calls.at(-1) ?? 0) >= until ? until : now());
  }

  blocks(from: number, until: number): Block[] {
    return this.#blocks
      .read()
      .map(([at = 0, ms = 0, cpu_ms = 0]) => ({ at, ms, cpu_ms }))
      .filter(({ at, ms }) => at >= from && at - ms <= until);
  }

  /** Ends everything but the neighbours, and waits until it has ended. */
  async clear(): Promise<void> {
    for (const end = now() + SETTLE_MS; now() < end; await pause(AGAIN_MS)) {
      const { items } = await this.client.listRuns({ query: { live: 'true', limit: 500 } });
      const left = items.filter(({ run, parent }) => !this.isNeighbour(run) && parent === null);
      if (items.every(({ run }) => this.isNeighbour(run))) return;
      for (const { run } of left) {
        const body = { operation: 'kill', target: { run }, reason: 'left over' } as const;
        await this.client.operate({ body: { ...body, dryRun: false, family: false } }).catch(() => undefined);
      }
    }
  }
}
