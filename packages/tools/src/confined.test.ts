import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Confined } from './confined.ts';

let base: string;
let confined: Confined;

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'corral-confined-'));
  await mkdir(join(base, 'root/inner'), { recursive: true });
  await mkdir(join(base, 'root-too'));
  await writeFile(join(base, 'root/file.txt'), 'inside');
  await writeFile(join(base, 'secret.txt'), 'secret');
  await writeFile(join(base, 'root-too/secret.txt'), 'secret');
  confined = await Confined.at(join(base, 'root'));
});
afterEach(() => rm(base, { recursive: true, force: true }));

describe('a confined folder', () => {
  test('gives what is in it, up to a bound', async () => {
    expect(await confined.read('file.txt', 100)).toEqual({ data: Buffer.from('inside'), size: 6 });
    expect(await confined.read('./inner/../file.txt', 3)).toEqual({ data: Buffer.from('ins'), size: 6 });
    expect(await confined.list('.')).toEqual([
      { name: 'file.txt', kind: 'file' },
      { name: 'inner', kind: 'folder' },
    ]);
  });

  test.each(['../secret.txt', 'inner/../../secret.txt', '/etc/passwd', '..', 'C:\\x', '..\\secret.txt', 'a\0b', '../root-too/secret.txt'])(
    'does not give %j',
    async (path) => {
      await expect(confined.read(path, 100)).rejects.toThrow(/leads out|does not exist/);
      await expect(confined.list(path)).rejects.toThrow(/leads out|does not exist/);
      await expect(confined.write(path, Buffer.from('x'))).rejects.toThrow(/leads out|does not exist/);
    },
  );

  test('does not follow links, at the end of a path or on the way', async () => {
    await symlink(join(base, 'secret.txt'), join(base, 'root/link.txt'));
    await symlink(base, join(base, 'root/out'));
    await symlink('file.txt', join(base, 'root/same.txt'));
    for (const path of ['link.txt', 'out/secret.txt', 'same.txt']) await expect(confined.read(path, 100)).rejects.toThrow(/link|leads out/);
    await expect(confined.list('out')).rejects.toThrow(/is not a folder|link|leads out/);
    await expect(confined.write('out/new.txt', Buffer.from('x'))).rejects.toThrow(/is not a folder|link|leads out/);
    await expect(confined.write('out/deep/new.txt', Buffer.from('x'))).rejects.toThrow(/is not a folder|link|leads out/);
    expect(await readdir(base)).toEqual(['root', 'root-too', 'secret.txt']);
    expect((await confined.list('.')).filter((entry) => entry.kind === 'other')).toHaveLength(3);
  });

  test('replaces a link instead of writing through it', async () => {
    await symlink(join(base, 'secret.txt'), join(base, 'root/link.txt'));
    await confined.write('link.txt', Buffer.from('new'));
    expect(await readFile(join(base, 'secret.txt'), 'utf8')).toBe('secret');
    expect(await readFile(join(base, 'root/link.txt'), 'utf8')).toBe('new');
  });

  // Bug link-out-of-the-folder: a capability narrowed to `node_modules` read the whole folder through a link that a package manager had put there.
  test('follows no link between its own folders, so that a path below one is really below it', async () => {
    await mkdir(join(base, 'root/private'));
    await writeFile(join(base, 'root/private/key'), 'secret');
    await symlink('../private', join(base, 'root/inner/linked'));
    await expect(confined.read('inner/linked/key', 100)).rejects.toThrow(/links are not followed/);
    await expect(confined.list('inner/linked')).rejects.toThrow(/not a folder|links are not followed/);
    await expect(confined.write('inner/linked/key', Buffer.from('x'))).rejects.toThrow(/not a folder|links are not followed/);
    expect(await readFile(join(base, 'root/private/key'), 'utf8')).toBe('secret');
  });

  test.runIf(process.platform !== 'win32')('lets nobody read a file who could not before it was written', async () => {
    await chmod(join(base, 'root/file.txt'), 0o600);
    await confined.write('file.txt', Buffer.from('new'));
    expect((await stat(join(base, 'root/file.txt'))).mode & 0o777).toBe(0o600);
    await confined.write('another.txt', Buffer.from('new'));
    expect((await stat(join(base, 'root/another.txt'))).mode & 0o777).toBe(0o644);
  });

  test.runIf(process.platform === 'linux')('does not wait for a pipe or read a device', async () => {
    execFileSync('mkfifo', [join(base, 'root/pipe')]);
    await expect(confined.read('pipe', 100)).rejects.toThrow(/is not a file/);
    await expect(confined.read('inner', 100)).rejects.toThrow(/is not a file|is a folder/);
  });

  test('makes folders on the way and leaves no half-written file', async () => {
    await confined.write('a/b/c.txt', Buffer.from('deep'));
    expect(await readFile(join(base, 'root/a/b/c.txt'), 'utf8')).toBe('deep');
    await expect(confined.write('file.txt/x', Buffer.from('x'))).rejects.toThrow(/is not a folder/);
    await expect(confined.write('inner', Buffer.from('x'))).rejects.toThrow(/is a folder|is not a file/);
    expect((await readdir(join(base, 'root'), { recursive: true })).filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  test('says what is wrong without the host’s own paths', async () => {
    await expect(confined.read('missing.txt', 100)).rejects.toThrow(/^missing.txt does not exist\.$/);
  });
});
