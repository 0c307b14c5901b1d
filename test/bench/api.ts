/** Measures the HTTP API: submits per second, the delay of events for a follower, and the time to kill all runs of an agent. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, request, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fastify, { type FastifyInstance } from 'fastify';
import { bundleAgent } from '@corral/cli/bundle';
import { transportTo } from '@corral/client/node';
import { createClient, type Client } from '@corral/protocol/api/client';
import { startHost, type RunningHost } from '@corral/server/host';
import { durations, values, type Figure } from './measure.ts';

const AT_ONCE = 16;
const SUBMITS = 1_500;
const EVENTS = 400;
const CROWD = 200;
const NOOP = `{ name: 'noop', run: () => 1 }`;
const MIXED = `{ name: 'mixed', ceilings: { crank_cpu_ms: 10000 }, run: async ({ input, sleep }) => { if (input.spin) for (;;); await sleep(3600000); } }`;

interface BenchFront {
  readonly host: RunningHost;
  readonly admin: Client;
  readonly secret: string;
  readonly port: number;
  deploy(definition: string): Promise<void>;
  close(): Promise<void>;
}

async function benchFront(): Promise<BenchFront> {
  const folder = await mkdtemp(join(tmpdir(), 'crb-'));
  const config = join(folder, 'config.json');
  await writeFile(
    config,
    JSON.stringify({ policies: 'none', tenants: { local: { queue: 1_000_000 } }, door: { rate_per_s: 1_000_000, burst: 1_000_000 } }),
  );
  const host = await startHost({ data: join(folder, 'd'), port: 0, config, env: {} });
  const admin = createClient(transportTo({ socket: host.socket }));
  const { secret } = await admin.makeToken({ body: { name: 'bench', roles: ['developer', 'operator'] } });
  let files = 0;
  return {
    host,
    admin,
    secret,
    port: Number(new URL(host.url ?? '').port),
    async deploy(definition) {
      const file = join(folder, 'agents', `${(files += 1)}.ts`);
      await mkdir(join(folder, 'agents'), { recursive: true });
      await writeFile(file, `import { defineAgent } from '@corral/guest';\nexport default defineAgent(${definition});`);
      const { source, describing } = await bundleAgent(file);
      await admin.deployAgent({ body: { source, describing } });
    },
    async close() {
      await host.close(1_000);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Sends one request over a kept connection. @returns the body of the answer */
function post(agent: Agent, port: number, path: string, secret: string, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        agent,
        port,
        host: '127.0.0.1',
        method: 'POST',
        path,
        headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8');
        answer.on('data', (chunk: string) => (text += chunk));
        answer.on('end', () => (answer.statusCode === 201 ? resolve(text) : reject(new Error(`${answer.statusCode} ${text}`))));
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

/** Submits per second by AT_ONCE clients, each of which waits for its answer before the next request. */
async function perSecond(port: number, secret: string, body: string): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  let left = SUBMITS;
  const began = performance.now();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (left-- > 0) await post(agent, port, '/v1/runs', secret, body);
    }),
  );
  const took_s = (performance.now() - began) / 1000;
  agent.destroy();
  return SUBMITS / took_s;
}

async function bare(setup: (app: FastifyInstance) => void): Promise<{ port: number; close: () => Promise<void> }> {
  const app = fastify({ forceCloseConnections: true });
  setup(app);
  await app.listen({ host: '127.0.0.1', port: 0 });
  return { port: (app.server.address() as AddressInfo).port, close: () => app.close() };
}

async function apiSubmit(): Promise<Figure> {
  const front = await benchFront();
  await front.deploy(NOOP);
  const body = JSON.stringify({ agent: 'noop', input: { text: 'x'.repeat(200) } });
  const answer = await post(new Agent(), front.port, '/v1/runs', front.secret, body);
  const floor = await bare((app) => {
    const same = JSON.parse(answer) as unknown;
    app.post('/v1/runs', (_, reply) => reply.code(201).send(same));
  });
  const figure = await values(
    'api submit',
    'jobs/s',
    'more',
    4,
    () => perSecond(front.port, front.secret, body),
    () => perSecond(floor.port, front.secret, body),
    `${AT_ONCE} clients, each job durable when it is answered, and run; floor: bare Fastify giving the same answer`,
  );
  await floor.close();
  await front.close();
  return figure;
}

/** Follows a stream of events and passes on each data line. */
function follow(port: number, path: string, secret: string, onData: (text: string) => void): Promise<() => void> {
  return new Promise((resolve) => {
    const sent = request({ port, host: '127.0.0.1', path, headers: { authorization: `Bearer ${secret}` } }, (answer: IncomingMessage) => {
      let rest = '';
      answer.setEncoding('utf8');
      answer.on('error', () => undefined);
      answer.on('data', (chunk: string) => {
        const lines = `${rest}${chunk}`.split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) if (line.startsWith('data: ')) onData(line.slice('data: '.length));
      });
      resolve(() => sent.destroy());
    });
    sent.on('error', () => undefined);
    sent.end();
  });
}

async function lateness(port: number, secret: string, tell: (n: number) => void): Promise<number[]> {
  let heard: () => void = () => undefined;
  const stop = await follow(port, '/v1/events', secret, () => heard());
  const samples: number[] = [];
  for (let n = 0; n < EVENTS; n++) {
    const arrived = new Promise<void>((resolve) => (heard = resolve));
    const began = performance.now();
    tell(n);
    await arrived;
    samples.push(performance.now() - began);
  }
  stop();
  return samples;
}

async function apiFollow(): Promise<Figure> {
  const front = await benchFront();
  const { feed } = front.host.door;
  const about = { tenant: 'local', run: 'run_000000000000', agent: 'noop' };
  let line = '';
  let write: (text: string) => void = () => undefined;
  const unlisten = feed.listen((event) => (line = `id: ${event.id}\nevent: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`));
  feed.tell('run.emitted', { ...about, data: { event: 'progress', data: { n: 0 } } });
  unlisten();
  const floor = await bare((app) => {
    app.get('/v1/events', (_, reply) => {
      reply.hijack();
      reply.raw.writeHead(200, { 'content-type': 'text/event-stream' });
      reply.raw.write(': \n\n');
      write = (text) => reply.raw.write(text);
    });
  });
  const figure = await durations(
    'api follow',
    4,
    () => lateness(front.port, front.secret, (n) => feed.tell('run.emitted', { ...about, data: { event: 'progress', data: { n } } })),
    () => lateness(floor.port, front.secret, () => write(line)),
    { note: 'an agent emits → a follower has read it; floor: bare Fastify writing the same bytes' },
  );
  await floor.close();
  await front.close();
  return figure;
}

async function apiKillAll(): Promise<Figure> {
  const front = await benchFront();
  await front.deploy(MIXED);
  const { admin } = front;
  const latencies: number[] = [];
  const target = { agent: 'mixed' as never };
  const crowd = async () => {
    for (let i = 0; i < CROWD; i += 20)
      await Promise.all(
        Array.from({ length: 20 }, (_, at) => admin.submitRun({ body: { agent: 'mixed', input: { spin: (i + at) % 2 === 0 } } })),
      );
  };
  const operate = async (dryRun: boolean) => {
    const began = performance.now();
    const result = await admin.operate({ body: { operation: 'kill', target, reason: 'bench', dryRun } });
    const took = performance.now() - began;
    if (!dryRun && result.receipts.length !== CROWD) throw new Error(`${result.receipts.length} receipts for ${CROWD} runs`);
    latencies.push(...result.receipts.map((receipt) => receipt.latency_ms));
    return [took];
  };
  const figure = await durations(
    'api kill all',
    3,
    () => operate(false),
    async () => {
      await crowd();
      return operate(true);
    },
    { note: `one command, ${CROWD} runs of an agent, half of them spinning or waiting to, all with receipts; floor: the same with dryRun` },
  );
  latencies.sort((a, b) => a - b);
  const p99 = latencies[Math.floor(latencies.length * 0.99)] ?? 0;
  await front.close();
  return { ...figure, note: `${figure.note ?? ''}; p99 of a receipt ${p99.toFixed(1)} ms` };
}

export const api = async (): Promise<Figure[]> => [await apiSubmit(), await apiFollow(), await apiKillAll()];
