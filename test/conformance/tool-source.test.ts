/** The suite for sources of tools, wherever their tools run. A new source is added to SOURCES. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Json } from '@corral/protocol/json';
import type { Tool, ToolSource } from '@corral/protocol/ports/tool';
import { openMcp } from '@corral/server/config/mcp';
import { McpServer } from '@corral/server/config/mcp-schema';
import type { MemoryStore } from '@corral/protocol/ports/memory';
import { memoryToolsOf } from '@corral/server/config/memory';
import { openOpenApi } from '@corral/server/config/openapi';
import { OpenApi } from '@corral/server/config/openapi-schema';
import { Config } from '@corral/server/config/schema';
import { openKeyRing } from '@corral/store/core/keys';
import { SqliteMemory } from '@corral/store/memory';
import { ToolHost } from '@corral/tools/host/tool-host';
import { fixedSource, joinedSources } from '@corral/tools/sources';
import { ask, heldTool, MemorySource, type Happened } from '../memory-source.ts';
import { until } from '../until.ts';

interface Change {
  /** A tool that is offered after it, and not before the first change. */
  readonly offers: string;
  /** Resolves once the source offers it; at once, if the source is closed. */
  readonly make: () => void | Promise<void>;
}

interface Opened {
  readonly source: ToolSource;
  /** Tools and inputs whose calls last a while, and what ends those. */
  readonly slow: readonly { readonly name: string; readonly input: Json }[];
  readonly release: () => void;
  /** Ends of calls and closings of tools, in order; undefined where the tools hold nothing that is closed. */
  readonly happened: Happened | undefined;
  /** Its tools have nothing to close. */
  readonly plain?: true;
  /** The changes that can be made to its tools, each as often as wanted; none, if its tools stay as they are. */
  readonly changes: readonly Change[];
}

function held(
  make: (tools: readonly Tool[]) => { source: ToolSource; set?: (tools: readonly Tool[]) => void },
  more: Pick<Opened, 'plain'> = {},
): () => Promise<Opened> {
  return () => {
    const happened: Happened = [];
    const tools = ['a', 'b'].map((name) => heldTool(name, happened));
    const { source, set } = make(tools.map(({ tool, plain }) => (more.plain === true ? plain : tool)));
    return Promise.resolve({
      source,
      slow: ['a', 'b'].map((name) => ({ name, input: {} })),
      release: () => {
        for (const tool of tools) tool.release();
      },
      happened,
      ...more,
      changes: set === undefined ? [] : ['c', 'd'].map((name) => ({ offers: name, make: () => set([heldTool(name).tool]) })),
    });
  };
}

const SOURCES: Readonly<Record<string, () => Promise<Opened>>> = {
  'a list of tools': held((tools) => ({ source: fixedSource(tools) })),
  'a list of tools that have nothing to close': held((tools) => ({ source: fixedSource(tools) }), { plain: true }),
  'several sources as one': held((tools) => {
    const second = new MemorySource(tools.slice(1));
    return { source: joinedSources([fixedSource(tools.slice(0, 1)), second]), set: (next) => second.set(next) };
  }),
  'a source whose tools change': held((tools) => {
    const source = new MemorySource(tools);
    return { source, set: (next) => source.set(next) };
  }),
  'the operations of a document': ofDocument,
  'the tools of an MCP server': ofServer,
  'the verbs of a memory': ofMemory,
  'the process of a configuration': async () => {
    const url = new URL('../../packages/tools/src/fixtures/tools.ts', import.meta.url).href;
    const secret = () => Promise.reject(new Error('none'));
    const source = await ToolHost.open({ url, lent: {}, env: process.env, secret, tell: () => undefined });
    await source.make();
    return { source, slow: [{ name: 'sleeps', input: { ms: 300 } }], release: () => undefined, happened: undefined, changes: [] };
  },
};

const PETS = {
  openapi: '3.1.0',
  paths: { '/a': { get: { operationId: 'a' } }, '/b': { get: { operationId: 'b' } } },
};

/** Its calls go to a server on this machine, which answers when it is let go. */
async function ofDocument(): Promise<Opened> {
  const waiting: (() => void)[] = [];
  let open = false;
  const release = () => {
    open = true;
    for (const answer of waiting.splice(0)) answer();
  };
  const server = createServer((_, response) => (open ? void response.end() : void waiting.push(() => response.end())));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => (server.closeAllConnections(), void server.close()));
  const pattern = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const config = OpenApi.parse({ pets: { document: 'pets.json', origin: pattern } })['pets'];
  if (config === undefined) throw new Error('there is no document');
  const folder = await mkdtemp(join(tmpdir(), 'crl-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'pets.json'), JSON.stringify(PETS));
  const pins = { get: () => undefined, put: () => undefined };
  const secret = () => Promise.reject(new Error('none'));
  const source = await openOpenApi('pets', config, { base: folder, pins, secret, redact: (text) => text });
  return { source, slow: ['pets.a', 'pets.b'].map((name) => ({ name, input: {} })), release, happened: undefined, changes: [] };
}

/** A program that reads what it declares from a file, and says so where it has changed; a person accepts each list. */
async function ofServer(): Promise<Opened> {
  const folder = await mkdtemp(join(tmpdir(), 'crl-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const declared = join(folder, 'declared.json');
  const declare = (...names: readonly string[]) => writeFile(declared, JSON.stringify({ tools: names.map((name) => ({ name })) }));
  await declare('a', 'b');
  const program = fileURLToPath(new URL('../mcp/hostile.mjs', import.meta.url));
  const server = McpServer.parse({ command: 'node', args: [program, declared], wall: 'none' });
  const secret = () => Promise.reject(new Error('none'));
  const pins = { get: () => undefined, put: () => undefined };
  const powers = {
    base: folder,
    secret,
    pins,
    start: undefined,
    tell: () => undefined,
    resolve: undefined,
    redact: (text: string) => text,
  };
  const source = await openMcp('crm', server, powers);
  const [pinned] = source.pinned ?? [];
  pinned?.inForce('start', 1);
  const change = (name: string) => async () => {
    await declare('a', 'b', name);
    if ((await ask(named(source, 'crm.a'), { how: 'changed' })).kind !== 'ok') return;
    const isOffered = () => pinned?.review().differences.some(({ tool }) => tool === `crm.${name}`) === true;
    await until(isOffered, 'the list of tools was read again');
    pinned?.accept(pinned.review().offered?.digest ?? '', 'token:ana', 2);
  };
  return {
    source,
    slow: ['crm.a', 'crm.b'].map((name) => ({ name, input: { how: 'slow' } })),
    release: () => undefined,
    happened: undefined,
    changes: ['c', 'd'].map((name) => ({ offers: `crm.${name}`, make: change(name) })),
  };
}

/** A real memory, whose reads wait until they are let go. */
async function ofMemory(): Promise<Opened> {
  const folder = await mkdtemp(join(tmpdir(), 'crl-'));
  openKeyRing(folder, { kind: 'file' }, true);
  const kept = new SqliteMemory(folder, { kind: 'file' });
  onTestFinished(async () => {
    await kept.close();
    await rm(folder, { recursive: true });
  });
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const get: MemoryStore['get'] = (...of) => released.then(() => kept.get(...of));
  const slowly: MemoryStore = Object.assign(Object.create(kept) as SqliteMemory, { get });
  const source = fixedSource(memoryToolsOf(Config.parse({ memory: { notes: { kind: 'kv' }, more: { kind: 'kv' } } }), () => slowly));
  const slow = ['notes.get', 'more.get'].map((name) => ({ name, input: { key: 'a' } }));
  return { source, slow, release, happened: undefined, changes: [] };
}

const CLOSED = ['ended a', 'ended b', 'closed a', 'closed b'];
const named = (source: ToolSource, name: string) => source.tools().find((tool) => tool.name === name) as Tool;

describe.each(Object.entries(SOURCES))('%s', (_name, open) => {
  test('is closed after the calls that are under way have ended, and its tools once however often it is closed', async () => {
    const { source, slow, release, happened, plain } = await open();
    const going = slow.map(({ name, input }) => ask(named(source, name), input));
    const closing = source.close(20_000);
    // A tool that would be closed too early is closed in this turn of the loop.
    await new Promise((resolve) => setImmediate(resolve));
    expect(happened ?? []).toEqual([]);
    release();
    expect((await Promise.all(going)).map(({ kind }) => kind)).toEqual(slow.map(() => 'ok'));
    await Promise.all([closing, source.close(), source.close(0)]);
    // The tools of a process are closed with it.
    expect(happened ?? CLOSED).toEqual(plain === true ? CLOSED.slice(0, 2) : CLOSED);
  });

  test('answers a call that is made after it was closed as one that did nothing and may be made again', async () => {
    const { source, slow, happened } = await open();
    const tools = slow.map(({ name }) => named(source, name));
    await source.close(0);
    for (const [i, tool] of tools.entries()) expect(await ask(tool, slow[i]?.input)).toMatchObject({ kind: 'failed', retryable: true });
    expect((happened ?? []).filter((one) => one.startsWith('ended'))).toEqual([]);
  });

  test('does not wait for calls beyond the bound', async () => {
    const { source, slow, release } = await open();
    const going = slow.map(({ name, input }) => ask(named(source, name), input));
    await source.close(1);
    // It is closed, and nobody has released them yet; those of a process are lost with it.
    release();
    expect(await Promise.all(going)).toHaveLength(slow.length);
  });

  test('tells of other tools, and no more once nobody wants to hear or it is closed', async () => {
    const { source, changes } = await open();
    const offers = (name: string) => source.tools().some((tool) => tool.name === name);
    const told: string[] = [];
    for (const { offers: name, make } of changes) {
      expect(offers(name)).toBe(false);
      const stop = source.onChange(() => told.push(name));
      await make();
      stop();
      expect(offers(name)).toBe(true);
    }
    source.onChange(() => told.push('after it was closed'));
    await source.close(0);
    for (const { make } of changes) await make();
    expect(told).toEqual(changes.map((change) => change.offers));
  });
});
