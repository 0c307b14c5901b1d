/** Contents and logs at a real collector: sent where a configuration asks for them, and never what is private to somebody. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { agentFile } from '../agents/file.ts';
import { front, shortFolder } from '../front.ts';
import { collector, type Received } from '../otlp.ts';

const CONFIG = (sink: string, content: string) => `
import { defineConfig, tool } from '@corral/server/config';
import * as z from 'zod';
const reads = (name, value, annotations) => tool({ name, description: name, input: z.object({ of: z.string().optional() }), output: z.unknown(),
  annotations: { readOnly: true, openWorld: false, returns: 'trusted', ...annotations }, run: () => value });
export default defineConfig({
  tenants: { acme: {}, brix: {} },
  tools: [
    reads('mail.read', { text: 'a word about Ana' + 'x'.repeat(20_000) }),
    reads('hr.read', { salary: '4711 guilders' }, { private_to: 'ana' }),
  ],
  models: { default: { provider: 'scripted', turns: [{ say: 'Ana keeps the books.' }] } },
  policies: ['free.cedar'],
  telemetry: { otlp: { url: '${sink}' }, content: ${content}, logs: true },
});`;
const NOTE = '(private to somebody, and not sent)';

async function ran(content: string, tenant: string) {
  const sink = await collector();
  const lines: string[] = [];
  const logger = pino({}, { write: (line: string) => void lines.push(line) });
  const folder = await shortFolder();
  const config = join(folder, 'corral.config.ts');
  await writeFile(config, CONFIG(sink.url, content));
  await writeFile(join(folder, 'free.cedar'), '@id("free") permit (principal, action, resource);');
  const { admin, deploy, host } = await front({ config, logger });
  await deploy(agentFile('models/reads-and-says'), { tenant });
  const { run } = await admin.submitRun({ body: { agent: 'reader', tenant, input: { name: 'Ana' } } });
  const { outcome } = await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
  // The result may be private, so it is withheld here.
  expect(outcome).toMatchObject({ kind: 'completed', output: null });
  await host.close();
  return { sink, run, lines };
}
const said = ({ attributes }: Received) =>
  Object.fromEntries(Object.entries(attributes).filter(([name]) => /messages$|call\.(arguments|result)$/.test(name)));

test('calls and models say what was said, cut to a bound, where that is asked for; private values are notes; logs have the trace of their run', async () => {
  const { sink, run, lines } = await ran(`['acme']`, 'acme');
  const spans = (name: string) => sink.spans.filter((one) => one.name === name);
  const [mail] = spans('execute_tool mail.read').map(said);
  expect(mail?.['gen_ai.tool.call.arguments']).toBe('{"of":"Ana"}');
  expect(mail?.['gen_ai.tool.call.result']).toMatch(/^\{"text":"a word about Anax+…$/);
  expect(Buffer.byteLength(String(mail?.['gen_ai.tool.call.result']))).toBeLessThanOrEqual(16_384);
  const [streamed, whole] = spans('chat script').map(said);
  expect(JSON.parse(String(streamed?.['gen_ai.input.messages']))).toEqual([
    { role: 'user', parts: [{ type: 'text', content: 'Who is Ana?' }] },
  ]);
  expect(JSON.parse(String(streamed?.['gen_ai.output.messages']))).toEqual([
    { role: 'assistant', parts: [{ type: 'text', content: 'Ana keeps the books.' }], finish_reason: 'stop' },
  ]);
  expect(spans('execute_tool hr.read').map(said)).toEqual([{ 'gen_ai.tool.call.arguments': '{}', 'gen_ai.tool.call.result': NOTE }]);
  expect(whole).toEqual({ 'gen_ai.input.messages': NOTE, 'gen_ai.output.messages': NOTE });
  const first = sink.metrics.find(({ name }) => name === 'gen_ai.client.inference.time_to_first_chunk');
  expect(
    first?.points.map(({ attributes, value }) => [attributes['gen_ai.provider.name'], attributes['gen_ai.request.model'], value]),
  ).toEqual([['scripted', 'script', 1]]);

  const [trace] = sink.spans.map((one) => one.trace);
  const own = sink.logs.filter(({ attributes }) => attributes['corral.agent.log'] === true);
  expect(own).toMatchObject([
    {
      body: 'looks for Ana',
      severity: 'WARN 13',
      trace,
      attributes: { 'corral.run.id': run, 'gen_ai.agent.name': 'reader', 'corral.tenant': 'acme' },
    },
    { body: NOTE, severity: 'INFO 9', trace },
  ]);
  // The host's own lines are there as well, each as in its log.
  const ended = sink.logs.find(({ body }) => body === 'run.ended');
  expect(ended).toMatchObject({
    severity: 'INFO 9',
    trace,
    attributes: { 'corral.run.id': run, event: 'run.ended', 'data.ended_as': 'completed' },
  });
  expect(sink.logs.length - own.length).toBeGreaterThan(3);
  expect(sink.logs.length - own.length).toBeLessThanOrEqual(lines.length);
  expect(JSON.stringify(sink.spans, (_, one: unknown) => (typeof one === 'bigint' ? '' : one))).not.toContain('4711');
  expect(JSON.stringify(sink.logs.map(({ body, attributes }) => [body, attributes]))).not.toContain('4711');
});

test('of a tenant whose contents nobody asked for, nothing is sent that was said', { tags: 'long' }, async () => {
  const { sink } = await ran(`['brix']`, 'acme');
  expect(sink.spans.map(said).filter((one) => Object.keys(one).length > 0)).toEqual([]);
});
