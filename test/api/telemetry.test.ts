/** Telemetry of a host as operators meet it: figures at /metrics, spans at a collector, and what a collector that is away does: nothing. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, test, vi } from 'vitest';
import type { HostOptions } from '@corral/server/host';
import type { RunId } from '@corral/protocol/ids';
import { METRICS } from '@corral/telemetry/names';
import { prometheusName } from '@corral/telemetry/prometheus';
import { front, shortFolder, type Front } from '../front.ts';
import { collector } from '../otlp.ts';
import { until } from '../until.ts';

const READS = `{ name: 'reads', uses: { read: 'tool:fs.read' }, run: ({ input, caps }) => caps.read({ path: input.path }).catch((error) => error.code) }`;

async function withFiles(telemetry: object | undefined, env: Record<string, string> = {}, logger?: HostOptions['logger']): Promise<Front> {
  const files = join(await shortFolder(), 'files');
  await mkdir(files);
  const config = { files: { read: files }, secrets: { otlp: { env: 'OTLP_TOKEN' } }, ...(telemetry === undefined ? {} : { telemetry }) };
  return front({ configText: JSON.stringify(config), env: { ...process.env, ...env }, logger });
}

async function ran({ admin }: Front, path: string, headers: { readonly traceparent?: string } = {}): Promise<RunId> {
  const { run } = await admin.submitRun({ body: { agent: 'reads', input: { path } }, headers });
  await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
  return run;
}

test('a host without the setting makes no figures, and says how to turn them on', async () => {
  const made = await withFiles(undefined);
  await expect(made.admin.metrics({})).rejects.toMatchObject({ code: 'CORRAL_TELEMETRY_OFF', status: 404 });
});

test('/metrics has the figures of runs and of the host in Prometheus’ text, for those whose role is of the whole host', async () => {
  const made = await withFiles({});
  await made.deploy(READS);
  for (let i = 0; i < 3; i++) await ran(made, 'missing.txt');
  const text = await made.admin.metrics({});
  expect(text).toContain('corral_runs_admitted_total{corral_tenant="local",gen_ai_agent_name="reads"} 3\n');
  expect(text).toContain('corral_runs_ended_total{corral_tenant="local",gen_ai_agent_name="reads",corral_outcome="completed"} 3\n');
  expect(text).toMatch(/gen_ai_execute_tool_duration_seconds_count\{gen_ai_tool_name="fs\.read",error_type="CORRAL_[A-Z_]+"\} 3\n/);
  expect(text).toContain('corral_runs_waiting{corral_waiting="approval"} 0\n');
  expect(text).toContain('corral_telemetry_dropped_total{corral_what="facts"} 0\n');
  const names = Object.values(METRICS).map((one) => prometheusName(one));
  for (const [, name = ''] of text.matchAll(/^# TYPE (\S+) /gm)) expect(names).toContain(name);
  expect(text).not.toMatch(/run_[0-9a-z]{12}/);

  const answer = await fetch(`${made.url}/metrics`, { headers: { authorization: `Bearer ${(await made.as('*', 'operator')).secret}` } });
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
  expect(await answer.text()).toContain('# TYPE corral_runs gauge\n');
  await expect((await made.as('local', 'admin')).metrics({})).rejects.toMatchObject({ code: 'CORRAL_FORBIDDEN' });
  expect((await fetch(`${made.url}/metrics`)).status).toBe(401);
});

test('a family that is not sampled sends its errors alone, with what they hang from; a sampled one sends all', async () => {
  const sink = await collector();
  let log = '';
  const lines = { write: (line: string) => void (log += line) };
  const made = await withFiles(
    { otlp: { url: sink.url, headers: { 'x-key': 'otlp' } }, sample: 0 },
    { OTLP_TOKEN: 'not-for-logs' },
    pino({}, lines),
  );
  await made.deploy(READS);
  await made.deploy(`{ name: 'calm', run: () => 'ok' }`);
  const { run } = await made.admin.submitRun({ body: { agent: 'calm' } });
  await made.admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
  const caller = { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' };
  const failed = await ran(made, 'missing.txt', caller);
  await until(() => sink.spans.length >= 2);
  await made.host.close();
  expect(sink.spans.map(({ name, attributes }) => [name, attributes['corral.run.id']])).toEqual([
    ['corral.run reads', failed],
    ['execute_tool fs.read', failed],
  ]);
  expect(sink.spans[0]?.links).toEqual([{ trace: '4bf92f3577b34da6a3ce929d0e0e4736', span: '00f067aa0ba902b7', what: 'caller' }]);
  expect(sink.spans[1]?.error).toMatch(/^CORRAL_/);
  expect(sink.headers[0]?.['x-key']).toBe('not-for-logs');
  const line = log.split('\n').find((one) => one.includes('"event":"run.ended"') && one.includes(failed)) ?? '{}';
  expect(JSON.parse(line)).toMatchObject({ run: failed, trace_id: sink.spans[1]?.trace });
  expect(log).not.toContain('not-for-logs');
  // Figures count what spans leave out.
  const ended = sink.metrics.findLast(({ name }) => name === 'corral.runs.ended');
  expect(ended?.points.map(({ attributes, value }) => [attributes['gen_ai.agent.name'], value])).toEqual([
    ['calm', 1],
    ['reads', 1],
  ]);
});

test('a collector that is away costs no run, and the loss is counted', { tags: 'long' }, async () => {
  const made = await withFiles({ otlp: { url: 'http://127.0.0.1:9' } });
  await made.deploy(READS);
  await ran(made, 'missing.txt');
  await until(async () => /^corral_telemetry_dropped_total\{corral_what="spans"\} [1-9]/m.test(await made.admin.metrics({})));
  expect(await made.admin.metrics({})).toContain('corral_outcome="completed"} 1\n');
});

test('a monitor reads the figures of the host, and nothing else', { tags: 'long' }, async () => {
  const made = await withFiles({});
  const monitor = await made.as('*', 'monitor');
  expect(await monitor.metrics({})).toContain('# TYPE corral_runs gauge\n');
  for (const ask of [() => monitor.listRuns({}), () => monitor.listAgents({}), () => monitor.showConfig({}), () => monitor.listTokens({})])
    await expect(ask()).rejects.toMatchObject({ code: 'CORRAL_FORBIDDEN' });
  // Programs that read them at the same time cost one reading of the host.
  const { host } = made.host.door;
  const load = vi.spyOn(host, 'load');
  await until(async () => (await monitor.metrics({}), load.mock.calls.length > 0));
  load.mockClear();
  await Promise.all(Array.from({ length: 9 }, () => monitor.metrics({})));
  expect(load.mock.calls.length).toBeLessThanOrEqual(1);
});

test('a sender of spans says which process it is, and what its environment adds', async () => {
  const sink = await collector();
  const env = { OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=prod%20eu' };
  const instances: unknown[] = [];
  for (const _ of [1, 2]) {
    const made = await withFiles({ otlp: { url: sink.url } }, env);
    await made.host.close();
    const last = sink.resources.at(-1);
    expect(last).toMatchObject({ 'service.name': 'corral', 'deployment.environment.name': 'prod eu' });
    instances.push(last?.['service.instance.id']);
  }
  expect(instances[0]).toMatch(/^[0-9a-f-]{36}$/);
  expect(new Set(instances).size).toBe(2);
});

test('a traceparent that is too long or cannot be read refuses no job', async () => {
  const sink = await collector();
  const made = await withFiles({ otlp: { url: sink.url } });
  await made.deploy(READS);
  const [trace, span] = ['4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7'];
  const ignored = await ran(made, 'missing.txt', { traceparent: 'x'.repeat(2_000) });
  // A later version of the header may go on.
  const linked = await ran(made, 'missing.txt', { traceparent: `01-${trace}-${span}-01-${'y'.repeat(2_000)}` });
  await made.host.close();
  const linksOf = (run: RunId) =>
    sink.spans.find((one) => one.name === 'corral.run reads' && one.attributes['corral.run.id'] === run)?.links;
  expect([linksOf(ignored), linksOf(linked)]).toEqual([[], [{ trace, span, what: 'caller' }]]);
});

test('no secret comes into the log: not one that is no value of a header, nor one in the address of a collector', async () => {
  let log = '';
  const lines = { write: (line: string) => void (log += line) };
  const secret = 'Bearer\nnot-for-logs';
  const made = await withFiles(
    { otlp: { url: 'http://127.0.0.1:9', headers: { 'x-key': 'otlp' } } },
    { OTLP_TOKEN: secret },
    pino({}, lines),
  );
  await made.deploy(READS);
  await ran(made, 'missing.txt');
  await made.host.close();
  expect(log).toContain('"header":"x-key"');
  expect(log).not.toContain('not-for-logs');
  const refused = withFiles({ otlp: { url: 'http://me:not-for-logs@127.0.0.1:9' } });
  await expect(refused).rejects.toMatchObject({
    code: 'CORRAL_CONFIG_INVALID',
    message: expect.stringContaining('holds a user or password'),
  });
  await expect(refused).rejects.not.toMatchObject({ message: expect.stringContaining('not-for-logs') });
});
