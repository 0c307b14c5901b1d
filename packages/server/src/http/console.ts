/**
 * The console's files, on the network channel: the page at `/` and at every address below `/console/`, since the addresses of its views are made
 * by the page itself, and its scripts and styles below `/console/assets/`. All are read once and served from memory; nothing of them comes from
 * elsewhere, and the browser is told to refuse anything that would.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { CorralError } from '@corral/protocol/errors';

interface ConsoleFile {
  readonly type: string;
  readonly bytes: Buffer;
  readonly gzipped: Buffer;
}
/** By the path below `/console/`. */
export type ConsoleFiles = ReadonlyMap<string, ConsoleFile>;

const PAGE = 'index.html';
const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
};

/** A page of this host runs no script but its own, and calls nobody but this host, no matter what runs wrote. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');
const HEADERS = {
  'content-security-policy': POLICY,
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
};

/** @returns undefined if the console has not been built */
export function readConsole(): ConsoleFiles | undefined {
  const page = fileURLToPath(import.meta.resolve('@corral/console/index.html'));
  if (!existsSync(page)) return undefined;
  const folder = dirname(page);
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => name.replaceAll('\\', '/'));
  const files = new Map<string, ConsoleFile>();
  for (const name of names) {
    const type = TYPES[name.split('.').at(-1) ?? ''];
    if (type === undefined) continue;
    const bytes = readFileSync(join(folder, name));
    files.set(name, { type, bytes, gzipped: gzipSync(bytes, { level: 9 }) });
  }
  return files;
}

export function serveConsole(app: FastifyInstance, files: ConsoleFiles | undefined): void {
  const page = (request: FastifyRequest, reply: FastifyReply) => send(request, reply, files?.get(PAGE), 'no-cache');
  const hidden = { schema: { hide: true } };
  app.get('/', hidden, page);
  app.get('/console', hidden, page);
  app.get<{ Params: { '*': string } }>('/console/*', hidden, (request, reply) => {
    const name = request.params['*'];
    // The name of an asset has a digest of its content.
    if (name.startsWith('assets/')) return send(request, reply, files?.get(name), 'public, max-age=31536000, immutable');
    const file = files?.get(name);
    return file === undefined ? page(request, reply) : send(request, reply, file, 'no-cache');
  });
}

function send(request: FastifyRequest, reply: FastifyReply, file: ConsoleFile | undefined, cache: string): FastifyReply {
  if (file === undefined)
    throw new CorralError('CORRAL_ROUTE_UNKNOWN', 'This Corral has no such page; `npm run build` builds the console.');
  reply.headers({ ...HEADERS, 'cache-control': cache, vary: 'accept-encoding' }).type(file.type);
  if (!/\bgzip\b/.test(request.headers['accept-encoding'] ?? '')) return reply.send(file.bytes);
  return reply.header('content-encoding', 'gzip').send(file.gzipped);
}
