/** The dashboard and the alerts of `ops` name figures that the code has: a figure that is renamed would leave an alert that never fires. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { METRICS } from '@corral/telemetry/names';
import { prometheusName } from '@corral/telemetry/prometheus';

const read = (name: string): string => readFileSync(fileURLToPath(new URL(`../../ops/${name}`, import.meta.url)), 'utf8');

interface Alerts {
  readonly groups: readonly {
    readonly rules: readonly { readonly alert: string; readonly expr: string; readonly annotations: { readonly runbook: string } }[];
  }[];
}
interface Dashboard {
  readonly panels: readonly {
    readonly title: string;
    readonly targets: readonly { readonly expr: string; readonly legendFormat: string }[];
  }[];
}
const rules = (parse(read('alerts.yaml')) as Alerts).groups.flatMap((group) => group.rules);
const { panels } = JSON.parse(read('grafana.json')) as Dashboard;

/** Names that Prometheus has of each figure, with the labels of each. */
const labelsOf = new Map<string, ReadonlySet<string>>();
for (const one of Object.values(METRICS)) {
  const name = prometheusName(one);
  const labels = new Set(one.labels.map((label) => label.replaceAll('.', '_')));
  if (one.kind !== 'histogram') labelsOf.set(name, labels);
  else
    for (const [end, more] of [['_bucket', 'le'], ['_sum'], ['_count']])
      labelsOf.set(`${name}${end}`, new Set([...labels, ...(more === undefined ? [] : [more])]));
}
/** Labels that Prometheus itself adds. */
const ADDED = new Set(['instance', 'job']);

/** Faults of an expression: figures that are not there, and labels that they do not have. */
function faultsOf(expr: string): string[] {
  const named = [...expr.matchAll(/\b(?:corral|gen_ai|process)_[a-z_]+\b(?=[{[)\s]|$)/g)].map(([name]) => name);
  const figures = named.filter((name) => labelsOf.has(name));
  const labels = new Set(figures.flatMap((name) => [...(labelsOf.get(name) ?? [])]));
  const used = [
    ...[...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(',').map((label) => label.trim())),
    ...[...expr.matchAll(/\{([^}]*)\}/g)].flatMap(([, list = '']) =>
      [...list.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label),
    ),
  ];
  return [
    ...(figures.length === 0 ? [`no figure in ${expr}`] : []),
    ...named.filter((name) => !labelsOf.has(name) && !used.includes(name)),
    ...used.filter((label) => !labels.has(label) && !ADDED.has(label)),
  ];
}

test('every figure and every label of an alert is one that a host has', () => {
  expect(rules.length).toBeGreaterThan(5);
  for (const { alert, expr } of rules) expect([alert, faultsOf(expr)]).toEqual([alert, []]);
  expect(faultsOf('max(corral_queue_old_seconds) > 1')).toEqual([
    'no figure in max(corral_queue_old_seconds) > 1',
    'corral_queue_old_seconds',
  ]);
  expect(faultsOf('sum by (corral_agent) (corral_runs_ended_total)')).toEqual(['corral_agent']);
});

test('every figure and every label of the dashboard is one that a host has', () => {
  expect(panels.length).toBeGreaterThan(10);
  for (const { title, targets } of panels) for (const { expr } of targets) expect([title, faultsOf(expr)]).toEqual([title, []]);
});

test('every alert has a runbook, and every runbook an alert', () => {
  const runbooks = [...read('README.md').matchAll(/^### (\w+)$/gm)].map(([, name = '']) => name);
  expect(runbooks.toSorted()).toEqual(rules.map(({ alert }) => alert).toSorted());
  for (const { alert, annotations } of rules) expect(annotations.runbook).toBe(`ops/README.md#${alert.toLowerCase()}`);
});
