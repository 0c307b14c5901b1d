/**
 * Work on a data folder on which no host runs: the store under its lock, and a laboratory where something is replayed. Store and host
 * are loaded when they are needed: the commands in here talk to a living host most of the time.
 */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { CorralError } from '@corral/protocol/errors';
import type { Digest, RunId } from '@corral/protocol/ids';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { RunRecord } from '@corral/protocol/model/run';
import type { Store, StoredRun } from '@corral/protocol/ports/store';
import type { Tool } from '@corral/protocol/ports/tool';
import type { KeySource, SqliteStore, StoreOptions } from '@corral/store/sqlite';
import { keySource } from '@corral/store/core/keys';
import type { Laboratory, RunView, TenantOptions } from '@corral/supervisor';
import type { MemoryPlace } from './host.ts';
import { namedFolder } from './paths.ts';
import { linesBy } from './stack.ts';
import { toStderr } from './tool-reports.ts';

/**
 * Opens the store of a folder for `work`, with the keys of this process, and closes it in any case.
 * @throws CORRAL_DATA_UNUSABLE if the folder has no data: opening would make a new store
 */
export function withStore<T>(data: string, work: (store: SqliteStore) => Promise<T>, options: Omit<StoreOptions, 'keys'> = {}): Promise<T> {
  return using(data, (Opened, keys) => Opened.open(data, { ...options, keys }), work);
}

/** The same for `work` that only reads: it takes no lock, so the folder may be in use or read-only. */
export function withReading<T>(data: string, work: (store: SqliteStore) => Promise<T>): Promise<T> {
  return using(data, (Opened, keys) => Opened.read(data, { keys }), work);
}

async function using<T>(
  data: string,
  open: (Opened: typeof SqliteStore, keys: KeySource) => Promise<SqliteStore>,
  work: (store: SqliteStore) => Promise<T>,
): Promise<T> {
  if (!existsSync(join(data, 'corral.db'))) throw new CorralError('CORRAL_DATA_UNUSABLE', `There is no Corral data in ${data}.`);
  const { SqliteStore: Opened } = await import('@corral/store/sqlite');
  const store = await open(Opened, keySource(process.env));
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

/** A laboratory for `work`; its cells are ended afterwards. */
export async function withLaboratory<T>(work: (laboratory: Laboratory, image: string) => Promise<T>): Promise<T> {
  const { findWalls, Laboratory, ProcessLauncher, readImage, realClock, realRandom } = await import('@corral/supervisor');
  const image = readImage();
  const laboratory = new Laboratory({
    launcher: new ProcessLauncher(findWalls()),
    clock: realClock,
    random: realRandom,
    cores: availableParallelism(),
  });
  try {
    return await work(laboratory, image);
  } finally {
    laboratory.close();
  }
}

/** Gives the source of a bundle by its digest, from the store. */
export function bundlesOf(store: Pick<Store, 'bundle'>): (digest: Digest) => Promise<{ digest: Digest; source: string }> {
  return async (digest) => {
    const source = await store.bundle(digest);
    if (source === undefined) throw new CorralError('CORRAL_AGENT_UNKNOWN', `The bundle ${digest} is not in this data folder.`);
    return { digest, source };
  };
}

/** Maps positions in the bundle of a run to its author's lines, if a source map was deployed with it. */
export async function authorsLines(store: Store, run: StoredRun | undefined): Promise<(text: string) => string> {
  if (run === undefined) return linesBy(undefined);
  const on = await store.version(run.version);
  return linesBy(await store.sourceMap(on?.bundle ?? run.record.bundle));
}

export { runId } from './ids.ts';

/** Where a run goes on, and with which tools. */
export interface GoOptions {
  readonly data: string;
  readonly read?: string;
  readonly write?: string;
  /** A host's configuration: its tools and policies, by tenant. */
  readonly config?: string;
}

/** Tools and policies by tenant, and the memories behind some of the tools once a host runs. */
export interface Offered {
  (tenant: string): TenantOptions;
  readonly memory: MemoryPlace;
}

/** Tools and policies of a tenant: from the configuration, as a host would read it, or the tools for the named folders. */
export async function offeredBy({ config, read, write }: GoOptions): Promise<Offered> {
  const memory: MemoryPlace = {};
  if (config === undefined) {
    const tools = await toolsOf({ read, write });
    return Object.assign(() => ({ tools }), { memory });
  }
  // Loaded on demand, because this module loads Cedar's engine.
  const { loadConfig } = await import('@corral/server/config/load');
  const files = { ...(read === undefined ? {} : { read: resolve(read) }), ...(write === undefined ? {} : { write: resolve(write) }) };
  const { tenants } = await loadConfig(config, process.env, { files, tell: toStderr, memory: () => memory.store });
  return Object.assign((tenant: string) => tenants[tenant] ?? { tools: [] }, { memory });
}

async function toolsOf({ read, write }: { readonly read: string | undefined; readonly write: string | undefined }): Promise<Tool[]> {
  const [{ readingTools, writingTools }, { questionTools }] = await Promise.all([
    import('@corral/tools/fs'),
    import('@corral/tools/questions'),
  ]);
  return [
    ...(read === undefined ? [] : await readingTools(await namedFolder('--read', read))),
    ...(write === undefined ? [] : await writingTools(await namedFolder('--write', write))),
    ...questionTools(),
  ];
}

/**
 * Refuses to go on with a run whose tools are not offered: its calls would fail through no fault of the agent.
 * @throws CORRAL_USAGE
 */
export async function mustBeOffered(store: SqliteStore, record: RunRecord, { tools }: TenantOptions): Promise<void> {
  for (const { target } of await store.grants(record.id)) {
    // Services are in the folder, with the runs.
    if (target.kind !== 'tool' || target.tool.startsWith('service:') || tools.some((tool) => tool.name === target.tool)) continue;
    throw new CorralError(
      'CORRAL_USAGE',
      `${record.id} holds ${target.tool}, which is not offered here: --config FILE offers the tools of a host, --read FOLDER fs.read and fs.list, --write FOLDER fs.write. Or do not let it go on here (fork --no-go; the other commands without --go), and start that host.`,
    );
  }
}

/** How far a run got: its outcome, or what it waits for a person to do. */
export type Went = { readonly outcome: Outcome } | { readonly waiting: string };

const WAITS_FOR_SOMEBODY = new Set<RunView['waiting']>(['resolution', 'upgrade', 'approval']);
const LOOK_MS = 25;

/** Starts a host on a folder and runs one run until it ends or waits for a person. Other runs in the folder go on meanwhile. */
export async function go(run: RunId, tenant: string, { data }: GoOptions, offered: Offered): Promise<Went> {
  const { startHost } = await import('./host.ts');
  const host = await startHost({ data, tenants: { [tenant]: offered(tenant) }, memory: offered.memory });
  let looking = true;
  try {
    const ended = host.supervisor.ended(run).then((outcome): Went => ({ outcome }));
    const stuck = (async (): Promise<Went> => {
      while (looking) {
        const view = host.supervisor.view(run);
        if (view !== undefined && view.control === 'none' && WAITS_FOR_SOMEBODY.has(view.waiting)) return { waiting: view.waiting };
        if (view?.control === 'paused') return { waiting: 'resume' };
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      }
      return { waiting: 'nothing' };
    })();
    return await Promise.race([ended, stuck]);
  } finally {
    looking = false;
    await host.close();
  }
}
