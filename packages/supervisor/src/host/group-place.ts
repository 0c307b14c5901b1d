/**
 * Where this process may make control groups: version 2 if it is delegated to this process, else the hierarchies of version 1. It is tried,
 * because many systems have control groups and let nobody but their own manager make some.
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export type Controller = 'memory' | 'pids' | 'cpu';
export const CONTROLLERS: readonly Controller[] = ['memory', 'pids', 'cpu'];

/** Where this process may make groups, by controller. With version 2 all folders are the same. */
export interface GroupPlace {
  readonly version: 1 | 2;
  readonly folders: Readonly<Partial<Record<Controller, string>>>;
}
export type FoundGroups = GroupPlace | { readonly missing: string };

/** The group in which the host's own process is with version 2, where a group with processes has no groups below it that have limits. */
const HOST_GROUP = 'corral-host';

/** A file's text; undefined if it cannot be read. */
export function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** Finds out where this process may make groups, by making some. */
export function findGroups(): FoundGroups {
  const [groups, mounts] = [textOf('/proc/self/cgroup'), textOf('/proc/self/mountinfo')];
  if (groups === undefined || mounts === undefined) return { missing: 'this system has no control groups' };
  const two = secondVersion(groups, mounts);
  if (!('missing' in two)) return two;
  const one = firstVersion(groups, mounts);
  return 'missing' in one && one.missing === NONE ? two : one;
}

const NONE = 'none';

/** Folder of a group in a mounted hierarchy; undefined if it is not mounted here. @param isIt by type and options of a mount */
function folderOf(mounts: string, path: string, isIt: (type: string, options: readonly string[]) => boolean): string | undefined {
  for (const line of mounts.split('\n')) {
    const [left = '', right = ''] = line.split(' - ');
    const [, , , root = '/', point = ''] = left.split(' ');
    const [type = '', , options = ''] = right.split(' ');
    if (!isIt(type, options.split(','))) continue;
    const below = root === '/' ? path : path.startsWith(root) ? path.slice(root.length) : path;
    const folder = join(point, below);
    if (existsSync(join(folder, 'cgroup.procs'))) return folder;
  }
  return undefined;
}

function secondVersion(groups: string, mounts: string): FoundGroups {
  const path = /^0::(.*)$/m.exec(groups)?.[1];
  const folder = path === undefined ? undefined : folderOf(mounts, path, (type) => type === 'cgroup2');
  if (folder === undefined) return { missing: 'control groups are not mounted' };
  const offered = (textOf(join(folder, 'cgroup.controllers')) ?? '').trim().split(' ');
  if (!offered.includes('memory')) return { missing: `version 2 offers no memory controller in ${folder}` };
  const place: GroupPlace = {
    version: 2,
    folders: Object.fromEntries(CONTROLLERS.filter((one) => offered.includes(one)).map((one) => [one, folder])),
  };
  try {
    delegate(place, folder);
    return place;
  } catch (error) {
    return { missing: `version 2 is not delegated to this process: ${said(error)}` };
  }
}

/** Moves this process into a group below its own, so that its own may have groups with limits beside it. @throws Error if it may not */
function delegate({ folders }: GroupPlace, folder: string): void {
  const names = Object.keys(folders);
  const on = (textOf(join(folder, 'cgroup.subtree_control')) ?? '').trim().split(' ');
  if (names.every((name) => on.includes(name))) return tryOut(folder);
  const own = join(folder, HOST_GROUP);
  mkdirSync(own, { recursive: true });
  writeFileSync(join(own, 'cgroup.procs'), String(process.pid));
  try {
    writeFileSync(join(folder, 'cgroup.subtree_control'), names.map((name) => `+${name}`).join(' '));
  } catch (error) {
    writeFileSync(join(folder, 'cgroup.procs'), String(process.pid));
    rmdirSync(own);
    throw error;
  }
}

/** Undoes what finding a place for groups changed, for a process that makes none. */
export function leavePlace(place: FoundGroups): void {
  const folder = 'missing' in place || place.version === 1 ? undefined : place.folders.memory;
  const own = join(folder ?? '', HOST_GROUP);
  if (folder === undefined || !(textOf(join(own, 'cgroup.procs')) ?? '').split('\n').includes(String(process.pid))) return;
  try {
    const off = CONTROLLERS.map((name) => `-${name}`).join(' ');
    writeFileSync(join(folder, 'cgroup.subtree_control'), off);
    writeFileSync(join(folder, 'cgroup.procs'), String(process.pid));
    rmdirSync(own);
  } catch {
    // Another host uses the place as well.
  }
}

function firstVersion(groups: string, mounts: string): FoundGroups {
  const folders: Partial<Record<Controller, string>> = {};
  let refused: string | undefined;
  for (const controller of CONTROLLERS) {
    const path = groups
      .split('\n')
      .map((line) => line.split(':'))
      .find(([, names = '']) => names.split(',').includes(controller))?.[2];
    const folder =
      path === undefined ? undefined : folderOf(mounts, path, (type, options) => type === 'cgroup' && options.includes(controller));
    if (folder === undefined) continue;
    try {
      tryOut(folder);
      folders[controller] = folder;
    } catch (error) {
      refused ??= said(error);
    }
  }
  if (folders.memory !== undefined) return { version: 1, folders };
  return { missing: refused === undefined ? NONE : `this process may make no groups: ${refused}` };
}

/** @throws Error if no group can be made in a folder */
function tryOut(folder: string): void {
  const trial = join(folder, `corral-try-${process.pid}`);
  mkdirSync(trial, { recursive: true });
  rmdirSync(trial);
}

const said = (error: unknown): string => (error instanceof Error ? error.message : String(error));
