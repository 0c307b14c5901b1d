/**
 * The packages that are published, and how each is made of the workspace. In the workspace all are private and export their sources, so
 * that none is published by mistake; what is published is written to a folder of its own, with a manifest of its own.
 */
import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const inRoot = (path: string): string => `${ROOT}${path}`;

export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly description?: string;
  readonly license?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly engines?: Readonly<Record<string, string>>;
  /** In the root, once there is a place from which releases are built. */
  readonly repository?: unknown;
  /** In the root: folders, of which the last may be `*`. */
  readonly workspaces?: readonly string[];
}

export const manifestOf = (folder: string): Manifest => JSON.parse(readFileSync(inRoot(`${folder}/package.json`), 'utf8')) as Manifest;

/** One entry of `exports`: a name in the package, the source of its types, the source of its code. */
export interface Entry {
  /** `.` or `./config`. */
  readonly as: string;
  /** The file that is written, below `dist`, without its ending. */
  readonly to: string;
  readonly source: string;
}

export interface Published {
  readonly folder: string;
  readonly entries: readonly Entry[];
  readonly keywords: readonly string[];
}

const entry = (as: string, to: string, source: string): Entry => ({ as, to, source });

/** In the order in which they are published: none before what it depends on. */
export const PUBLISHED: readonly Published[] = [
  { folder: 'packages/node', entries: [], keywords: ['corral', 'node'] },
  { folder: 'packages/guest', entries: [entry('.', 'index', 'packages/guest/src/sdk/index.ts')], keywords: ['agents', 'sandbox', 'sdk'] },
  {
    folder: 'packages/corral',
    entries: [
      entry('./config', 'config', 'packages/server/src/config/define.ts'),
      entry('./testing', 'testing', 'packages/testing/src/index.ts'),
    ],
    keywords: ['agents', 'sandbox', 'runtime', 'policy', 'isolate'],
  },
  { folder: 'packages/testing', entries: [], keywords: ['agents', 'testing'] },
  {
    folder: 'packages/client',
    entries: [entry('.', 'index', 'packages/client/src/index.ts'), entry('./node', 'node', 'packages/client/src/node.ts')],
    keywords: ['agents', 'client'],
  },
  { folder: 'packages/create-corral', entries: [], keywords: ['agents', 'create'] },
];

/** All workspaces, by the folders of the root's manifest. */
export const WORKSPACES: readonly string[] = (manifestOf('.').workspaces ?? []).flatMap((folders) =>
  globSync(`${folders}/package.json`, { cwd: ROOT }).map(dirname).toSorted(),
);

/** Runs npm to its end. */
export const npm = (args: readonly string[], stdio: 'pipe' | 'inherit' = 'pipe'): SpawnSyncReturns<string> =>
  spawnSync(process.platform === 'win32' ? 'npm.cmd' : 'npm', args, { encoding: 'utf8', stdio, shell: process.platform === 'win32' });

/** Exact versions of the libraries that the workspace uses. */
export function libraryVersions(): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const folder of WORKSPACES)
    for (const [name, version] of Object.entries({ ...manifestOf(folder).dependencies, ...manifestOf(folder).devDependencies }))
      if (!name.startsWith('@corral/') && name !== 'create-corral') found.set(name, version);
  return found;
}

/** The version of all packages. @throws if they differ */
export function oneVersion(): string {
  const versions = new Map(WORKSPACES.map((folder) => [folder, manifestOf(folder).version]));
  const [version = ''] = versions.values();
  const other = [...versions].find(([, each]) => each !== version);
  if (other !== undefined)
    throw new Error(`${other[0]} has version ${other[1]}, and ${WORKSPACES[0]} has ${version}; all have the same one.`);
  return version;
}
