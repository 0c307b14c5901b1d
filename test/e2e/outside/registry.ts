/**
 * A registry on loopback for the packages of this repository, as npm would have them after a release. Asked for any other package it
 * sends npm on to the registry that npm is configured with.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

interface Served {
  readonly manifest: { readonly name: string; readonly version: string };
  readonly bytes: Buffer;
  readonly file: string;
}

export interface Registry {
  readonly url: string;
  /** Names of the packages of ours that were asked for. */
  readonly asked: ReadonlySet<string>;
  readonly close: () => void;
}

/**
 * @param tarballs a folder of `npm pack`
 * @param upstream the registry for all other packages
 */
export async function serveRegistry(tarballs: string, upstream: string): Promise<Registry> {
  const packages = new Map<string, Served>();
  for (const file of await readdir(tarballs)) {
    const bytes = await readFile(join(tarballs, file));
    const manifest = JSON.parse(fileOf(bytes, 'package/package.json').toString('utf8')) as Served['manifest'];
    packages.set(manifest.name, { manifest, bytes, file });
  }
  const asked = new Set<string>();
  const server = createServer((request, response) => answer(request, response));
  const answer = ({ url = '/' }: IncomingMessage, response: ServerResponse) => {
    const name = decodeURIComponent(url.slice(1));
    const file = [...packages.values()].find((one) => name === `tarballs/${one.file}`);
    if (file !== undefined) {
      response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(file.bytes);
      return;
    }
    const found = packages.get(name);
    if (found === undefined) {
      response.writeHead(302, { location: new URL(url.slice(1), upstream).href }).end();
      return;
    }
    asked.add(name);
    const { manifest, bytes } = found;
    const dist = {
      tarball: `${base()}/tarballs/${found.file}`,
      integrity: `sha512-${createHash('sha512').update(bytes).digest('base64')}`,
      shasum: createHash('sha1').update(bytes).digest('hex'),
    };
    const document = { name, 'dist-tags': { latest: manifest.version }, versions: { [manifest.version]: { ...manifest, dist } } };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(document));
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const base = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url: base(), asked, close: () => server.close() };
}

/** Names of the files of a tarball, and their contents. Names of more than 100 characters do not occur in packages of ours. */
export function filesOf(tarball: Buffer): ReadonlyMap<string, Buffer> {
  const BLOCK = 512;
  const text = gunzipSync(tarball);
  const files = new Map<string, Buffer>();
  for (let at = 0; at + BLOCK <= text.length && text[at] !== 0;) {
    const field = (from: number, length: number) => text.toString('utf8', at + from, at + from + length).replace(/\0.*$/s, '');
    const bytes = Number.parseInt(field(124, 12).trim(), 8);
    const prefix = field(345, 155);
    files.set(`${prefix === '' ? '' : `${prefix}/`}${field(0, 100)}`, text.subarray(at + BLOCK, at + BLOCK + bytes));
    at += BLOCK + Math.ceil(bytes / BLOCK) * BLOCK;
  }
  return files;
}

function fileOf(tarball: Buffer, name: string): Buffer {
  const found = filesOf(tarball).get(name);
  if (found === undefined) throw new Error(`The tarball has no ${name}.`);
  return found;
}
