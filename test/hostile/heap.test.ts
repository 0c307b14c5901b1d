/** Runs that make their host keep much: a host with a small heap survives them. A real host in a process of its own. */
import { request } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import type { RunId } from '@corral/protocol/ids';
import { run, start } from './fixtures/small-heap.ts';

// Attack C1.
test('children that emit more than the heap of their host do not end it, whether somebody follows or not', async () => {
  const host = await start(128);
  const stalled = request({ socketPath: host.socket, path: '/v1/events' }, (answer) => answer.pause());
  stalled.on('error', () => undefined).end();
  onTestFinished(() => void stalled.destroy());
  const { outcome } = await run(host, 'emitting-children', { children: 2, events: 224 });
  expect(outcome).toEqual({ kind: 'completed', output: 2 });
});

// Attack C2.
const REFUSED = 'for more than the heap of their host are refused it, and why says so';
test(`children that ask all at once ${REFUSED}`, { tags: 'long' }, () => expectRefused(true));
test(`children that ask one after another ${REFUSED}`, { tags: 'long' }, () => expectRefused(false));

async function expectRefused(at_once: boolean): Promise<void> {
  const host = await start(160);
  const budget = { bytes: 2 ** 30, cpu_ms: 120_000 };
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
}
