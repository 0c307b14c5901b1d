/**
 * Follows a guide in a folder of its own, with its files as printed and its commands as typed. A block of code whose first line names a
 * file is that file; blocks of `sh` are one session, but for `corral up`, which has a terminal of its own; each line of a block of `text` is
 * printed by then, in this order, and an … stands for anything.
 */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished } from 'vitest';
import { CORRAL_MAIN } from '../command.ts';
import { linkPackages } from '../project.ts';
import { until } from '../until.ts';

export const GUIDES = fileURLToPath(new URL('../../docs/guides', import.meta.url));
/** Guides whose packages only the test of the table of frameworks installs. */
export const OF_FRAMEWORKS: readonly string[] = ['langchain.md', 'langgraph.md', 'mastra.md', 'openai-agents.md'];

interface Guide {
  /** Contents by path. */
  readonly files: Readonly<Record<string, string>>;
  /** Typed commands, and the lines that are printed for them. */
  readonly steps: readonly { readonly typed: string; readonly printed: readonly string[] }[];
}

export function guideOf(text: string): Guide {
  const files: Record<string, string> = {};
  const steps: { typed: string; printed: string[] }[] = [];
  for (const [, language = '', body = ''] of text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)) {
    const [, file] = /^(?:\/\/|#) ([\w./-]+)\n/.exec(body) ?? [];
    if (language === 'sh') steps.push({ typed: body, printed: [] });
    else if (language === 'text') steps.at(-1)?.printed.push(...body.trimEnd().split('\n'));
    else if (file === undefined) throw new Error(`A block of ${language} names no file: ${body.slice(0, 60)}`);
    else files[file] = body;
  }
  return { files, steps };
}

/** @param parent where packages are looked for that the repository does not have */
export async function folderOf({ files }: Guide, parent = tmpdir()): Promise<string> {
  const folder = await mkdtemp(join(parent, 'crl-g-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  await linkPackages(folder);
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  await mkdir(join(folder, 'bin'));
  await writeFile(join(folder, 'bin', 'corral'), `#!/bin/sh\nexec '${process.execPath}' '${CORRAL_MAIN}' "$@"\n`, { mode: 0o755 });
  return folder;
}

/** A shell in the folder, with `corral` in its path. */
export function shell(folder: string, script: string) {
  const env: NodeJS.ProcessEnv = { ...process.env, PATH: `${join(folder, 'bin')}:${process.env['PATH'] ?? ''}`, NO_COLOR: '1' };
  for (const name of ['NODE_OPTIONS', 'NODE_TEST_CONTEXT', 'FORCE_COLOR', 'CORRAL_DATA', 'CORRAL_URL', 'CORRAL_TOKEN']) delete env[name];
  const child = spawn('bash', ['-c', script], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const stop = () => {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) process.kill(-child.pid, 'SIGTERM');
  };
  onTestFinished(stop);
  return { closed: new Promise<number | null>((resolve) => child.on('close', resolve)), stop, out: () => out, err: () => err };
}

const MARK = '-- end of a block --';

/** Follows a guide. @returns what each of its blocks printed */
async function followed(guide: Guide, folder: string): Promise<string[]> {
  const inBackground = guide.steps.filter(({ typed }) => typed.startsWith('corral up'));
  const others = guide.steps.filter((step) => !inBackground.includes(step));
  const hosts = inBackground.map(({ typed }) => shell(folder, `exec ${typed}`));
  for (const host of hosts)
    await until(() => host.out().includes('Corral is up') || host.err().includes('CORRAL_'), 'the host of the guide is up');
  // The last command of the session that fails, fails the guide; those that are meant to have an `||`.
  const session = shell(folder, ['set -e', ...others.map(({ typed }) => `${typed}echo '${MARK}'`)].join('\n'));
  const code = await session.closed;
  for (const host of hosts) host.stop();
  await Promise.all(hosts.map(({ closed }) => closed));
  expect(code, `${session.out()}\n${session.err()}`).toBe(0);
  return session.out().split(MARK);
}

/**
 * Follows a guide of `docs/guides`.
 * @returns the lines that it shows and that were not printed, each with what was
 */
export async function notPrinted(name: string, parent?: string): Promise<string[]> {
  const guide = guideOf(await readFile(join(GUIDES, name), 'utf8'));
  expect(Object.keys(guide.files).length).toBeGreaterThan(0);
  expect(guide.steps.some(({ printed }) => printed.length > 0)).toBe(true);
  const folder = await folderOf(guide, parent);
  const blocks = await followed(guide, folder);
  const others = guide.steps.filter(({ typed }) => !typed.startsWith('corral up'));
  return others.flatMap(({ typed, printed }, i) => {
    let rest = blocks[i] ?? '';
    return printed.flatMap((line) => {
      const parts = line.trim().split('…');
      const found = new RegExp(parts.map((part) => RegExp.escape(part)).join('.*')).exec(rest);
      if (found === null) return [`“${line}” by ${typed}, which printed: ${blocks[i]}`];
      rest = rest.slice(found.index + found[0].length);
      return [];
    });
  });
}
