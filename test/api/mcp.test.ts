/** MCP servers as tools of a real host: a server of the official SDK in both eras, as a program behind a wall and over streamable HTTP. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { agentFile } from '../agents/file.ts';
import { front, type Front } from '../front.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SERVER = join(ROOT, 'test/mcp/server.mjs');
const ends: (() => unknown)[] = [];
let on: Front;
let written: string;

/** The address of a server over streamable HTTP, which wants this token. */
async function overHttp(token: string): Promise<string> {
  const child = spawn(process.execPath, [SERVER, '--http'], { stdio: ['ignore', 'pipe', 'inherit'], env: { WANTED_TOKEN: token } });
  ends.push(() => child.kill());
  const [port] = (await child.stdout.take(1).toArray()) as Buffer[];
  return `http://127.0.0.1:${String(port).trim()}/mcp`;
}

beforeAll(async () => {
  written = await mkdtemp(join(tmpdir(), 'crl-mcp-'));
  ends.push(() => rm(written, { recursive: true, force: true }));
  const plain = {
    command: 'node',
    args: [SERVER],
    folders: { [ROOT]: 'read', [written]: 'write' },
    env: { SAID: 'so' },
    secrets: { KEY: 'key' },
  };
  const config = {
    policies: 'none',
    secrets: { key: { env: 'MCP_KEY' }, bearer: { env: 'MCP_BEARER' } },
    mcp: {
      plain: { ...plain, tools: { add: { readOnly: true } } },
      old: { ...plain, args: [SERVER, '--legacy'], trusted: true },
      far: { url: await overHttp('s3cret-token'), headers: { authorization: 'bearer' }, private: true },
    },
  };
  const env = { ...process.env, MCP_KEY: 'key-of-the-server', MCP_BEARER: 'Bearer s3cret-token' };
  on = await front({ configText: JSON.stringify(config), env }, (end) => ends.push(end));
  await on.deploy(agentFile('mcp/plain'));
}, 60_000);
afterAll(async () => {
  for (const end of ends.toReversed()) await end();
});

async function made(...calls: readonly unknown[]) {
  const { run } = await on.admin.submitRun({ body: { agent: 'plain', input: calls as never } });
  const { outcome } = await on.admin.showRun({ params: { run }, query: { wait_ms: 30_000 } });
  return { run, said: (outcome as { output?: unknown }).output ?? outcome };
}

test('a tool of a program and one of an address answer with what they declare, in both eras', async () => {
  const { said } = await made(['add', { a: 1, b: 2 }], ['oldAdd', { a: 2, b: 3 }], ['farAdd', { a: 3, b: 4 }]);
  expect(said).toEqual([{ sum: 3 }, { sum: 5 }, { sum: 7 }]);
  const { items } = await on.admin.listToolReviews({});
  expect(items.map(({ source, differences, notes }) => [source, differences, notes[0]])).toEqual([
    ['mcp:plain', [], 'it speaks MCP 2026-07-28'],
    ['mcp:old', [], 'it speaks MCP 2025-11-25'],
    ['mcp:far', [], 'it speaks MCP 2026-07-28'],
  ]);
});

test('what a server says of its tools is believed only if the configuration says so', async () => {
  const { items } = await on.admin.listTools({});
  const notes = (name: string) => items.find(({ tool }) => tool === name)?.annotations;
  const harmful = { readOnly: false, destructive: true, openWorld: true, returns: 'untrusted' };
  expect(notes('far.add')).toMatchObject(harmful);
  expect(notes('plain.wait')).toMatchObject(harmful);
  expect(notes('plain.add')).toMatchObject({ ...harmful, readOnly: true });
  expect(notes('old.add')).toMatchObject({ readOnly: true, destructive: false, openWorld: false, returns: 'untrusted' });
});

test('a program sees its own variables, the folders it was granted, and no network', async () => {
  const port = Number(new URL(on.url).port);
  const files = [join(on.data, 'keys.json'), '/etc/passwd', join(ROOT, 'package.json')];
  const { said } = await made(['around', { port, files }]);
  const [{ content }] = said as [{ content: [{ text: string }] }];
  const around = JSON.parse(content[0].text) as Record<string, unknown>;
  expect(around).toMatchObject({
    host: 'ECONNREFUSED',
    world: 'ENETUNREACH',
    files: ['ENOENT', 'ENOENT', expect.stringMatching('corral-workspace')],
  });
  expect((around['interfaces'] as string[]).filter((name) => name !== 'lo')).toEqual([]);
  expect(around['env']).toEqual(['HOME', 'KEY', 'LANG', 'PATH', 'PWD', 'SAID', 'TMPDIR']);
});

// Bug secrets-in-ps: bubblewrap got the environment as arguments, and everybody on a machine may read those of a process.
test('no secret of a program is in the command line of a process', async () => {
  expect((await made(['add', { a: 1, b: 1 }])).said).toEqual([{ sum: 2 }]);
  const lines = readdirSync('/proc').flatMap((pid) => {
    try {
      return /^\d+$/.test(pid) ? [readFileSync(`/proc/${pid}/cmdline`, 'utf8')] : [];
    } catch {
      return [];
    }
  });
  expect(lines.filter((line) => line.includes('bwrap') && line.includes(SERVER)).length).toBeGreaterThan(0);
  expect(lines.filter((line) => line.includes('key-of-the-server'))).toEqual([]);
});

test('a program writes where it may, and its failures and refusals are told to the agent as they are', async () => {
  const { said } = await made(
    ['note', { file: join(written, 'notes'), line: 'one' }],
    ['fail'],
    ['note', { file: '/usr/x', line: 'two' }],
    ['add', { a: 'x' }],
  );
  expect(said).toEqual([
    { content: [{ type: 'text', text: 'written' }] },
    ['CORRAL_TOOL_FAILED', 'plain.fail failed: it is broken'],
    ['CORRAL_TOOL_FAILED', expect.stringMatching(/plain.note failed: EROFS/)],
    ['CORRAL_ARGS_INVALID', expect.stringMatching(/plain.add does not take these arguments/)],
  ]);
  expect(await readFile(join(written, 'notes'), 'utf8')).toBe('one\n');
});

test('a call that is under way when its program dies is unknown, and the next one has another program', async () => {
  const { run, said } = await made(['die'], ['add', { a: 1, b: 1 }]);
  expect(said).toEqual([['CORRAL_UNKNOWN_RESULT', expect.anything()], { sum: 2 }]);
  const { items } = await on.admin.runCalls({ params: { run } });
  expect(JSON.stringify(items)).toMatch(/exit code 3/);
});

test('progress comes in parts to an agent that asks for a stream, and a call that is given up is cancelled at the server', async () => {
  const { said } = await made(
    ['wait', { ms: 200, steps: 2 }, { stream: true }],
    ['oldWait', { ms: 1_000 }, { timeout_ms: 300, retry: { attempts: 1 } }],
  );
  expect(said).toEqual([
    [['step 1', 'step 2'], { content: [{ type: 'text', text: 'waited' }] }],
    ['CORRAL_TIMED_OUT', expect.anything()],
  ]);
});

test('an agent asks for all tools of a server by its name, and hands them on; who submits it narrows them', async () => {
  await on.deploy(agentFile('mcp/all'));
  const ended = async (grants: object) => {
    const { run } = await on.admin.submitRun({ body: { agent: 'all', input: null, ...grants } });
    return (await on.admin.showRun({ params: { run }, query: { wait_ms: 30_000 } })).outcome;
  };
  expect(await ended({})).toEqual({ kind: 'completed', output: ['hello', ['add', 'around', 'book'], [22, true]] });
  expect(await ended({ grants: { plain: { uses: 0 } } })).toMatchObject({ kind: 'failed', code: 'CORRAL_GRANT_SPENT' });
});

test('resources and prompts of a server are tools of their own', async () => {
  const { said } = await made(['list'], ['read', { uri: 'notes://all' }], ['prompt', { name: 'greet', arguments: { name: 'Ana' } }]);
  expect(said).toMatchObject([
    { resources: [{ uri: 'notes://all' }] },
    { contents: [{ text: 'buy milk' }] },
    { messages: [{ content: { text: 'Greet Ana.' } }] },
  ]);
});
