/** A host with its front door for tests: real processes, a real store, real HTTP. */
import { renameSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { onTestFinished } from 'vitest';
import { transportTo } from '@corral/client/node';
import { createClient, type Client } from '@corral/protocol/api/client';
import type { Role } from '@corral/protocol/api/roles';
import type { Event } from '@corral/protocol/api/schemas';
import { startHost, type HostOptions, type RunningHost } from '@corral/server/host';
import { STEPS } from '@corral/store/front/schema';
import { databaseOf } from './database.ts';
import { bundleSource, type AgentSource } from './bundles.ts';
import { shared, type Finished } from './shared.ts';

export interface Front {
  readonly host: RunningHost;
  readonly data: string;
  /** As the owner of the data folder. */
  readonly admin: Client;
  readonly url: string;
  /** A client over the network with a token of these roles. */
  readonly as: (tenant: string, ...roles: Role[]) => Promise<Client & { readonly secret: string }>;
  readonly deploy: (source: AgentSource, more?: { tenant?: string; alias?: string }) => Promise<string>;
  readonly bundle: (source: AgentSource) => Promise<{ source: string; describing: string }>;
}

/** Reads or changes the tables of a running front door by a connection of its own, as somebody with the folder could. */
export function onTables(host: RunningHost, sql: string, ...values: SQLInputValue[]): Record<string, unknown>[] {
  const db = databaseOf(dirname(host.socket), 'front.db');
  try {
    return db.prepare(sql).all(...values);
  } finally {
    db.close();
  }
}

/** Everybody may read everything. */
const READS_ALL = { withheld: () => undefined, stopped: () => undefined };

/** The events of a host that are kept, as followers get them. */
export async function eventsOf({ door: { feed } }: RunningHost): Promise<Event[]> {
  const events: Event[] = [];
  for (let from = 1; from <= feed.count;) {
    const page = feed.page(from, undefined);
    if (page === undefined) throw new Error('events cannot be written');
    for (const row of page.rows) {
      const text = (await feed.frameOf(row, READS_ALL)).split('\ndata: ')[1] ?? '';
      if (row.kind !== 'reset') events.push(JSON.parse(text) as Event);
    }
    from = page.to + 1;
  }
  return events;
}

/** A folder whose path leaves room for a socket. */
export async function shortFolder(finished: Finished = onTestFinished): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'crl-'));
  finished(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  return folder;
}

export interface FrontOptions extends Partial<HostOptions> {
  /** A corral.config.json for the host. */
  readonly configText?: string;
  /** A corral.config.ts for the host, which lends it the packages that it imports. */
  readonly configCode?: string;
}

/** One host for all tests of a file, where none of them changes what the others meet. Called at the top of the file. */
export function sharedFront(options: FrontOptions = {}): () => Front {
  return shared((finished) => front(options, finished));
}

export async function front(options: FrontOptions = {}, finished: Finished = onTestFinished): Promise<Front> {
  const folder = await shortFolder(finished);
  const data = options.data ?? join(folder, 'd');
  const { configText, configCode, ...rest } = options;
  const config = join(folder, `corral.config.${configCode === undefined ? 'json' : 'ts'}`);
  const text = configCode ?? configText;
  if (text !== undefined) await writeFile(config, text);
  const host = await startHost({
    data,
    port: 0,
    env: process.env,
    // Tests of the front door run on machines that have no wall, too.
    oneWall: true,
    // As in `test/world.ts`.
    spares: 0,
    ...(text === undefined ? {} : { config }),
    ...rest,
  });
  finished(() => host.close(2_000));
  const url = host.url ?? '';
  const admin = createClient(transportTo({ socket: host.socket }));
  let made = 0;
  const bundle = (source: AgentSource) => bundleSource(source, join(folder, 'agents', `${(made += 1)}.ts`));
  return {
    host,
    data,
    admin,
    url,
    bundle,
    async as(tenant, ...roles) {
      const { secret } = await admin.makeToken({ body: { name: `t${(made += 1)}`, tenant: tenant, roles } });
      return { ...createClient(transportTo({ url }), secret), secret };
    },
    async deploy(agent, more = {}) {
      const { source, describing } = await bundle(agent);
      const { agents } = await admin.deployAgent({ body: { source, describing, ...more } });
      return agents[0]?.version ?? '';
    },
  };
}

/** Makes the front door's tables those of an older format, with what that format has room for of their rows. The host is down. */
export function asFormat(data: string, format: number, change = ''): void {
  const file = join(data, 'front.db');
  const older = new DatabaseSync(`${file}.older`);
  older.exec(`${STEPS.slice(0, format).join('')} PRAGMA user_version = ${format}; ATTACH '${file}' AS today`);
  const names = (sql: string) => (older.prepare(sql).all() as { name: string }[]).map(({ name }) => name);
  for (const table of names("SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")) {
    const still = new Set(names(`PRAGMA today.table_info (${table})`));
    const columns = names(`PRAGMA main.table_info (${table})`)
      .filter((name) => still.has(name))
      .map((name) => `"${name}"`)
      .join(', ');
    older.exec(`INSERT INTO main.${table} (${columns}) SELECT ${columns} FROM today.${table}`);
  }
  // Also what still stood in the write-ahead log of the newer file is moved into it, and the log is gone.
  older.exec(`PRAGMA today.journal_mode = DELETE; DETACH today; ${change}`);
  older.close();
  renameSync(`${file}.older`, file);
}

export const HELLO = `{ name: 'hello', run: ({ input, log }) => { log('hi', input.name); return { greeting: 'Hello, ' + input.name + '!' }; } }`;
export const SPIN = `{ name: 'spin', ceilings: { crank_cpu_ms: 10000 }, run: () => { for (;;); } }`;
export const SLEEP = `{ name: 'sleeper', run: async ({ sleep }) => { await sleep(3600000); return 1; } }`;
