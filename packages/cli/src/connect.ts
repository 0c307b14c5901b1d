/** Which host a command talks to, and as whom. */
import { createConnection } from 'node:net';
import { join, resolve } from 'node:path';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Option, type Command } from 'commander';
import { createClient, type Client } from '@corral/protocol/api/client';
import { CorralError } from '@corral/protocol/errors';
import type { Json } from '@corral/protocol/json';
import { withIds } from './ids.ts';
import { transportTo } from './transport.ts';

export interface HostFlags {
  readonly data?: string;
  readonly url?: string;
  readonly token?: string;
  readonly json?: boolean;
}
export const DATA = '.corral';

/** The flags every command that talks to a host has. */
export function hostFlags(command: Command): Command {
  return command
    .option('--data <folder>', `the host’s data folder (else $CORRAL_DATA, else ${DATA})`)
    .option('--url <url>', 'a host elsewhere (else $CORRAL_URL)')
    .option('--token <secret>', 'who you are there (better in $CORRAL_TOKEN)')
    .option('--json', 'print JSON');
}

/** `--data` of commands that work on a folder without a host. */
export const dataOption = (about: string): Option => new Option('--data <folder>', about).env('CORRAL_DATA').default(DATA);

export const dataFolder = (flags: HostFlags): string => flags.data ?? process.env['CORRAL_DATA'] ?? DATA;

/** The folder that was named, if no host answers there: then it can be worked on directly. A host that was killed leaves its socket. */
export async function folderAlone(flags: HostFlags): Promise<string | undefined> {
  if (flags.data === undefined || flags.url !== undefined) return undefined;
  return (await answers(join(resolve(flags.data), 'corral.sock'))) ? undefined : flags.data;
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
  const url = flags.url ?? (flags.data === undefined ? process.env['CORRAL_URL'] : undefined);
  const token = flags.token ?? process.env['CORRAL_TOKEN'];
  return withIds(
    createClient(transportTo(url === undefined ? { socket: join(resolve(dataFolder(flags)), 'corral.sock') } : { url }), token),
  );
}

/** JSON as an argument, or `@FILE`. @throws CORRAL_USAGE */
export async function jsonArgument(flag: string, text: string): Promise<Json> {
  let json = text;
  if (text.startsWith('@')) {
    json = await readFile(text.slice(1), 'utf8').catch(() => {
      throw new CorralError('CORRAL_USAGE', `${flag} names no file that can be read: ${text.slice(1)}`);
    });
  }
  try {
    return JSON.parse(json) as Json;
  } catch (error) {
    throw new CorralError('CORRAL_USAGE', `${flag} is no JSON: ${error instanceof Error ? error.message : String(error)}.`);
  }
}

/** What a command prints: JSON where it was asked for, else what people read. */
export function print(flags: HostFlags, value: unknown, text: () => string): void {
  process.stdout.write(flags.json === true ? `${JSON.stringify(value, null, 2)}\n` : `${text()}\n`);
}

/** The configuration that is meant: the one that is named, or else the one that lies here. */
export const configHere = (named: string | undefined): string | undefined =>
  named ?? (existsSync('corral.config.ts') ? 'corral.config.ts' : undefined);
