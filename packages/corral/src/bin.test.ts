import { spawnSync } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';

const BIN = join(import.meta.dirname, 'bin.mjs');
const ROOT = join(import.meta.dirname, '../../../package.json');

const nodePackages = async () =>
  Object.keys((JSON.parse(await readFile(ROOT, 'utf8')) as { optionalDependencies: object }).optionalDependencies);

/** Starts the command on a Node that says it is 22, beside a package that says it is another Node. */
async function onAnOldNode(script: string) {
  const folder = await mkdtemp(join(tmpdir(), 'crl-bin-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const name = (await nodePackages()).find((each) => each.endsWith(`${process.platform}-${process.arch}`)) ?? '';
  const brought = join(folder, 'node_modules', name);
  await mkdir(join(brought, 'bin'), { recursive: true });
  await writeFile(join(brought, 'package.json'), '{}');
  await writeFile(join(brought, 'bin/node'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  await copyFile(BIN, join(folder, 'corral.mjs'));
  await writeFile(join(folder, 'old.cjs'), `Object.defineProperty(process.versions, 'node', { value: '22.11.0' });`);
  const { status, stdout } = spawnSync(process.execPath, ['--require', './old.cjs', 'corral.mjs', 'ps', '--all'], {
    cwd: folder,
    encoding: 'utf8',
  });
  return { status, stdout };
}

test('the command knows the packages that @corral/node brings', async () => {
  const known = [...(await readFile(BIN, 'utf8')).matchAll(/'(node-[\w-]+)'/g)].map(([, name]) => name);
  expect(new Set(known)).toEqual(new Set(await nodePackages()));
});

test.skipIf(process.platform === 'win32')('an old Node hands the command to the one beside it, and ends as that one does', async () => {
  expect(await onAnOldNode('shift; echo "$@"; exit 7')).toEqual({ status: 7, stdout: 'ps --all\n' });
  expect(await onAnOldNode('kill -INT $$')).toMatchObject({ status: 130 });
  expect(await onAnOldNode('kill -TERM $$')).toMatchObject({ status: 143 });
});
