/** Measures a call of an MCP server's tool, from the agent's effect until its result, on both transports. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Client, StreamableHTTPClientTransport, type Transport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import * as z from 'zod';
import { boundedFetch } from '@corral/server/config/mcp-fetch';
import type { Tool } from '@corral/protocol/ports/tool';
import { findWalls, programs } from '@corral/supervisor';
import { inlineTool } from '@corral/tools/define';
import { addressLine, programLine } from '@corral/tools/mcp/lines';
import type { Line } from '@corral/tools/mcp/link';
import { McpSource } from '@corral/tools/mcp/source';
import { durations, type Figure } from './measure.ts';
import { benchWorld } from './world.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SERVER = fileURLToPath(new URL('../mcp/server.mjs', import.meta.url));
const CALLS = 1_000;
const WARM = 100;
const { signal } = new AbortController();
const PASSES = 5;
const loop = (
  tool: string,
) => `{ name: 'caller', uses: { add: 'tool:${tool}' }, ceilings: { crank_cpu_ms: 5000 }, budget: { calls: 1000000, cpu_ms: 600000, bytes: 100000000 },
  async run({ input, caps }) { for (let n = 0; n < input; n++) await caps.add({ a: n, b: 1 }); } }`;

export async function mcp(): Promise<Figure[]> {
  const start = programs({ walls: findWalls(), groups: undefined, path: process.env['PATH'] ?? '' });
  const spec = { command: 'node', args: [SERVER], env: {}, folders: [{ path: ROOT, write: false }], cwd: undefined, confined: true };
  const served = spawn(process.execPath, [SERVER, '--http'], { stdio: ['ignore', 'pipe', 'ignore'] });
  const [port] = (await served.stdout.take(1).toArray()) as Buffer[];
  const url = `http://127.0.0.1:${String(port).trim()}/mcp`;
  try {
    return [
      ...(await measured(
        'mcp stdio',
        programLine(spec, start, () => undefined),
        () => new StdioClientTransport({ command: process.execPath, args: [SERVER], stderr: 'ignore' }),
      )),
      ...(await measured(
        'mcp http',
        addressLine({ url, headers: {}, oauth: undefined }, boundedFetch(true, undefined)),
        () => new StreamableHTTPClientTransport(new URL(url)),
      )),
    ];
  } finally {
    served.kill();
  }
}

async function measured(name: string, line: () => Line, transport: () => Transport): Promise<Figure[]> {
  const source = await McpSource.open({
    name: 'plain',
    trusted: true,
    said: {},
    only: undefined,
    timeout_ms: undefined,
    pins: { get: () => undefined, put: () => undefined },
    line: () => Promise.resolve(line),
    tell: () => undefined,
    redact: (text) => text,
  });
  const times: number[] = [];
  const echo = echoing();
  const world = await benchWorld([...source.tools(), echo.tool].map((tool) => timed(tool, times)));
  const [version, echoes] = [await world.deploy(loop('plain.add')), await world.deploy(loop('echo'))];
  const client = new Client({ name: 'bench', version: '1' }, { versionNegotiation: { mode: 'auto' } });
  await client.connect(transport());
  const runs = (of: typeof version) => async () => {
    times.length = 0;
    await (
      await world.submit(of, CALLS)
    ).ended;
    return times.map((time, i) => time - (times[i - 1] ?? time)).slice(WARM);
  };
  const floor = async () => {
    const samples: number[] = [];
    for (let n = 0; n < CALLS; n += 1) {
      const began = performance.now();
      await client.callTool({ name: 'add', arguments: { a: n, b: 1 } });
      samples.push(performance.now() - began);
    }
    return samples.slice(WARM);
  };
  const add = source.tools().find((tool) => tool.name === 'plain.add') as Tool;
  const alone = async () => {
    const samples: number[] = [];
    for (let n = 0; n < CALLS; n += 1) {
      const began = performance.now();
      await add.invoke({
        input: { a: n, b: 1 },
        idempotency_key: `bench:${n}`,
        attempt: 1,
        run: 'run_bench',
        tenant: 't',
        signal,
      } as never);
      samples.push(performance.now() - began);
    }
    return samples.slice(WARM);
  };
  const figure = runs(version);
  await figure();
  await floor();
  await alone();
  const result = [
    await durations(`${name}, the tool`, PASSES, alone, floor, {
      note: 'an attempt of the tool alone; floor: callTool of the SDK’s client',
    }),
    await durations(`${name}, a run`, PASSES, figure, floor, {
      note: 'a call of a run, a tool that only reads, effect → result; the same floor',
    }),
    await durations(`${name}, a run of an echo`, PASSES, figure, runs(echoes), {
      note: 'the same; floor: a call of a run, a tool that asks `cat` by a pipe',
    }),
  ];
  await client.close();
  echo.end();
  await world.close();
  await source.close(0);
  return result;
}

/** A tool that hands a line to another process and waits until that has given it back: no protocol, and no work. */
function echoing(): { readonly tool: Tool; readonly end: () => void } {
  const cat = spawn('cat', { stdio: ['pipe', 'pipe', 'ignore'] });
  let answered: () => void = () => undefined;
  cat.stdout.on('data', () => answered());
  const run = () => {
    const { promise, resolve } = Promise.withResolvers<null>();
    answered = () => resolve(null);
    cat.stdin.write('x\n');
    return promise;
  };
  const annotations = { readOnly: true, idempotent: true, destructive: false, openWorld: false, returns: 'untrusted' } as const;
  const tool = inlineTool({
    name: 'echo',
    description: 'Echoes.',
    input: z.object({ a: z.number(), b: z.number() }),
    output: z.null(),
    annotations,
    run,
  });
  return { tool, end: () => void cat.kill() };
}

/** The tool, with the time of each invocation written down. */
const timed = (tool: Tool, times: number[]): Tool => ({
  ...tool,
  invoke: (call) => {
    times.push(performance.now());
    return tool.invoke(call);
  },
});
