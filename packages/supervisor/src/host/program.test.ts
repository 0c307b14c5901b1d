/** Programs of others behind the wall of this machine: the user that one runs as where root starts it, and what a port of it changes for it. */
import { chmod, chown, mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { ProgramSpec } from '@corral/protocol/ports/program';
import { programs, runsAsRoot } from './program.ts';
import { findWalls } from './walls.ts';

const walls = findWalls();
const path = process.env['PATH'] ?? '';
const becomes = 'path' in walls.bubblewrap && walls.bubblewrap.unprivileged;
const [ANA, BEN] = [12_345, 12_346];

/** A folder for each owner, below one that everybody may search. */
async function foldersOf(...owners: readonly number[]): Promise<string[]> {
  const above = await mkdtemp(join(tmpdir(), 'crl-program-'));
  onTestFinished(() => rm(above, { recursive: true, force: true }));
  await chmod(above, 0o755);
  return Promise.all(
    owners.map(async (owner, i) => {
      const folder = join(above, String(i));
      await mkdir(folder, { mode: 0o700 });
      await chown(folder, owner, owner);
      return folder;
    }),
  );
}

const writing = (...folders: readonly string[]): ProgramSpec => ({
  command: 'sh',
  args: ['-c', folders.map((folder) => `echo x > ${folder}/made`).join('; ')],
  env: {},
  folders: folders.map((one) => ({ path: one, write: true })),
  cwd: undefined,
  confined: true,
});

test.runIf(becomes)('a program writes as the owner of its folders, and as root only where that is nobody else', async () => {
  for (const [owners, user] of [
    [[ANA], ANA],
    [[ANA, ANA], ANA],
    [[0], 0],
  ] as const) {
    const folders = await foldersOf(...owners);
    const spec = writing(...folders);
    expect([owners, runsAsRoot(walls, spec, path)]).toEqual([owners, user === 0]);
    const program = programs({ walls, groups: undefined, path })(spec);
    await new Promise<void>((resolve) => program.onEnd(() => resolve()));
    for (const folder of folders) expect([owners, (await stat(join(folder, 'made'))).uid]).toEqual([owners, user]);
  }
  for (const owners of [
    [ANA, BEN],
    [ANA, 0],
  ])
    expect([owners, runsAsRoot(walls, writing(...(await foldersOf(...owners))), path)]).toEqual([owners, true]);
});

test.runIf(becomes)('a program that writes nothing never runs as root, unless root alone can read its folders', async () => {
  const [open = '', closed = ''] = await foldersOf(ANA, 0);
  await chmod(open, 0o755);
  const reading = (folder: string): ProgramSpec => ({ ...writing(), folders: [{ path: folder, write: false }] });
  expect([reading(open), reading(closed)].map((spec) => runsAsRoot(walls, spec, path))).toEqual([false, true]);
  // A user who writes to a folder of its own still has to read the others.
  const [own = ''] = await foldersOf(BEN);
  const both: ProgramSpec = { ...writing(own), folders: [...writing(own).folders, { path: closed, write: false }] };
  expect(runsAsRoot(walls, both, path)).toBe(true);
});

test.runIf('path' in walls.bubblewrap)(
  'a program with a port has its environment, none of which is in force while it has a channel to the host',
  async () => {
    const spec: ProgramSpec = {
      ...writing(),
      command: 'node',
      args: ['-p', 'JSON.stringify([process.env.TEAM, process.connected])'],
      env: { TEAM: 'a', NODE_OPTIONS: "--import=data:text/javascript,console.log('preloaded',process.connected)" },
      port: { number: 4_000, take: () => undefined },
    };
    const program = programs({ walls, groups: undefined, path })(spec);
    let out = '';
    program.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    await new Promise<void>((resolve) => program.stdout.on('end', resolve));
    expect(out).toBe('preloaded undefined\n["a",null]\n');
  },
);
