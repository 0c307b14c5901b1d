import { describe, expect, it } from 'vitest';
import { TELEMETRY } from '@corral/protocol/limits-telemetry';
import { OTHER } from './facts.ts';
import { Figures } from './figures.ts';
import { METRICS } from './names.ts';
import { prometheusName, prometheusText } from './prometheus.ts';

const linesOf = (figures: Figures): string[] => prometheusText(figures.all()).split('\n');
const isValue = (line: string): boolean => line !== '' && !line.startsWith('#');

describe('figures', () => {
  it('stay within the bound of lines however many names there are, and lose nothing: the rest is counted under one name', () => {
    const most = TELEMETRY.series.default;
    const figures = new Figures(most);
    for (let i = 0; i < 10_000; i++) {
      figures.observe('toolDuration', [`tool-${i}`, ''], 0.01);
      figures.count('ended', ['acme', `agent-${i}`, 'completed']);
      figures.count('denied', ['acme', `tool-${i}`, 'CORRAL_POLICY_DENIED']);
    }
    const lines = linesOf(figures).filter((line) => isValue(line));
    expect(lines.length).toBeLessThanOrEqual(most);
    expect(figures.lines).toBe(lines.length);
    const ended = lines.filter((line) => line.startsWith('corral_runs_ended_total'));
    expect(ended.map((line) => Number(line.split(' ').at(-1))).reduce((a, b) => a + b, 0)).toBe(10_000);
    expect(ended.some((line) => line.includes(`gen_ai_agent_name="${OTHER}"`))).toBe(true);
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

  it('forget gauges whose labels are gone, and take their room back', () => {
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
