import { mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { init, InitRefused, nextSteps, runsOn } from './init.ts';

const OPTIONS = { version: '1.2.3', node: 'v26.1.0' };

async function folder(files: Readonly<Record<string, string>> = {}): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'create-corral-'));
  onTestFinished(() => rm(made, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(join(made, name), text);
  return made;
}

const manifest = async (at: string) =>
  JSON.parse(await readFile(join(at, 'package.json'), 'utf8')) as Record<string, Record<string, string>>;

test('a new folder gets a package with dependencies of one version and scripts', async () => {
  const at = join(await folder(), 'My Agent');
  const made = await init({ ...OPTIONS, folder: at });
  expect(made).toMatchObject({ existing: false, scripts: { dev: 'dev', test: 'test', types: 'types', check: 'check' } });
  expect(await manifest(at)).toMatchObject({
    name: 'my-agent',
    type: 'module',
    dependencies: { corral: '1.2.3', '@corral/guest': '1.2.3' },
    devDependencies: { '@corral/testing': '1.2.3' },
    allowScripts: { esbuild: false, 'isolated-vm': false, 'msgpackr-extract': false },
  });
  expect(await readdir(at)).toEqual(expect.arrayContaining(['agents', 'corral.config.ts', 'policies.cedar', '.gitignore']));
});

test('an existing repository gets new files and free names in its package.json, and nothing else changes', async () => {
  const text = `{\n\t"name": "theirs",\n\t"type": "module",\n\t"scripts": {\n\t\t"test": "jest"\n\t},\n\t"devDependencies": {\n\t\t"typescript": "~5.9.0"\n\t}\n}\n`;
  const tsconfig = `{ "compilerOptions": { "strict": true } }`;
  const at = await folder({ 'package.json': text, 'tsconfig.json': tsconfig });
  const made = await init({ ...OPTIONS, folder: at });
  expect(made).toMatchObject({ existing: true, included: true, scripts: { test: 'corral:test', dev: 'dev' } });
  expect(await readFile(join(at, 'tsconfig.json'), 'utf8')).toBe(tsconfig);
  const after = await readFile(join(at, 'package.json'), 'utf8');
  expect(after).toContain('\n\t"name"');
  expect(await manifest(at)).toMatchObject({
    name: 'theirs',
    scripts: { test: 'jest', 'corral:test': 'corral test' },
    devDependencies: { typescript: '~5.9.0' },
  });
  expect(nextSteps(made, at)).toContain('"exclude": ["agents"]');
});

test('a package of CommonJS gets a configuration and agents that are modules', async () => {
  const at = await folder({ 'package.json': '{ "name": "theirs", "type": "commonjs" }' });
  const { files } = await init({ ...OPTIONS, folder: at });
  expect(files).toEqual(expect.arrayContaining(['corral.config.mts', 'agents/package.json']));
  expect((await manifest(at))['scripts']).toMatchObject({ check: expect.stringContaining('corral.config.mts') as string });
});

test.each([
  ['a file that is in the way', { 'package.json': '{}', 'policies.cedar': 'mine' }, 'policies.cedar is there already'],
  ['a folder with files that is no package', { 'notes.txt': 'mine' }, 'is not empty and has no package.json'],
  ['a package.json that is not an object', { 'package.json': '[]' }, 'is not a JSON object'],
  ['a package.json that is nothing', { 'package.json': 'null' }, 'is not a JSON object'],
  ['a package.json without text', { 'package.json': '' }, 'is not JSON'],
  ['a package.json with comments', { 'package.json': '{\n  // ours\n  "name": "a"\n}' }, 'is not JSON, which has no comments'],
  ['scripts that are text', { 'package.json': '{"scripts":"a"}' }, 'scripts of '],
  ['scripts that are a list', { 'package.json': '{"scripts":["a"]}' }, 'is ["a"], and not an object'],
  ['scripts that are null', { 'package.json': '{"scripts":null}' }, 'is null, and not an object'],
  ['a script that is a number', { 'package.json': '{"scripts":{"test":5}}' }, 'scripts.test of '],
  ['dependencies that are a list', { 'package.json': '{"dependencies":["zod"]}' }, 'dependencies of '],
  ['a dependency that is an object', { 'package.json': '{"devDependencies":{"corral":{}}}' }, 'devDependencies.corral of '],
  ['both names of a script taken', { 'package.json': '{"scripts":{"dev":"a","corral:dev":"b"}}' }, 'scripts dev and corral:dev'],
] as const)('%s is refused, and nothing is written', async (_, files, says) => {
  const at = await folder(files);
  await expect(init({ ...OPTIONS, folder: at })).rejects.toThrow(says);
  await expect(init({ ...OPTIONS, folder: at })).rejects.toBeInstanceOf(InitRefused);
  expect(new Set(await readdir(at))).toEqual(new Set(Object.keys(files)));
  for (const [name, text] of Object.entries(files)) expect(await readFile(join(at, name), 'utf8')).toBe(text);
});

test.each([
  ['a folder', (at: string, outside: string) => symlink(outside, join(at, 'agents'))],
  ['a file that is not there', (at: string, outside: string) => symlink(join(outside, 'new'), join(at, 'policies.cedar'))],
  [
    'package.json',
    (at: string, outside: string) =>
      rename(join(at, 'package.json'), join(outside, 'package.json')).then(() =>
        symlink(join(outside, 'package.json'), join(at, 'package.json')),
      ),
  ],
] as const)('a link to %s elsewhere is not written through', async (_, link) => {
  const [at, outside] = [await folder({ 'package.json': '{}' }), await folder()];
  await link(at, outside);
  const before = [await readdir(at), await readdir(outside)];
  await expect(init({ ...OPTIONS, folder: at })).rejects.toBeInstanceOf(InitRefused);
  expect([await readdir(at), await readdir(outside)]).toEqual(before);
});

test('a byte order mark at the beginning of package.json stays', async () => {
  const at = await folder({ 'package.json': '\uFEFF{\n    "name": "theirs",\n    "type": "module"\n}\n' });
  await init({ ...OPTIONS, folder: at });
  const text = await readFile(join(at, 'package.json'), 'utf8');
  expect(text).toMatch(/^\uFEFF\{\n {4}"name": "theirs",/);
  expect(JSON.parse(text.slice(1))).toMatchObject({ scripts: { test: 'corral test' } });
});

test('a file in the place of the folder, and a folder in that of package.json, are refused', async () => {
  const at = await folder({ mine: 'text' });
  await expect(init({ ...OPTIONS, folder: join(at, 'mine') })).rejects.toBeInstanceOf(InitRefused);
  await mkdir(join(at, 'package.json'));
  await expect(init({ ...OPTIONS, folder: at })).rejects.toBeInstanceOf(InitRefused);
  expect(new Set(await readdir(at))).toEqual(new Set(['mine', 'package.json']));
});

test('packages come from the tarballs that are named, or from those beside the one of corral', async () => {
  const named = join(await folder(), 'a');
  await init({ ...OPTIONS, folder: named, tarballs: '/packs' });
  expect((await manifest(named))['devDependencies']).toMatchObject({ '@corral/testing': 'file:/packs/corral-testing-1.2.3.tgz' });
  const beside = await folder({ 'package.json': '{ "dependencies": { "corral": "file:../packs/corral-1.2.3.tgz" } }' });
  await init({ ...OPTIONS, folder: beside });
  expect((await manifest(beside))['dependencies']).toMatchObject({
    corral: 'file:../packs/corral-1.2.3.tgz',
    '@corral/guest': 'file:../packs/corral-guest-1.2.3.tgz',
  });
});

test('a Node that is too old gets a newer one beside it', async () => {
  const at = join(await folder(), 'a');
  await init({ ...OPTIONS, folder: at, node: 'v20.20.2' });
  expect((await manifest(at))['devDependencies']).toHaveProperty('@corral/node', '1.2.3');
  const versions = ['v20.20.2', 'v24.11.9', 'v24.12.0', 'v25.1.0', 'v26.0.0', 'v27.0.0'];
  expect(versions.filter((version) => runsOn(version))).toEqual(['v24.12.0', 'v26.0.0']);
});
