/** Sources of tools on a living host: taken up as they change, and closed with the configuration that they belong to. */
import { expect, test } from 'vitest';
import { ASK_OWNER } from '@corral/protocol/model/question';
import type { Tool, ToolSource } from '@corral/protocol/ports/tool';
import { loadConfig } from '@corral/server/config/load';
import { databaseOf } from '../database.ts';
import { heldTool, MemorySource, type Happened } from '../memory-source.ts';
import { until } from '../until.ts';
import { front } from '../front.ts';

/** A source for each configuration that is loaded, all of which have the tools of `offered`, as those of a server elsewhere. */
function elsewhere(...tools: readonly Tool[]) {
  const open = new Set<MemorySource>();
  let offered = tools;
  return {
    sources: [
      () => {
        const source = new MemorySource(offered);
        open.add(source);
        return Promise.resolve(source);
      },
    ],
    /** How often a configuration was loaded. */
    loads: () => open.size,
    offer: (...next: readonly Tool[]) => {
      offered = next;
      for (const source of open) source.set(next);
    },
  };
}

const AGENT = `{ name: 'a', uses: { held: 'tool:first' }, run: ({ caps }) => caps.held({}) }`;

test('a source whose tools change is taken up without a restart, and what it had before is closed once, after its calls', async () => {
  const happened: Happened = [];
  const [first, second] = [heldTool('first', happened), heldTool('second', happened)];
  const { sources, offer } = elsewhere(first.tool);
  const { admin, deploy, host } = await front({ configText: '{}', sources });
  const names = async () => (await admin.listTools({})).items.map(({ tool }) => tool).filter((tool) => tool !== ASK_OWNER);
  expect(await names()).toEqual(['first']);
  await deploy(AGENT);
  const { run } = await admin.submitRun({ body: { agent: 'a', input: {} } });
  await until(() => first.begun() === 1);
  offer(second.tool);
  await until(async () => (await names()).join() === 'second');
  const { items } = await admin.listOperations({});
  expect(items[0]).toMatchObject({ operation: 'apply-config', reason: 'a source of tools has other tools' });
  // The source of before is closed with its configuration, and waits for the call.
  expect(happened).not.toContain('closed first');
  first.release();
  expect(await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } })).toMatchObject({
    outcome: { kind: 'completed', output: 'first' },
  });
  await until(() => happened.includes('closed first'));
  await host.close(0);
  expect(happened.filter((one) => one.endsWith('first'))).toEqual(['ended first', 'closed first']);
});

test('a source is closed once when its host stops', async () => {
  const happened: Happened = [];
  const { sources } = elsewhere(heldTool('only', happened).tool);
  const { host } = await front({ configText: '{}', sources });
  expect(happened).toEqual([]);
  await host.close(0);
  expect(happened).toEqual(['closed only']);
});

test('a tool that declares the same as before is taken up too, because its source may have lost what the old one was connected to', async () => {
  const happened: Happened = [];
  const [lost, found] = [heldTool('first', happened), heldTool('first')];
  const { sources, offer } = elsewhere(lost.tool);
  const { admin, deploy } = await front({ configText: '{}', sources });
  await deploy(AGENT);
  const { version } = await admin.showConfig({});
  offer(found.tool);
  await until(() => happened.includes('closed first'));
  found.release();
  const { run } = await admin.submitRun({ body: { agent: 'a', input: {} } });
  expect(await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } })).toMatchObject({
    outcome: { kind: 'completed', output: 'first' },
  });
  expect([lost.begun(), found.begun(), (await admin.showConfig({})).version]).toEqual([0, 1, version]);
});

test('a source that reports a change and has the same tools changes nothing', async () => {
  const { tool } = heldTool('only');
  let loads = 0;
  let report: (() => void) | undefined;
  const same = [tool];
  const open = (): Promise<ToolSource> => {
    loads += 1;
    const onChange = (listener: () => void) => {
      report ??= listener;
      return () => undefined;
    };
    return Promise.resolve({ tools: () => same, onChange, close: () => Promise.resolve() });
  };
  const { host } = await front({ configText: '{}', sources: [open] });
  const before = loads;
  report?.();
  await host.close(0);
  expect([before > 0, loads]).toEqual([true, before]);
});

test('sources that were opened are closed where a later one cannot be opened', async () => {
  const happened: Happened = [];
  const first = () => Promise.resolve(new MemorySource([heldTool('first', happened).tool]));
  const second = () => Promise.reject(new Error('nobody answers'));
  await expect(loadConfig(undefined, {}, { sources: [first, second] })).rejects.toThrow(/could not be made: nobody answers/);
  expect(happened).toEqual(['closed first']);
});

test('other tools that the configuration does not allow leave the one in force as it is, and are recorded', async () => {
  const { sources, offer } = elsewhere(heldTool('first').tool);
  const { admin } = await front({ configText: '{}', sources });
  offer(heldTool('twice').tool, heldTool('twice').tool);
  await until(async () => (await admin.listOperations({})).items[0]?.operation === 'refuse-config');
  expect((await admin.listTools({})).items.map(({ tool }) => tool)).toEqual(['first', ASK_OWNER]);
});

test('other tools are in force once that is recorded, and not before', { tags: 'long' }, async () => {
  const { sources, offer, loads } = elsewhere(heldTool('first').tool);
  const { admin, data } = await front({ configText: '{}', sources });
  const before = loads();
  const { version } = await admin.showConfig({});
  const held = databaseOf(data, 'front.db');
  held.exec('BEGIN IMMEDIATE');
  offer(heldTool('second').tool);
  await until(() => loads() > before + 1, 'the first attempt could not be recorded, and the second one has begun');
  expect((await admin.showConfig({})).version).toBe(version);
  held.exec('ROLLBACK');
  held.close();
  await until(async () => (await admin.listTools({})).items[0]?.tool === 'second');
  const inForce = (await admin.showConfig({})).version;
  expect((await admin.listConfigs({})).items.map((one) => one.version)).toContain(inForce);
});
