/**
 * Keys that are given to careless servers, which repeat them in whatever they say: they are found at those servers and nowhere else, in what a
 * host keeps, prints, sends and answers.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { agentFile } from '../agents/file.ts';
import { eventsOf, front, shortFolder } from '../front.ts';
import { until } from '../until.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DESK = join(ROOT, 'test/mcp/desk.mjs');
const canary = () => `canary-${randomBytes(12).toString('hex')}`;

async function serving(answer: (request: IncomingMessage, body: string, response: ServerResponse) => void): Promise<string> {
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString('latin1')));
    request.on('end', () => answer(request, body, response));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => (server.closeAllConnections(), void server.close()));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** All that is sent to an address, as it is sent. */
async function receiving() {
  const got: string[] = [];
  const url = await serving((request, body, response) => {
    got.push(JSON.stringify(request.headers), body);
    response.end();
  });
  return { url, got };
}

/** A server that repeats the key in each part of an answer, and in what is not quite one. */
const careless = (request: IncomingMessage, _: string, response: ServerResponse): void => {
  const key = request.headers.authorization ?? '';
  const { pathname } = new URL(request.url ?? '', 'http://x');
  if (pathname === '/broken') return void response.writeHead(500, `no ${key}`, { 'x-key': key }).end(`not with ${key}`);
  if (pathname === '/away') return void response.writeHead(302, { location: `/with?key=${key.replace('Bearer ', '')}` }).end();
  response.writeHead(200, { 'content-length': '1000', 'x-key': key }).write(`cut off after ${key}`);
  if (pathname === '/cut') return void setImmediate(() => response.destroy());
  response.end(' '.repeat(1000 - `cut off after ${key}`.length));
};

test('a key is in no file, database, log, event, error, trace, webhook, command line or answer of its host, whatever its server does with it', async () => {
  const [desk, far, crm] = [canary(), canary(), canary()];
  const folder = await shortFolder();
  const served = spawn(process.execPath, [DESK, join(folder, 'far.log'), '1', '0'], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, KEY: far },
  });
  onTestFinished(() => void served.kill());
  const [port] = (await once(served.stdout, 'data')) as [Buffer];
  const [origin, hook, collector] = [await serving(careless), await receiving(), await receiving()];
  const config = {
    policies: 'none',
    tenants: { local: {} },
    secrets: { desk: { env: 'DESK_KEY' }, far: { env: 'FAR_KEY' }, crm: { env: 'CRM_KEY' } },
    mcp: {
      desk: {
        command: 'node',
        args: [DESK, join(folder, 'desk.log'), '1'],
        folders: { [ROOT]: 'read', [folder]: 'write' },
        secrets: { KEY: 'desk' },
      },
      far: { url: `http://127.0.0.1:${port.toString().trim()}/mcp`, headers: { authorization: 'far' }, private: true },
    },
    http: { crm: { origins: [origin], methods: ['GET', 'POST'], secrets: { authorization: 'Bearer {crm}' } } },
    webhooks: [{ url: hook.url, secret: 'crm', texts: true }],
    telemetry: { otlp: { url: collector.url, headers: { 'x-key': 'far' } }, content: true, logs: true },
  };
  let logged = '';
  const logger = pino({ level: 'trace' }, new Writable({ write: (chunk: Buffer, _, done) => ((logged += chunk.toString()), done()) }));
  const env = { ...process.env, DESK_KEY: desk, FAR_KEY: `Bearer ${far}`, CRM_KEY: crm };
  const { admin, deploy, data, host } = await front({ configText: JSON.stringify(config), env, logger });
  await deploy(agentFile('credentials/repeats'));
  const input = [
    ['desk_look', { of: 'a' }],
    ['far_look', { of: 'b' }],
    ...['/', '/broken', '/away', '/cut'].map((path) => ['crm', { path }]),
    ['crm', { method: 'POST', path: '/cut' }],
    ['desk_act', { of: 'end' }],
    ['desk_act', { of: 'c' }],
  ];
  const { run } = await admin.submitRun({ body: { agent: 'repeats', input } });
  const params = { run };
  const { outcome } = await admin.showRun({ params, query: { wait_ms: 60_000 } });
  const output = JSON.stringify((outcome as { readonly output?: unknown }).output ?? outcome);
  // The servers had their keys, and said them.
  for (const text of [
    'done for a with [secret:desk]',
    '[secret:far]',
    'cut off after Bearer [secret:crm]',
    'done for c with [secret:desk]',
  ])
    expect(output).toContain(text);
  const lines = readdirSync('/proc').map((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    } catch {
      return '';
    }
  });
  const views = [admin.runJournal({ params }), admin.runCalls({ params }), admin.whyRun({ params }), admin.storyRun({ params })];
  const reviews = JSON.stringify(await admin.listToolReviews({}));
  expect(reviews).toContain('it wrote: ');
  const answers = [
    JSON.stringify(await Promise.all(views)),
    reviews,
    JSON.stringify(await Promise.all([admin.listTools({}), admin.showConfig({}), admin.listOperations({}), admin.listSecrets({})])),
  ].join('\n');
  const events = JSON.stringify(await eventsOf(host));
  await until(() => hook.got.length > 0, 'the webhook was told of the end');
  await host.close();
  const files = (await readdir(data, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const kept = await Promise.all(files.map((entry) => readFile(join(entry.parentPath, entry.name), 'latin1').catch(() => '')));
  const places = {
    output,
    answers,
    events,
    logged,
    'files of the host': kept.join('\n'),
    'command lines': lines.join('\n'),
    webhooks: hook.got.join('\n'),
    // It has the key that the configuration gives it, in a header of each request.
    telemetry: collector.got.join('\n').replaceAll(`"x-key":"Bearer ${far}"`, ''),
  };
  expect(Object.entries(places).filter(([, text]) => text === '')).toEqual([]);
  const leaks = Object.entries(places).flatMap(([place, text]) =>
    Object.entries({ desk, far, crm }).flatMap(([name, value]) => {
      const at = text.indexOf(value);
      return at < 0 ? [] : [`${name} in ${place}: ${text.slice(Math.max(0, at - 100), at)}`];
    }),
  );
  expect(leaks).toEqual([]);
});
