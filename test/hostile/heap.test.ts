/** Runs that make their host keep much: a host with a small heap survives them. A real host in a process of its own. */
import { spawn } from 'node:child_process';
import { request } from 'node:http';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { bundleAgent } from '@corral/cli/bundle';
import { transportTo } from '@corral/cli/transport';
import { createClient, type Client } from '@corral/protocol/api/client';
import { agentFile } from '../agents/file.ts';
import { shortFolder } from '../front.ts';

const HOST = fileURLToPath(new URL('./heap-host.ts', import.meta.url));

/** Starts a host with a limited heap. `died`: resolves, with how, if its process ends. */
async function start(heap_mib: number): Promise<{ admin: Client; socket: string; died: Promise<string> }> {
  const data = join(await shortFolder(), 'd');
  const child = spawn(process.execPath, [`--max-old-space-size=${heap_mib}`, HOST, data], { stdio: ['pipe', 'pipe', 'ignore'] });
  const died = new Promise<string>((resolve) => child.once('exit', (code, signal) => resolve(`the host ended: ${signal ?? code}`)));
  onTestFinished(async () => {
    child.stdin.end();
    await died;
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const { socket } = JSON.parse(line) as { socket: string };
    return { admin: createClient(transportTo({ socket })), socket, died };
  }
  throw new Error(await died);
}

/** Deploys an agent and runs it to its end. @throws if the host dies */
async function run({ admin, died }: Awaited<ReturnType<typeof start>>, agent: string, input: object, more: object = {}) {
  const { source, describing } = await bundleAgent(agentFile(`hostile/${agent}`).file);
  await admin.deployAgent({ body: { source, describing } });
  const { run: id } = await admin.submitRun({ body: { agent: 'a', input: input as never, ...more } });
  const ended = async () => {
    for (;;) {
      const { outcome } = await admin.showRun({ params: { run: id }, query: { wait_ms: 30_000 } });
      if (outcome !== null) return outcome;
    }
  };
  const outcome = await Promise.race([
    ended(),
    died.then((how) => {
      throw new Error(how);
    }),
  ]);
  return { id, outcome };
}

// Attack C1.
test(
  'children that emit more than the heap of their host do not end it, whether somebody follows or not',
  { timeout: 180_000 },
  async () => {
    const host = await start(160);
    const stalled = request({ socketPath: host.socket, path: '/v1/events' }, (answer) => answer.pause());
    stalled.on('error', () => undefined).end();
    onTestFinished(() => void stalled.destroy());
    const { outcome } = await run(host, 'emitting-children', { children: 4, events: 240 });
    expect(outcome).toEqual({ kind: 'completed', output: 4 });
  },
);
