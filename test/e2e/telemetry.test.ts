/** Traces of a family over a lost host, as a collector gets them in OTLP's protocol buffers. Real processes. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { bundleAgent } from '@corral/cli/bundle';
import { transportTo } from '@corral/client/node';
import { createClient } from '@corral/protocol/api/client';
import { CORRAL_MAIN } from '../command.ts';
import { shortFolder } from '../front.ts';
import { collector, type Received } from '../otlp.ts';
import { found, until } from '../until.ts';
import { spawnHost } from './chaos/process.ts';
import { agentFile } from '../agents/file.ts';

/** Spans by what they are, whatever they are about. */
const kindOf = ({ name }: Received): string => name.split(' ')[0] ?? '';
const SLEEP_MS = 2_500;

/** A host that can be killed, its collector, and a client of it. */
async function traced() {
  const sink = await collector();
  const folder = await shortFolder();
  const [data, files, config] = [join(folder, 'd'), join(folder, 'files'), join(folder, 'corral.config.json')];
  await mkdir(files);
  await writeFile(join(files, 'a.txt'), 'x');
  const models = { default: { provider: 'scripted', turns: [{ say: 'hello' }] } };
  const telemetry = { otlp: { url: sink.url } };
  await writeFile(config, JSON.stringify({ limits: { park_after_ms: 0 }, files: { read: files, write: files }, models, telemetry }));
  const start = async () => {
    const process = spawnHost([CORRAL_MAIN, 'up', '--data', data, '--config', config, '--port', '0', '--json']);
    onTestFinished(() => process.kill('SIGKILL'));
    let url = '';
    for await (const line of process.lines) {
      ({ url } = JSON.parse(line) as { url: string });
      break;
    }
    return { ...process, as: (secret: string) => createClient(transportTo({ url }), secret) };
  };
  return { sink, start, client: createClient(transportTo({ socket: join(data, 'corral.sock') })) };
}

test('a family has one trace over a host that is killed: one root, no orphan, and each wait is a link', async () => {
  const { sink, start, client } = await traced();
  const first = await start();
  const { source, describing } = await bundleAgent(agentFile('family/traced').file);
  await client.deployAgent({ body: { source, describing } });
  const { run } = await client.submitRun({ body: { agent: 'traced', input: { sleep_ms: SLEEP_MS } } });
  await until(() => sink.spans.some(({ name }) => name.startsWith('chat ')));
  first.kill('SIGKILL');
  await first.gone;
  const before = sink.spans.length;

  const second = await start();
  const { secret } = await client.makeToken({ body: { name: 'ana', roles: ['approver'] } });
  const approval = await found(async () => (await client.listApprovals({})).items[0], 'the write waits for people');
  await until(async () => (await client.showRun({ params: { run } })).residency === 'parked');
  await second.as(secret).decideApproval({
    params: { run: approval.run, call: approval.call },
    body: { verdict: 'approve', reason: 'looked' },
  });
  const { outcome } = await client.showRun({ params: { run }, query: { wait_ms: 60_000 } });
  expect(outcome).toMatchObject({ kind: 'completed', output: { word: 'wrote x' } });
  second.kill('SIGTERM');
  expect(await second.gone).toBe(0);

  const { spans } = sink;
  expect(new Set(spans.map(({ trace }) => trace)).size).toBe(1);
  const ids = new Set(spans.map(({ id }) => id));
  expect(spans.filter(({ parent }) => parent !== '' && !ids.has(parent))).toEqual([]);
  const roots = new Set(spans.filter(({ parent }) => parent === '').map(({ id }) => id));
  expect(roots.size).toBe(1);
  // The second host sends the spans of runs again, with the same ids, since the first may not have come to it. It sends nothing of its replay.
  const again = spans.filter(({ id }, i) => spans.findIndex((one) => one.id === id) < i);
  expect(new Set(again.map((one) => kindOf(one)))).toEqual(new Set(['corral.run']));
  for (const one of again) expect(one).toEqual(spans.find(({ id }) => id === one.id));
  expect(before).toBeGreaterThan(0);

  const once = spans.filter(({ id }, i) => spans.findIndex((one) => one.id === id) === i);
  const counts = Object.fromEntries(
    Map.groupBy(once, (one) => one.name)
      .entries()
      .map(([name, all]) => [name, all.length]),
  );
  expect(counts).toMatchObject({
    'corral.run traced': 1,
    'corral.run scribe': 1,
    'execute_tool fs.read': 3,
    'execute_tool fs.write': 1,
    'chat script': 1,
    'corral.approval': 1,
    'corral.message': 1,
    'corral.timer': 1,
    'corral.child_ended': 1,
  });
  const waits = once.filter((one) => ['corral.approval', 'corral.message', 'corral.timer', 'corral.child_ended'].includes(kindOf(one)));
  for (const { links } of waits) {
    expect(links).toHaveLength(1);
    expect(ids).toContain(links[0]?.span);
  }
  // No link leads to a span that never came, such as the stretch that the lost host was in.
  for (const { name, links } of once) for (const { span } of links) expect([name, ids.has(span)]).toEqual([name, true]);
  // A stretch in memory after the first one says which it resumes.
  const stretches = once.filter((one) => one.name === 'invoke_agent traced').toSorted((a, b) => Number(a.to - b.to));
  expect(stretches.length).toBeGreaterThan(1);
  expect(stretches.slice(1).every(({ links }) => links[0]?.what === 'resumed')).toBe(true);
  expect(stretches.at(-1)?.attributes).toMatchObject({ 'corral.outcome': 'completed', 'gen_ai.operation.name': 'invoke_agent' });
  // The refusal is an error, and no other span of this family is one.
  expect(once.filter(({ error }) => error !== undefined).map(({ name }) => name)).toEqual(['execute_tool fs.read']);
  expect(JSON.stringify(spans, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))).not.toMatch(
    /hello|a\.txt|b\.txt|wrote/,
  );
});
