/** Which host a command talks to, and with which credential. */
import { createConnection } from 'node:net';
import { join, resolve } from 'node:path';
import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { Option, type Command } from 'commander';
import { transportTo } from '@corral/client/node';
import { createClient, type Client } from '@corral/protocol/api/client';
import { CorralError } from '@corral/protocol/errors';
import type { Json } from '@corral/protocol/json';
import { JsonTextError, readJson } from '@corral/protocol/json-text';
import { ADMISSION } from '@corral/protocol/limits';
import { printableJson } from '@corral/protocol/printable';
import { withIds } from './ids.ts';
import { patient } from './patient.ts';

export interface HostFlags {
  readonly data?: string;
  readonly url?: string;
  readonly token?: string;
  readonly json?: boolean;
  readonly privateReason?: string;
}
export const DATA = '.corral';

/** Flags of a command that takes a reason. */
export interface Reasoned {
  readonly reason?: string;
}
export const withReason = ({ reason }: Reasoned): { readonly reason?: string } => (reason === undefined ? {} : { reason });

/** The flags of every command that talks to a host. */
export function hostFlags(command: Command): Command {
  return command
    .option('--data <folder>', `the host’s data folder (by default $CORRAL_DATA, else ${DATA})`)
    .option('--url <url>', 'a host elsewhere (by default $CORRAL_URL, which goes before $CORRAL_DATA)')
    .option('--token <secret>', 'token for that host (better given in $CORRAL_TOKEN)')
    .option('--private-reason <why>', 'as an admin, read what labels withhold; the reason is recorded with each run')
    .option('--json', 'print JSON');
}

/** `--data` of commands that work on a folder without a host. */
export const dataOption = (about: string): Option => new Option('--data <folder>', about).env('CORRAL_DATA').default(DATA);

/** The host or folder that a command is about. */
type Pointed = { readonly url: string } | { readonly data: string; readonly named: boolean };

/**
 * For all commands alike: flags go before the environment, and an address before a folder. An empty variable is none.
 * @throws CORRAL_USAGE
 */
function pointedAt({ url, data }: HostFlags): Pointed {
  if (url !== undefined) return { url: address('--url', url) };
  if (data !== undefined) return { data, named: true };
  const { CORRAL_URL = '', CORRAL_DATA = '' } = process.env;
  if (CORRAL_URL !== '') return { url: address('$CORRAL_URL', CORRAL_URL) };
  return CORRAL_DATA === '' ? { data: DATA, named: false } : { data: CORRAL_DATA, named: true };
}

/** @throws CORRAL_USAGE */
function address(name: string, text: string): string {
  if (/^https?:$/u.test(URL.parse(text)?.protocol ?? '')) return text;
  throw new CorralError(
    'CORRAL_USAGE',
    `${name} is an address such as https://corral.example:7070, not ${JSON.stringify(text.slice(0, 100))}.`,
  );
}

export const dataFolder = (flags: HostFlags): string => {
  const pointed = pointedAt(flags);
  return 'data' in pointed ? pointed.data : DATA;
};

/** Whether a command is about a host that is named by its address, so that paths of this machine mean nothing there. */
export const isElsewhere = (flags: HostFlags): boolean => 'url' in pointedAt(flags);

/**
 * The named folder, if no host answers there; then this process can work on it. A host that was killed leaves its socket file
 * behind, so the socket is tried.
 */
export async function folderAlone(flags: HostFlags): Promise<string | undefined> {
  const pointed = pointedAt(flags);
  if ('url' in pointed || !pointed.named) return undefined;
  return (await answers(join(resolve(pointed.data), 'corral.sock'))) ? undefined : pointed.data;
}

/** Where a command works: at a host, or in a data folder on which no host runs. */
export type Place = { readonly client: Client } | { readonly data: string };

/**
 * The named host, or the one that answers on the data folder; else the folder itself. If there is neither, the client's first
 * request fails.
 */
export async function hostOrFolder(flags: HostFlags): Promise<Place> {
  const pointed = pointedAt(flags);
  if ('url' in pointed) return { client: connect(flags) };
  const { data, named } = pointed;
  const alone = !(await answers(join(resolve(data), 'corral.sock'))) && (named || existsSync(join(data, 'corral.db')));
  return alone ? { data } : { client: connect(flags) };
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolved) => {
    const socket = createConnection(path);
    const say = (answer: boolean) => {
      socket.destroy();
      resolved(answer);
    };
    socket.once('connect', () => say(true)).once('error', () => say(false));
  });
}

export function connect(flags: HostFlags): Client {
  const pointed = pointedAt(flags);
  const { CORRAL_TOKEN = '' } = process.env;
  const token = flags.token ?? (CORRAL_TOKEN === '' ? undefined : CORRAL_TOKEN);
  const transport = transportTo('url' in pointed ? pointed : { socket: join(resolve(pointed.data), 'corral.sock') });
  return withIds(
    createClient(
      patient(transport, (line) => void process.stderr.write(`${line}\n`)),
      token,
      flags.privateReason,
    ),
  );
}

/**
 * JSON as an argument, or `@FILE`.
 * @param most_bytes of the file
 * @throws CORRAL_USAGE, CORRAL_INPUT_TOO_LARGE
 */
export async function jsonArgument(flag: string, text: string, most_bytes: number = ADMISSION.input_bytes.max): Promise<Json> {
  return parsedArgument(flag, text.startsWith('@') ? await fileArgument(flag, text.slice(1), most_bytes) : text);
}

/** @throws CORRAL_USAGE */
export function parsedArgument(flag: string, text: string | Uint8Array): Json {
  try {
    return readJson(text);
  } catch (error) {
    if (!(error instanceof JsonTextError)) throw error;
    throw new CorralError('CORRAL_USAGE', `${flag} ${error.message}.`);
  }
}

/** @throws CORRAL_USAGE, CORRAL_INPUT_TOO_LARGE */
async function fileArgument(flag: string, path: string, most_bytes: number): Promise<Uint8Array> {
  const unread = (why: string) =>
    new CorralError('CORRAL_USAGE', `${flag} names no file that can be read: ${path === '' ? '@' : path}${why}`);
  try {
    const found = await stat(path);
    if (found.isDirectory()) throw unread(' is a folder.');
    if (found.size > most_bytes)
      throw new CorralError('CORRAL_INPUT_TOO_LARGE', `${path} has ${found.size} bytes; at most ${most_bytes} are accepted.`);
    return await readFile(path);
  } catch (error) {
    throw error instanceof CorralError ? error : unread('');
  }
}

/** Prints JSON if it was requested, else text. */
export function print(flags: HostFlags, value: unknown, text: () => string): void {
  process.stdout.write(flags.json === true ? `${printableJson(value, 2)}\n` : `${text()}\n`);
}

/** Names that a configuration has where none is given. `.mts` is for packages of CommonJS. */
export const CONFIGS = ['corral.config.ts', 'corral.config.mts'] as const;

/**
 * The named configuration, or else the one in the current folder or in the first of more folders that has one.
 * @throws CORRAL_USAGE where a folder has one of each name
 */
export function configHere(named: string | undefined, ...more: readonly string[]): string | undefined {
  if (named !== undefined) return named;
  for (const folder of ['.', ...more]) {
    const [found, other] = CONFIGS.map((file) => join(folder, file)).filter((file) => existsSync(file));
    if (other !== undefined)
      throw new CorralError(
        'CORRAL_USAGE',
        `There are two configurations, ${found} and ${other}; name one with --config, or remove the other.`,
      );
    if (found !== undefined) return found;
  }
  return undefined;
}
