/** `policy test`: requests with the verdict that their author expects. A cases file is a JSON list of `PolicyCase`. */
import * as z from 'zod';
import { CONSEQUENCES } from './consequence.ts';
import { subjectOf, type Action, type Given } from './catalog.ts';
import { explain, formatExplained, verdictText, type Explained } from './explain.ts';
import { FACTS, type DecisionContext, type InspectionFacts } from './facts.ts';
import type { PolicyRequest } from './request.ts';
import type { PolicyInForce } from './in-force.ts';
import { nearest } from './problem.ts';
import type { Field } from './shape.ts';

/** Facts of an ordinary call; a case overrides some of them. */
export const QUIET: DecisionContext = {
  now: Date.UTC(2026, 0, 1),
  flow: {
    effect: 'change',
    untrusted_input: false,
    private_data: false,
    outside_effect: false,
    untrusted_influence: false,
    carries_private: false,
    destination_origin: 'none',
    argument_origin: 'none',
    foreign_identifier: false,
    unasked_link: false,
    steered_by_handle: false,
    destination_literal: true,
    requested: 'open',
    first_time_destination: false,
    unusual: [],
  },
  labels: { integrity: [], confidentiality: [] },
  call: { bytes: 0, first_use: false, last_minute: 0 },
  budget: { cpu_ms: 60_000, calls: 1_000, messages: 1_000, bytes: 1_000_000, children: 10, tokens: 1_000_000, money: 10_000 },
  run: { depth: 0, age_ms: 0, calls: 0 },
};

/** Rejects unknown facts: a misspelt fact would keep its default value, and the case would pass for the wrong reason. */
function knownFacts(context: Readonly<Record<string, unknown>>, refined: z.RefinementCtx): void {
  const check = (names: Iterable<string>, known: readonly string[], path: readonly string[]) => {
    for (const one of names) {
      if (known.includes(one)) continue;
      const near = nearest(one, known);
      const instead = near === undefined ? `there are ${known.join(', ')}` : `did you mean ${near}?`;
      refined.addIssue({ code: 'custom', path: [...path, one], message: `there is no such fact; ${instead}` });
    }
  };
  check(Object.keys(context), [...Object.keys(FACTS), 'inspect'], []);
  for (const [record, { shape }] of Object.entries<Field>(FACTS)) {
    const said = context[record];
    if (shape.kind === 'record' && typeof said === 'object' && said !== null) check(Object.keys(said), Object.keys(shape.fields), [record]);
  }
}

const name = z.string().min(1).max(200);

export const PolicyCase = z.strictObject({
  /** A sentence: `a stranger's address needs approval`. */
  name: z.string().min(1).max(200),
  subject: z
    .strictObject({ tenant: name, agent: name, version: name, person: name, roles: z.array(name), owner: name, agent_role: name })
    .partial()
    .default({}),
  /** `tool:payments.send`, `model:default`, `http:crm`, `send:claims`, `spawn:reader`, `answer:model:default`, `output:claims`, `emit:claims`. */
  action: z
    .string()
    .regex(
      /^((answer:)?(tool|model|http|service)|send|spawn|output|emit):.+$/,
      'tool:NAME, model:NAME, http:NAME, service:NAME, answer: before one of these, send:AGENT, spawn:AGENT, output:AGENT or emit:AGENT',
    ),
  args: z.json().exactOptional(),
  /** For a send or spawn; left out: nothing. */
  given: z
    .strictObject({
      capabilities: z.array(z.string().min(1).max(200)).max(256),
      budget: z.record(z.string(), z.number().min(0)),
      /** For a spawn of a program; members that are left out are those of a small one that no stranger has influenced. */
      program: z.strictObject({ digest: name, bytes: z.int().min(0), untrusted: z.boolean(), foreign_identifier: z.boolean() }).partial(),
    })
    .partial()
    .exactOptional(),
  /** Overrides facts of an ordinary call, record by record. */
  context: z.record(z.string(), z.json()).superRefine(knownFacts).default({}),
  expect: z.strictObject({
    decision: z.enum(['allow', 'deny']),
    consequence: z.enum(CONSEQUENCES).exactOptional(),
    /** All of these must be among the reasons. */
    reasons: z.array(z.string()).exactOptional(),
  }),
});
export type PolicyCase = z.infer<typeof PolicyCase>;
export const PolicyCases = z.array(PolicyCase).min(1).max(10_000);

export interface CaseResult {
  readonly name: string;
  readonly passed: boolean;
  /** Why the case failed, as sentences. */
  readonly faults: readonly string[];
  readonly explained: Explained;
}

export function requestOf({ subject, action, args, given: along, context }: Omit<PolicyCase, 'name' | 'expect'>): PolicyRequest {
  const { inspect, ...facts } = context;
  const acted = actionOf(action);
  return {
    subject: subjectOf({ tenant: 'acme', agent: 'agent', version: 'sha256:0', person: 'user:someone', roles: [], ...given(subject) }),
    action: acted,
    ...(args === undefined ? {} : { args }),
    ...(acted.kind === 'send' || acted.kind === 'spawn' ? { given: givenOf(acted.kind, along) } : {}),
    context: laidOver(QUIET, facts) as DecisionContext,
    ...(inspect === undefined ? {} : { inspect: inspect as unknown as InspectionFacts }),
  };
}

function actionOf(action: string): Action {
  const answer = action.startsWith('answer:');
  const name = answer ? action.slice('answer:'.length) : action;
  const colon = name.indexOf(':');
  const [kind, target] = [
    name.slice(0, colon) as 'tool' | 'model' | 'http' | 'service' | 'send' | 'spawn' | 'output' | 'emit',
    name.slice(colon + 1),
  ];
  const called = answer ? 'answer' : 'call';
  if (kind === 'service' || kind === 'http') return { kind: called, target: 'tool', name };
  return kind === 'tool' || kind === 'model' ? { kind: called, target: kind, name: target } : { kind, agent: target };
}

function givenOf(kind: 'send' | 'spawn', given: PolicyCase['given']): Given {
  const capabilities = given?.capabilities ?? [];
  const nothing = { cpu_ms: 0, calls: 0, messages: 0, bytes: 0, children: 0, tokens: 0, money: 0 };
  if (kind === 'send') return { capabilities };
  const plain = { digest: 'sha256:0', bytes: 100, untrusted: false, foreign_identifier: false };
  const program = given?.program === undefined ? {} : { program: { ...plain, ...given.program } as Required<Given>['program'] };
  return { capabilities, budget: { ...nothing, ...given?.budget }, ...program };
}

/** Removes members that are undefined. */
function given<T extends object>(subject: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(subject).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}

function laidOver(below: Readonly<Record<string, unknown>>, above: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const isRecord = (value: unknown): value is Record<string, unknown> =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  const result: Record<string, unknown> = { ...below };
  for (const [key, value] of Object.entries(above)) {
    const under = result[key];
    result[key] = isRecord(under) && isRecord(value) ? { ...under, ...value } : value;
  }
  return result;
}

export function testPolicies(policy: PolicyInForce, cases: readonly PolicyCase[]): readonly CaseResult[] {
  return cases.map((one) => {
    const explained = explain(policy, requestOf(one));
    const { verdict } = explained;
    const faults: string[] = [];
    const { decision, consequence, reasons } = one.expect;
    if (verdict.decision !== decision || (consequence !== undefined && verdict.consequence !== consequence)) {
      const wanted = consequence === undefined || consequence === 'deny' ? decision : `${decision} (${consequence})`;
      faults.push(`expected ${wanted}, got ${verdictText(verdict)}`);
    }
    const said = new Set(verdict.reasons.map(({ policy }) => policy));
    for (const reason of reasons ?? []) if (!said.has(reason)) faults.push(`expected ${reason} among the reasons`);
    return { name: one.name, passed: faults.length === 0, faults, explained };
  });
}

/** A line for each case, the explanation below each that failed, and the count. */
export function formatCases(results: readonly CaseResult[]): string {
  const lines = results.flatMap(({ name, passed, faults, explained }) =>
    passed ? [`ok    ${name}`] : [`FAIL  ${name}`, ...faults.map((fault) => `      ${fault}`), indented(formatExplained(explained))],
  );
  const failed = results.filter(({ passed }) => !passed).length;
  return [...lines, `${results.length - failed} of ${results.length} cases passed`].join('\n');
}

const indented = (text: string) => text.replace(/^/gm, '      ');
