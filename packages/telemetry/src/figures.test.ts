import { describe, expect, it } from 'vitest';
import { TELEMETRY } from '@corral/protocol/limits-telemetry';
import { Outcome } from '@corral/protocol/model/outcome';
import { ERRORS } from '@corral/protocol/errors';
import { Figures } from './figures.ts';
import { CORRAL, METRICS, openLabelsOf, type MetricName } from './names.ts';
import { prometheusName, prometheusText } from './prometheus.ts';
import { OTHER } from './vocabulary.ts';

const linesOf = (figures: Figures): string[] => prometheusText(figures.all()).split('\n');
const isValue = (line: string): boolean => line !== '' && !line.startsWith('#');
const outcomes = Outcome.options.map(({ shape: { kind } }) => kind.value);

/** Figures of a host with more tenants, agents, tools, models and codes than there is room for. */
function crowded(): Figures {
  const figures = new Figures(TELEMETRY.series.default);
  const codes = ['', ...Object.keys(ERRORS)];
  for (let i = 0; i < 3_000; i++) {
    const [tenant, agent, tool, code = ''] = [`tenant-${i}`, `agent-${i}`, `tool-${i}`, codes[i % codes.length]];
    const outcome = outcomes[i % outcomes.length] ?? '';
    figures.count('admitted', [tenant, agent]);
    figures.count('ended', [tenant, agent, outcome]);
    figures.count('denied', [tenant, tool, code]);
    figures.count('asked', [tenant]);
    figures.count('decided', [tenant, ['approve', 'deny', 'expired'][i % 3] ?? '']);
    figures.count('requests', [tool, code]);
    figures.count('cost', [tenant, agent]);
    figures.observe('agentDuration', [agent, outcome], 1);
    figures.observe('agentInference', [agent], 1);
    figures.observe('agentTools', [agent], 1);
    figures.observe('toolDuration', [tool, code], 1);
    for (const name of ['modelDuration', 'modelDurationBefore'] as const)
      figures.observe(name, ['chat', `provider-${i}`, `model-${i}`, code], 1);
    for (const name of ['inputTokens', 'outputTokens'] as const) figures.observe(name, ['chat', `provider-${i}`, `model-${i}`], 1);
    for (const type of ['input', 'output']) figures.observe('tokensBefore', ['chat', `provider-${i}`, `model-${i}`, type], 1);
  }
  return figures;
}

/** Values that Corral itself gives to the labels of instruments without names of others: the most there can be. */
const CLOSED: Readonly<Record<string, number>> = {
  [CORRAL.waiting]: 8,
  [CORRAL.delivery]: 8,
  [CORRAL.detector]: 16,
  [CORRAL.step]: 4,
  [CORRAL.what]: 12,
  [CORRAL.state]: 5,
};

describe('figures', () => {
  it('stay within the bound of lines however many names there are, with all that Corral itself says, and lose nothing', () => {
    const figures = crowded();
    const lines = linesOf(figures).filter((line) => isValue(line));
    expect(figures.lines).toBe(lines.length);
    let closed = 0;
    for (const [name, { kind, labels }] of Object.entries(METRICS)) {
      if (kind !== 'gauge' && openLabelsOf(name as MetricName).includes(true)) continue;
      const series = labels.reduce((all, label) => all * (CLOSED[label] ?? Number.NaN), 1);
      closed += series * (kind === 'histogram' ? 13 : 1);
    }
    expect(lines.length + closed).toBeLessThanOrEqual(TELEMETRY.series.default);
    const ended = lines.filter((line) => line.startsWith('corral_runs_ended_total'));
    expect(ended.map((line) => Number(line.split(' ').at(-1))).reduce((a, b) => a + b, 0)).toBe(3_000);
  });

  // Bug other-outcome: beyond the bound every label was `other`, and an alert about bad outcomes fired because there were many agents.
  it('keep what Corral itself says where names have no room: outcomes, verdicts, and whether there was an error', () => {
    const lines = linesOf(crowded());
    const of = (name: string, label: string) =>
      new Set(lines.filter((line) => line.startsWith(name)).map((line) => new RegExp(`${label}="([^"]*)"`).exec(line)?.[1]));
    expect(of('corral_runs_ended_total', 'corral_outcome')).toEqual(new Set(outcomes));
    expect(of('corral_approvals_decided_total', 'corral_verdict')).toEqual(new Set(['approve', 'deny', 'expired']));
    expect(of('gen_ai_client_token_usage_count', 'gen_ai_token_type')).toEqual(new Set(['input', 'output']));
    const nameless = lines.filter((line) => line.startsWith('gen_ai_execute_tool_duration_seconds_count{gen_ai_tool_name="other"'));
    const failed = nameless.filter((line) => !line.includes('error_type=""'));
    expect(nameless.length).toBeGreaterThan(failed.length);
    expect(failed.some((line) => line.includes(`error_type="${OTHER}"`))).toBe(true);
  });

  it('show gauges whatever the room', () => {
    const figures = crowded();
    figures.set('stalled', ['no_progress'], 1);
    figures.set('waiting', ['resolution'], 3);
    expect(linesOf(figures)).toContain('corral_host_stalled{corral_what="no_progress"} 1');
    expect(linesOf(figures)).toContain('corral_runs_waiting{corral_waiting="resolution"} 3');
  });

  it('put a value into the first bucket that holds it, and Prometheus gets sums from there on', () => {
    const figures = new Figures(2000);
    for (const value of [0.001, 0.002, 5000]) figures.observe('toolDuration', ['fs.read', ''], value);
    const lines = linesOf(figures);
    const own = '{gen_ai_tool_name="fs.read",error_type=""';
    expect(lines).toContain(`gen_ai_execute_tool_duration_seconds_bucket${own},le="0.001"} 1`);
    expect(lines).toContain(`gen_ai_execute_tool_duration_seconds_bucket${own},le="0.005"} 2`);
    expect(lines).toContain(`gen_ai_execute_tool_duration_seconds_bucket${own},le="3600"} 2`);
    expect(lines).toContain(`gen_ai_execute_tool_duration_seconds_bucket${own},le="+Inf"} 3`);
    expect(lines).toContain(`gen_ai_execute_tool_duration_seconds_count${own}} 3`);
  });

  it('escape what others have named', () => {
    const figures = new Figures(2000);
    figures.count('acts', ['a"b\\c\nd']);
    expect(linesOf(figures)).toContain('corral_acts_total{corral_what="a\\"b\\\\c\\nd"} 1');
  });

  it('forget gauges whose labels are gone', () => {
    const figures = new Figures(2000);
    for (let round = 0; round < 3000; round++) {
      figures.clear('stalled');
      figures.set('stalled', [`reason-${round}`], 1);
    }
    expect(linesOf(figures).filter((line) => isValue(line))).toEqual(['corral_host_stalled{corral_what="reason-2999"} 1']);
  });

  it('have names that differ for Prometheus as well', () => {
    const names = Object.values(METRICS).map((one) => prometheusName(one));
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^[a-z][a-z0-9_]*$/);
  });
});
