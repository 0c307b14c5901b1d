import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openForWriting } from './open.ts';

async function repository() {
  const at = await mkdtemp(join(tmpdir(), 'corral-folder-'));
  onTestFinished(() => rm(at, { recursive: true, force: true }));
  const git = (...args: string[]) => spawnSync('git', args, { cwd: at, encoding: 'utf8' });
  return { at, git, hasGit: git('init', '-q').status === 0 };
}

function open(folder: string): void {
  const { db, lock } = openForWriting(folder, { keys: { kind: 'file' } });
  db.close();
  lock.close();
}

test('a data folder in a repository is not committed, with its keys; one that holds other files as well hides none of these', async ({
  skip,
}) => {
  const { at, git, hasGit } = await repository();
  skip(!hasGit, 'no git');
  const seen = () => git('status', '--porcelain', '--untracked-files=all').stdout;
  open(join(at, 'data'));
  // Made before there was this file.
  await mkdir(join(at, '.corral'));
  await writeFile(join(at, '.corral', 'keys.old'), '');
  open(join(at, '.corral'));
  expect(seen()).toBe('');
  await mkdir(join(at, 'both'));
  await writeFile(join(at, 'both', 'agent.ts'), '');
  open(join(at, 'both'));
  expect(seen()).toContain('both/agent.ts');
});
