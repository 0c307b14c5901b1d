/**
 * Key rings: the source of the keys that wrap run keys. Both kinds hold master keys by version and derive a key for each tenant
 * and purpose (HKDF, RFC 5869), so a new tenant needs no stored key.
 *
 * A key service can be used in the same way: before the store opens, ask the service to decrypt a stored master key, and pass
 * that as `{ kind: 'master' }`. The writer uses the ring within a transaction, where it cannot wait for a network.
 */
import { hkdfSync } from 'node:crypto';
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CorralError } from '@corral/protocol/errors';
import type { KeyRing, WrappedKey } from '@corral/protocol/ports/machine';
import { newKey, seal, unseal } from './seal.ts';

/** Which ring a store uses; plain data, because it is sent to the store's threads. */
export type KeySource =
  /** Created on first use, readable by its owner only. Undefined: `keys.json` in the data folder. */
  | { readonly kind: 'file'; readonly path?: string }
  /** `BASE64` or `VERSION:BASE64`, several separated by commas; each 32 bytes. The first one wraps, the others only open. */
  | { readonly kind: 'master'; readonly keys: string };

/** The environment variable with master keys, in the form of KeySource. */
const KEY_VARIABLE = 'CORRAL_MASTER_KEY';
const KEY_BYTES = 32;
/** Most derived keys that are cached. */
const DERIVED = 4096;

/** The key source of a process: the environment variable, or else a file in the data folder. */
export function keySource(env: Readonly<Record<string, string | undefined>>): KeySource {
  const keys = env[KEY_VARIABLE];
  return keys === undefined || keys === '' ? { kind: 'file' } : { kind: 'master', keys };
}

export class MasterKeys implements KeyRing {
  readonly #keys: ReadonlyMap<number, Uint8Array>;
  readonly #current: number;
  readonly #derived = new Map<string, Uint8Array>();

  /** @param keys by version; the first one wraps */
  constructor(keys: ReadonlyMap<number, Uint8Array>) {
    const [current] = keys.keys();
    if (current === undefined) throw new CorralError('CORRAL_KEYS_MISSING', 'The key ring holds no master key.');
    this.#keys = keys;
    this.#current = current;
  }

  wrap(tenant: string, key: Uint8Array, context: string): WrappedKey {
    return { version: this.#current, wrapped: seal(this.#key(this.#current, `wrap:${tenant}`), context, key) };
  }

  unwrap(tenant: string, { version, wrapped }: WrappedKey, context: string): Uint8Array {
    return unseal(this.#key(version, `wrap:${tenant}`), context, wrapped);
  }

  derive(tenant: string, purpose: string): Uint8Array {
    return this.#key(this.#current, `${purpose}:${tenant}`);
  }

  fingerprints(): ReadonlyMap<number, string> {
    return new Map(
      [...this.#keys.keys()].map((version) => [version, Buffer.from(this.#key(version, 'fingerprint')).toString('hex', 0, 8)]),
    );
  }

  #key(version: number, purpose: string): Uint8Array {
    const name = `${version}:${purpose}`;
    const known = this.#derived.get(name);
    if (known !== undefined) return known;
    const master = this.#keys.get(version);
    if (master === undefined) throw new CorralError('CORRAL_KEYS_MISSING', `Version ${version} of the master key is not on the ring.`);
    const key = new Uint8Array(hkdfSync('sha256', master, 'corral', purpose, KEY_BYTES));
    if (this.#derived.size >= DERIVED) this.#derived.clear();
    this.#derived.set(name, key);
    return key;
  }
}

/** @throws CORRAL_KEYS_WRONG if the text does not have the form of KeySource */
export function parseMasterKeys(text: string): MasterKeys {
  const keys = new Map<number, Uint8Array>();
  for (const part of text.split(',')) {
    const [, version = '1', base64 = ''] = /^(?:([1-9]\d{0,5}):)?([A-Za-z0-9+/_=-]+)$/.exec(part.trim()) ?? [];
    const key = Buffer.from(base64, 'base64');
    if (key.length !== KEY_BYTES || keys.has(Number(version))) {
      throw new CorralError('CORRAL_KEYS_WRONG', 'A master key is 32 bytes as base64, with its version before it if there are several.');
    }
    keys.set(Number(version), key);
  }
  return new MasterKeys(keys);
}

export const keyFile = (folder: string, path?: string): string => path ?? join(folder, 'keys.json');

/**
 * Reads the ring of a data folder.
 * @param make whether a missing key file is created; only allowed if nothing was sealed yet
 * @throws CORRAL_KEYS_MISSING, CORRAL_KEYS_WRONG
 */
export function openKeyRing(folder: string, source: KeySource, make: boolean): MasterKeys {
  if (source.kind === 'master') return parseMasterKeys(source.keys);
  const path = keyFile(folder, source.path);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    if (!make) throw new CorralError('CORRAL_KEYS_MISSING', `The key file ${path} does not exist.`, { cause: error });
    text = JSON.stringify({ keys: [`1:${newKey().toString('base64')}`] });
    writeDurably(path, `${text}\n`, 0o600);
  }
  try {
    const { keys } = JSON.parse(text) as { keys: readonly string[] };
    return parseMasterKeys(keys.join(','));
  } catch (error) {
    if (error instanceof CorralError) throw error;
    throw new CorralError('CORRAL_KEYS_WRONG', `${path} cannot be read as a key file.`, { cause: error });
  }
}

/** Writes a file so that it is complete and on the disk on return; after a crash the file is complete or absent. */
export function writeDurably(path: string, content: string | Uint8Array, mode = 0o600): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const half = `${path}.new`;
  const file = openSync(half, 'w', mode);
  try {
    writeSync(file, content as string);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(half, path);
  syncFolder(dirname(path));
}

/** Syncs a folder: a name is on the disk only once its folder is. */
export function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
