/** The unit of systemd, as far as it can be tried without a running systemd: its syntax, and that it forbids no call which a host makes. */
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';

const DEPLOY = fileURLToPath(new URL('../../deploy/', import.meta.url));
const analyze = (...args: string[]) => spawnSync('systemd-analyze', args, { encoding: 'utf8' });
const HAS_SYSTEMD = analyze('--version').status === 0;

const unit = () => readFile(join(DEPLOY, 'corral.service'), 'utf8');

test.skipIf(!HAS_SYSTEMD)('the unit has no mistake that systemd knows of', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'corral-unit-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  // The command is where the steps in the head of the unit install it.
  const text = (await unit()).replace(/^ExecStart=\S+/m, `ExecStart=${process.execPath}`);
  const verified = async (name: string, of: string) => {
    await writeFile(join(folder, name), of);
    const { stdout, stderr } = analyze('verify', join(folder, name));
    return `${stdout}${stderr}`.split('\n').filter((line) => line.includes(name));
  };
  expect(await verified('corral.service', text)).toEqual([]);
  expect(await verified('wrong.service', text.replace('@clock', '@no-such-set').replace('UMask=0077', 'UMask=mine'))).toHaveLength(2);
});

test.skipIf(!HAS_SYSTEMD)('the unit forbids no system call under which hosts and cells are tested', async () => {
  const { syscalls } = JSON.parse(await readFile(join(DEPLOY, 'seccomp.json'), 'utf8')) as {
    readonly syscalls: readonly { readonly names: readonly string[]; readonly action: string }[];
  };
  const needed = syscalls.filter(({ action }) => action === 'SCMP_ACT_ALLOW').flatMap(({ names }) => names);
  expect(needed.length).toBeGreaterThan(100);
  const [, sets = ''] = /^SystemCallFilter=~(.*)$/m.exec(await unit()) ?? [];
  const callsOf = (set: string): string[] =>
    analyze('syscall-filter', '--no-pager', set)
      .stdout.split('\n')
      .filter((line) => /^ {4}[@a-z]/.test(line))
      .flatMap((line) => (line.trim().startsWith('@') ? callsOf(line.trim()) : [line.trim()]));
  const forbidden = new Set(sets.split(' ').flatMap((set) => callsOf(set)));
  expect(forbidden).toContain('init_module');
  expect(needed.filter((name) => forbidden.has(name))).toEqual([]);
});
