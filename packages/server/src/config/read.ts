/**
 * Reads a configuration's file. JSON is read here; the code of a `.ts` file runs in a process of its own, and only data comes
 * back from there. The texts are kept too, so that the same configuration can be loaded again after its files have changed.
 */
import { readFile } from 'node:fs/promises';
import { dirname, extname } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { CorralError } from '@corral/protocol/errors';
import { readJson } from '@corral/protocol/json-text';
import type { ToolNews } from '@corral/tools/host/keeper';
import type { ReadSecret } from '@corral/tools/host/process';
import { ToolHost } from '@corral/tools/host/tool-host';
import type { CodeFiles } from '@corral/tools/host/wire';

/** The texts a configuration was made of: its file, the code that it imports, and its policies. */
export interface KeptFiles {
  readonly text: string;
  readonly code: CodeFiles;
  /** Texts of policies by path. */
  readonly policies: Readonly<Record<string, string>>;
}

export interface ReadOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly secret: ReadSecret;
  readonly tell: (news: ToolNews) => void;
  /** Used instead of the files on disk. */
  readonly kept?: KeptFiles | undefined;
}

export interface ReadFile {
  /** The file's exports, without its tools. */
  readonly value: unknown;
  readonly text: string;
  readonly code: CodeFiles;
  /** The process its tools run in; undefined for JSON. */
  readonly source: ToolHost | undefined;
}

/** Modules that are resolved from here if the configuration's own folder has no packages. */
const LENT = (): Readonly<Record<string, string>> => ({
  'corral/config': import.meta.resolve('@corral/server/config'),
  '@corral/server/config': import.meta.resolve('@corral/server/config'),
  zod: import.meta.resolve('zod'),
});

/** @throws CORRAL_CONFIG_INVALID, with file and line where these are known */
export async function readConfig(file: string, options: ReadOptions): Promise<ReadFile> {
  const { kept } = options;
  let text: string;
  try {
    text = kept?.text ?? (await readFile(file, 'utf8'));
  } catch {
    throw new CorralError('CORRAL_CONFIG_INVALID', `The configuration file ${file} does not exist or cannot be read.`);
  }
  if (extname(file) === '.json') {
    try {
      return { value: readJson(text), text, code: {}, source: undefined };
    } catch (error) {
      throw unloadable(file, error);
    }
  }
  try {
    const { env, secret, tell } = options;
    const source = await ToolHost.open({ url: pathToFileURL(file).href, lent: LENT(), env, secret, tell, files: kept?.code ?? {} });
    return { value: source.loaded.rest, text, code: source.loaded.files, source };
  } catch (error) {
    throw unloadable(file, error);
  }
}

function unloadable(file: string, error: unknown): CorralError {
  const message = error instanceof Error ? error.message : String(error);
  return new CorralError('CORRAL_CONFIG_INVALID', `${file} could not be loaded: ${message}${placeIn(file, error)}`, { cause: error });
}

/** Gives ` (corral.config.ts:3)` if the stack has a line in the configuration's own folder, else nothing. */
export function placeIn(file: string, error: unknown): string {
  const stack = error instanceof Error && typeof error.cause === 'string' ? error.cause : '';
  const folder = dirname(file);
  for (const [, url, path, line] of stack.matchAll(/(?:(file:\/\/[^\s():]+)|(\/[^\s():]+)):(\d+)/g)) {
    const where = url === undefined ? path : fileURLToPath(url);
    if (where !== undefined && where.startsWith(`${folder}/`) && !where.includes('/node_modules/')) return ` (${where}:${line})`;
  }
  return '';
}

/**
 * The line of a configuration's text on which a member stands, found by searching for the names of its path in order; undefined
 * if a name is not in the text, as when code computed it.
 */
export function lineOf(text: string, path: readonly PropertyKey[]): number | undefined {
  let at = 0;
  let found = false;
  for (const name of path) {
    if (typeof name !== 'string') continue;
    const next = memberAt(text, name, at);
    if (next === undefined) break;
    at = next;
    found = true;
  }
  return found ? text.slice(0, at).split('\n').length : undefined;
}

function memberAt(text: string, name: string, from: number): number | undefined {
  for (let at = text.indexOf(name, from); at !== -1; at = text.indexOf(name, at + 1)) {
    const before = text[at - 1] ?? ' ';
    const after = text.slice(at + name.length, at + name.length + 20);
    if (!/[\w$.-]/.test(before) && /^['"`\]]{0,2}\s*[:,}(]/.test(after)) return at;
  }
  return undefined;
}
