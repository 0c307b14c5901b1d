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
import type { RunId } from '@corral/protocol/ids';
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
    const host = await start(128);
    const stalled = request({ socketPath: host.socket, path: '/v1/events' }, (answer) => answer.pause());
    stalled.on('error', () => undefined).end();
    onTestFinished(() => void stalled.destroy());
    const { outcome } = await run(host, 'emitting-children', { children: 2, events: 224 });
    expect(outcome).toEqual({ kind: 'completed', output: 2 });
  },
);

// Attack C2.
test.each([
  ['one after another', false],
  ['all at once', true],
] as const)(
  'children that ask %s for more than the heap of their host are refused it, and why says so',
  { timeout: 180_000 },
  async (_, at_once) => {
    const host = await start(256);
    const budget = { bytes: 2 ** 30 };
    const { outcome, id } = await run(host, 'holding-children', { children: 24, pages: 60, chars: 250_000, at_once }, { budget });
    const kids = (outcome as { output?: unknown }).output as { held: number; refused: Record<string, number> }[];
    expect(kids).toHaveLength(24);
    const held = kids.reduce((sum, one) => sum + one.held, 0);
    const refused = kids.flatMap((one) => Object.values(one.refused)).reduce((sum, count) => sum + count, 0);
    expect(held + refused).toBe(24 * 60);
    expect(refused).toBeGreaterThan(0);
    expect(held).toBeGreaterThan(24);
    const { children } = await host.admin.runTree({ params: { run: id } });
    const whys = await Promise.all(children.map(({ run: child }) => host.admin.whyRun({ params: { run: child as RunId } })));
    expect(whys.flatMap(({ because }) => because).join('\n')).toMatch(/CORRAL_HOST_MEMORY .*he host keeps \d+ MiB for \d+ runs of local/);
  },
);
