import { describe, expect, it } from 'vitest';
import { newId, type RunId } from '@corral/protocol/ids';
import { TELEMETRY } from '@corral/protocol/limits-telemetry';
import { callerIn } from './caller.ts';
import { FactWriter, type RunFact } from './facts.ts';
import { Pipeline, type PipelineOptions } from './pipeline.ts';
import { prometheusText } from './prometheus.ts';
import { FactReader } from './reading.ts';
import { ringMemory } from './ring.ts';
import { place, spanOf, spanOfRun, spanOfSegment, traceOf, type Span } from './span.ts';

let made = 0;
/** Ids that differ: a number in digits of 32. */
function someRun(): RunId {
  made += 1;
  return newId('run', (n) => Uint8Array.from({ length: n }, (_, i) => Math.floor(made / 32 ** i) % 32));
}

/** A host’s writer and the thread’s work behind it. */
function telemetry(options: Partial<PipelineOptions> = {}) {
  const memory = ringMemory(16_384);
  const [facts, reader] = [new FactWriter(memory), new FactReader(memory)];
  const spans: Span[] = [];
  const pipeline = new Pipeline({ sample: 1, latest: true, send: (span) => spans.push(span), ...options });
  const read = () => {
    while (reader.read(100, (fact) => pipeline.take(fact)));
    return spans.splice(0);
  };
  const begin = (run: RunId, more: Partial<RunFact> = {}) =>
    facts.run({
      run,
      root: run,
      parent: undefined,
      tenant: 'acme',
      agent: 'buyer',
      version: 'sha256:1',
      created_at: 1000,
      epoch: 1,
      ...more,
    });
  return { facts, pipeline, read, begin };
}
const call = (run: RunId, number: number, more: object = {}) => ({
  run,
  call: number,
  tool: 'fs.read',
  code: undefined,
  at: 2000,
  took_ms: 500,
  attempts: 1,
  provider: undefined,
  model: undefined,
  input_tokens: 0,
  output_tokens: 0,
  money_micros: 0,
  peer: undefined,
  ...more,
});
const hex = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString('hex');

describe('telemetry of runs', () => {
  it('makes ids of what runs are called, so that two hosts that know nothing of each other make one trace', () => {
    const [root, child] = [someRun(), someRun()];
    const [one, other] = [telemetry(), telemetry()];
    one.begin(root);
    other.begin(child, { root, parent: root });
    other.facts.call(call(child, 3));
    const [first] = one.read();
    const [of, read] = other.read();
    expect([hex(of?.trace), hex(read?.trace)]).toEqual([hex(traceOf(root)), hex(traceOf(root))]);
    expect([hex(first?.trace), first?.parent]).toEqual([hex(traceOf(root)), undefined]);
    expect([hex(of?.parent), hex(read?.parent)]).toEqual([hex(first?.id), hex(of?.id)]);
    expect([hex(read?.id), read?.from, read?.to]).toEqual([hex(spanOf(child, 'call', 3)), 1500, 2000]);
  });

  it('sends the span of a run once, and again in the process that takes it up', () => {
    const run = someRun();
    const [one, next] = [telemetry(), telemetry()];
    one.begin(run);
    one.begin(run, { epoch: 2, woken_at: 3000 });
    next.begin(run, { epoch: 3, woken_at: 4000 });
    const sent = one.read();
    expect(sent).toHaveLength(1);
    expect(next.read()).toEqual(sent);
  });

  it('sends the errors of a family that is not sampled, with the spans that they hang from, and nothing else', () => {
    const { facts, read, begin } = telemetry({ sample: 0 });
    const [root, child] = [someRun(), someRun()];
    begin(root);
    begin(child, { root, parent: root });
    facts.call(call(child, 1));
    expect(read()).toEqual([]);
    facts.call(call(child, 2, { code: 'CORRAL_TOOL_FAILED' }));
    facts.ended({ run: root, at: 9000, outcome: 'killed', why: undefined, cpu_ms: 1, calls: 0, money_micros: 0 });
    const spans = read();
    expect(spans.map(({ name, error }) => [name, error])).toEqual([
      ['corral.run buyer', undefined],
      ['corral.run buyer', undefined],
      ['execute_tool fs.read', 'CORRAL_TOOL_FAILED'],
      ['invoke_agent buyer', 'killed'],
    ]);
    expect(spans.slice(0, 2).map(({ id }) => hex(id))).toEqual([hex(spanOfRun(root)), hex(spanOfRun(child))]);
  });

  it('samples families as a whole, about as many as asked for', () => {
    const roots = Array.from({ length: 2000 }, () => someRun());
    const share = roots.filter((root) => place(traceOf(root)) < 0.25).length / roots.length;
    expect(share).toBeGreaterThan(0.2);
    expect(share).toBeLessThan(0.3);
  });

  it('links what a run waited for, and does not guess the trace of a run that it does not know', () => {
    const { facts, read, begin } = telemetry();
    const [run, child, stranger] = [someRun(), someRun(), someRun()];
    begin(run);
    begin(child, { root: run, parent: run });
    read();
    facts.message(run, 2000, child, 5);
    facts.message(run, 2000, stranger, 6);
    facts.crank(run, 2000, 'child_ended', 1, 1, 4, child);
    facts.crank(run, 2000, 'reply', 1, 1);
    facts.decided(run, 3000, 9, 'fs.write', 'approve', 1000);
    facts.decided(run, 3000, 10, 'fs.write', 'deny', 1000);
    const links = read().map(({ name, links: all }) => [name, all.map(({ span }) => hex(span))]);
    expect(links).toEqual([
      ['corral.message', [hex(spanOfRun(child))]],
      ['corral.message', []],
      ['corral.child_ended', [hex(spanOfRun(child))]],
      ['corral.approval', [hex(spanOf(run, 'call', 9))]],
      ['corral.approval', [hex(spanOfRun(run))]],
    ]);
  });

  it('links a run to the span of whoever submitted it, and its children to nothing of that', () => {
    const { facts, read, begin } = telemetry();
    const [run, child] = [someRun(), someRun()];
    const caller = callerIn('00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01');
    if (caller !== undefined) facts.caller(run, caller);
    begin(run);
    begin(child, { root: run, parent: run });
    expect(read().map(({ links }) => links.map(({ trace, span }) => `${hex(trace)} ${hex(span)}`))).toEqual([
      ['4bf92f3577b34da6a3ce929d0e0e4736 00f067aa0ba902b7'],
      [],
    ]);
    const none = [
      undefined,
      '',
      'x',
      `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
      'ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    ];
    expect(none.map((text) => callerIn(text))).toEqual(none.map(() => undefined));
  });

  it('ends the stretches in memory of all runs when the host stops', () => {
    const { pipeline, read, begin } = telemetry();
    const origin = someRun();
    begin(someRun(), { origin });
    const [fork] = read();
    expect(fork?.links.map(({ span }) => hex(span))).toEqual([hex(spanOfRun(origin))]);
    pipeline.stop(5000);
    const ended = read();
    expect(ended.map(({ name, from, to }) => [name, from, to])).toEqual([['invoke_agent buyer', 1000, 5000]]);
  });

  it.each([200, 10_000])('makes at most 2,000 lines of figures of 10,000 runs of %i agents, each with a tool and a model', (agents) => {
    const { facts, pipeline, read, begin } = telemetry({ send: undefined, latest: false });
    for (let i = 0; i < 10_000; i++) {
      const [run, n] = [someRun(), i % agents];
      begin(run, { agent: `agent-${n}` });
      facts.began(run, 1200);
      facts.call(call(run, 1, { tool: `tool-${n}` }));
      facts.call(call(run, 2, { tool: `model:${n}`, provider: 'p', model: `m-${n}`, input_tokens: 5, output_tokens: 6 }));
      facts.call(call(run, 4, { tool: `service:${n}`, took_ms: undefined, code: 'CORRAL_TIMED_OUT' }));
      facts.denied(run, 1300, 3, `tool-${n}`, 'CORRAL_DENIED', '');
      facts.crank(run, 1300, 'reply', 1, 1);
      facts.parked(run, 1300, 'approval');
      begin(run, { agent: `agent-${n}`, woken_at: 1350, epoch: 2 });
      facts.ended({ run, at: 1400, outcome: i % 3 === 0 ? 'failed' : 'completed', why: undefined, cpu_ms: 1, calls: 2, money_micros: 3 });
      if (i % 100 === 0) read();
    }
    read();
    const lines = prometheusText(pipeline.figures.all()).split('\n');
    expect(lines.filter((line) => line !== '' && !line.startsWith('#')).length).toBeLessThanOrEqual(2000);
    const ends = lines.filter((line) => line.startsWith('corral_runs_ended_total'));
    expect(ends.map((line) => Number(line.split(' ').at(-1))).reduce((a, b) => a + b, 0)).toBe(10_000);
    expect(ends.filter((line) => !/corral_outcome="(?:completed|failed)"/.test(line))).toEqual([]);
    expect(facts.dropped).toBe(0);
  });

  it('ends the stretch of a run whose commit the store refused, and the next one says which it resumes', () => {
    const { facts, pipeline, read, begin } = telemetry();
    const run = someRun();
    begin(run);
    facts.act(run, 2000, 'refused');
    begin(run, { epoch: 3, woken_at: 2500 });
    facts.parked(run, 3000, 'message');
    const spans = read().filter(({ name }) => name === 'invoke_agent buyer');
    expect(spans.map(({ from, to }) => [from, to])).toEqual([
      [1000, 2000],
      [2500, 3000],
    ]);
    // Not the epoch before, under which nothing was ever sent.
    expect(spans.map(({ links }) => links.map(({ span }) => hex(span)))).toEqual([[], [hex(spanOfSegment(run, 1))]]);
    pipeline.stop(9000);
    expect(read()).toEqual([]);
  });

  it('says how a run ended that was not in memory then, and links a stretch whose forerunner is not known to the run', () => {
    const { facts, read, begin } = telemetry();
    const [run, other] = [someRun(), someRun()];
    begin(run, { epoch: 7, woken_at: 2000 });
    facts.parked(run, 2500, 'message');
    facts.ended({ run, at: 3000, outcome: 'killed', why: undefined, cpu_ms: 1, calls: 0, money_micros: 0 });
    begin(other, { epoch: 7, woken_at: 2000 });
    facts.ended({ run: other, at: 2000, outcome: 'killed', why: undefined, cpu_ms: 1, calls: 0, money_micros: 0 });
    const stretches = read().filter(({ name }) => name === 'invoke_agent buyer');
    expect(stretches.map(({ from, to, error, links }) => [from, to, error, links.map(({ span }) => hex(span))])).toEqual([
      [2000, 2500, undefined, [hex(spanOfRun(run))]],
      [3000, 3000, 'killed', []],
      [2000, 2000, 'killed', [hex(spanOfRun(other))]],
    ]);
  });

  it('bounds the errors of a run and of a tenant in a minute, tells how many it left out, and tells ends all the same', () => {
    const { facts, pipeline, read, begin } = telemetry({ sample: 0 });
    const [run, calm] = [someRun(), someRun()];
    begin(run);
    begin(calm);
    for (let i = 1; i <= 500; i++) facts.denied(run, 2000, i, 'pay', 'CORRAL_DENIED', 'rule');
    facts.denied(run, 2000, 501, 'pay', 'CORRAL_DENIED', 'rule', 9_500);
    facts.denied(calm, 2000, 1, 'pay', 'CORRAL_DENIED', 'rule');
    facts.ended({ run, at: 2100, outcome: 'killed', why: undefined, cpu_ms: 1, calls: 0, money_micros: 0 });
    const most = TELEMETRY.errors_per_run_minute.default;
    const spans = read();
    const of = (name: string, id: RunId) => spans.filter((span) => span.name === name && span.run === id).length;
    expect([of('corral.denied', run), of('corral.denied', calm), of('invoke_agent buyer', run)]).toEqual([most, 1, 1]);
    const text = prometheusText(pipeline.figures.all());
    expect(text).toContain(`corral_telemetry_dropped_total{corral_what="errors"} ${501 - most}\n`);
    expect(text).toContain('error_type="CORRAL_DENIED"} 10001\n');
    // In the next minute there is room again.
    begin(run, { epoch: 2, woken_at: 61_000 });
    facts.denied(run, 62_000, 600, 'pay', 'CORRAL_DENIED', 'rule', 3);
    const later = read().filter(({ name }) => name === 'corral.denied');
    expect(later.map(({ attributes }) => attributes.find(([name]) => name === 'corral.count')?.[1])).toEqual([3]);
  });

  it('forgets the runs first that are not in memory, of these those that were heard of least recently', () => {
    const { facts, pipeline, read, begin } = telemetry({ runs: 3 });
    const [here, gone, heard, next] = [someRun(), someRun(), someRun(), someRun()];
    begin(here);
    for (const run of [heard, gone]) {
      begin(run);
      facts.parked(run, 1500, 'message');
    }
    facts.decided(heard, 1600, 1, 'pay', 'approve', 1500);
    begin(next);
    read();
    for (const run of [here, gone, heard, next]) facts.decided(run, 1700, 2, 'pay', 'approve', 1500);
    expect(read().map((span) => span.run)).toEqual([here, heard, next]);
    expect(prometheusText(pipeline.figures.all())).toContain('corral_telemetry_dropped_total{corral_what="unknown run"} 1\n');
  });

  it('does not count an act on a run that is in the store alone as lost', () => {
    const { facts, pipeline, read } = telemetry();
    facts.act(someRun(), 1000, 'damaged');
    expect(read()).toEqual([]);
    const text = prometheusText(pipeline.figures.all());
    expect(text).toContain('corral_acts_total{corral_what="damaged"} 1\n');
    expect(text).not.toContain('unknown run');
  });

  it('sends the span of a run again with the next one if it was lost, so that nothing hangs from a span that never came', () => {
    const { facts, pipeline, read, begin } = telemetry();
    const run = someRun();
    begin(run);
    const [root] = read();
    facts.call(call(run, 1));
    const [first] = read();
    for (const span of [root, first]) if (span !== undefined) pipeline.lost(span);
    facts.call(call(run, 2));
    facts.call(call(run, 3));
    expect(read().map(({ name }) => name)).toEqual(['corral.run buyer', 'execute_tool fs.read', 'execute_tool fs.read']);
  });

  it('does not make up how long a call took that nobody has measured', () => {
    const { facts, pipeline, read, begin } = telemetry();
    const run = someRun();
    begin(run);
    facts.call(call(run, 1, { tool: 'service:claims', took_ms: undefined, code: 'CORRAL_TIMED_OUT' }));
    const [, span] = read();
    expect([span?.name, span?.from, span?.to, span?.error]).toEqual(['corral.request service:claims', 2000, 2000, 'CORRAL_TIMED_OUT']);
    const text = prometheusText(pipeline.figures.all());
    expect(text).toContain('corral_requests_total{gen_ai_tool_name="service:claims",error_type="CORRAL_TIMED_OUT"} 1\n');
    expect(text).not.toContain('gen_ai_execute_tool_duration');
  });

  it('has the names of before besides the latest ones, unless these alone are asked for', () => {
    const names = [true, false].map((latest) => {
      const { facts, pipeline, read, begin } = telemetry({ latest });
      const run = someRun();
      begin(run);
      facts.call(call(run, 2, { tool: 'model:m', provider: 'openai', model: 'm', input_tokens: 5 }));
      const [, chat] = read();
      const figures = pipeline.figures.all().map(({ instrument }) => instrument.name);
      return [chat?.attributes.some(([name]) => name === 'gen_ai.system'), figures.includes('gen_ai.client.token.usage')];
    });
    expect(names).toEqual([
      [false, false],
      [true, true],
    ]);
  });
});
