/** Traces that leave a host: tools whose grant says so are told the span of their call, the same one on every host and for every attempt. */
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { agentFile } from '../agents/file.ts';
import { front, shortFolder } from '../front.ts';
import { collector } from '../otlp.ts';
import { until } from '../until.ts';

const CONFIG = (sink: string, seen: string, trace: boolean) => `
import { appendFileSync, existsSync } from 'node:fs';
import { defineConfig, tool } from '@corral/server/config';
import * as z from 'zod';
const told = (name) => (_, { traceparent = 'none', attempt }) => {
  appendFileSync('${seen}', name + ' ' + attempt + ' ' + traceparent + '\\n');
  return existsSync('${seen}.go') ? 'ok' : new Promise(() => {});
};
const made = (name, annotations) => tool({ name, description: name, input: z.object({}), output: z.string(),
  annotations: { idempotent: true, ...annotations }, run: told(name) });
export default defineConfig({
  tools: [made('open', {}), made('shut', {})],
  annotations: { open: { trace: ${trace} } },
  policies: 'none',
  telemetry: { otlp: { url: '${sink}' } },
});`;
test('a call tells its tool its span where its grant says so, to a child too, and the same one after its host was lost', async () => {
  const sink = await collector();
  const folder = await shortFolder();
  const [seen, config, data] = [join(folder, 'seen'), join(folder, 'corral.config.ts'), join(folder, 'd')];
  await writeFile(seen, '');
  await writeFile(config, CONFIG(sink.url, seen, true));
  const lines = async () => (await readFile(seen, 'utf8')).split('\n').filter((line) => line !== '');
  const first = await front({ data, config });
  await first.deploy(agentFile('grants/told-the-trace'));
  const { run } = await first.admin.submitRun({ body: { agent: 'caller' } });
  await until(async () => (await lines()).length === 2);
  await first.host.close(0);

  await appendFile(`${seen}.go`, '');
  // The grant was made before this, and keeps what it says.
  await writeFile(config, CONFIG(sink.url, seen, false));
  const second = await front({ data, config });
  const { outcome } = await second.admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
  expect(outcome).toEqual({ kind: 'completed', output: ['ok', 'ok'] });
  const { reaches } = await second.admin.runAuthority({ params: { run } });
  const traced = Object.fromEntries(reaches.filter(({ kind }) => kind === 'tool').map(({ name, chain }) => [name, chain[0]?.trace]));
  expect(traced).toEqual({ open: true, shut: false });
  await second.host.close();

  const told = (await lines()).map((line) => line.split(' '));
  const spans = sink.spans.filter(({ name }) => name === 'execute_tool open').map(({ trace, id }) => `00-${trace}-${id}-01`);
  const [own, childs] = spans;
  expect(spans).toHaveLength(2);
  expect(told.filter(([name]) => name === 'shut').map(([, , trace]) => trace)).toEqual(['none', 'none']);
  expect(told.filter(([name]) => name === 'open').map(([, , trace]) => trace)).toEqual([own, own, childs]);
  // One family is one trace.
  expect(new Set(sink.spans.map(({ trace }) => trace)).size).toBe(1);
});
