/** Policies as loaded: parsed by the engine, named, with their place and the meaning of their annotations. */
import type { PolicyJson, SourceError } from './engine.ts';
import type { CedarEngine } from './engine.ts';
import { CONSEQUENCES, isConsequence, type Consequence } from './consequence.ts';
import { nearest, type Problem, type ProblemKind } from './problem.ts';
import { placeIn, split, unitsFromBytes, type PolicySource, type PolicyText } from './source.ts';

/**
 * A policy as the reason of a verdict: its name and its author's annotations. One object for each policy, shared by all verdicts.
 */
export interface Reason {
  readonly policy: string;
  readonly effect: 'permit' | 'forbid';
  readonly annotations: Readonly<Record<string, string>>;
}

export interface LoadedPolicy {
  /** From `@id`; else `policy` and its number, counted over all files in order. */
  readonly id: string;
  readonly effect: 'permit' | 'forbid';
  readonly json: PolicyJson;
  readonly source: PolicyText;
  readonly reason: Reason;
  /** Set for a forbid. */
  readonly consequence: Consequence;
  /** How many different people must approve. */
  readonly quorum: number;
}

const MAX_QUORUM = 16;
const KNOWN_ANNOTATIONS = ['id', 'description', 'consequence', 'quorum', 'approver'];

/** Parses policies. Text that cannot be parsed is reported in the problems and missing in the policies. */
export function parsePolicies(
  engine: CedarEngine,
  sources: readonly PolicySource[],
): { readonly policies: readonly LoadedPolicy[]; readonly problems: readonly Problem[] } {
  const policies: LoadedPolicy[] = [];
  const problems: Problem[] = [];
  const seen = new Map<string, PolicyText>();
  for (const [i, source] of sources.flatMap(split).entries()) {
    const answer = engine.policyToJson(source.text);
    if (answer.type === 'failure') {
      for (const error of answer.errors) problems.push(problemFrom(error, source, undefined, 'syntax'));
      continue;
    }
    const { json } = answer;
    const annotations = Object.fromEntries(Object.entries(json.annotations ?? {}).map(([name, text]) => [name, text ?? '']));
    const id = annotations['id'] ?? `policy${i}`;
    const before = seen.get(id);
    if (before !== undefined) {
      problems.push(at(source, id, 'duplicate_id', `The id ${id} is taken by the policy in ${before.file}, line ${before.line}.`));
      continue;
    }
    seen.set(id, source);
    problems.push(...annotationProblems(json.effect, annotations, source, id));
    const consequence = annotations['consequence'];
    const quorum = Number(annotations['quorum'] ?? 1);
    policies.push({
      id,
      effect: json.effect,
      json,
      source,
      reason: Object.freeze({ policy: id, effect: json.effect, annotations: Object.freeze(annotations) }),
      consequence: consequence !== undefined && isConsequence(consequence) ? consequence : 'deny',
      quorum: isQuorum(quorum) ? quorum : MAX_QUORUM,
    });
  }
  return { policies, problems };
}

const isQuorum = (value: number) => Number.isInteger(value) && value >= 1 && value <= MAX_QUORUM;

function annotationProblems(effect: string, annotations: Record<string, string>, source: PolicyText, id: string): Problem[] {
  const problems: Problem[] = [];
  const { consequence, quorum } = annotations;
  const add = (message: string, hint?: string) => problems.push({ ...at(source, id, 'annotation', message), hint });
  if (consequence !== undefined && !isConsequence(consequence)) {
    add(`There is no consequence "${consequence}".`, `There are: ${CONSEQUENCES.join(', ')}.`);
  }
  if (effect === 'permit' && (consequence !== undefined || quorum !== undefined)) {
    add('A permit has no consequence.', 'Put the annotation on a forbid: it says what being forbidden means.');
  }
  if (quorum !== undefined && !isQuorum(Number(quorum))) add(`The quorum "${quorum}" is not a whole number from 1 to ${MAX_QUORUM}.`);
  if (quorum !== undefined && consequence !== 'approval') add('A quorum goes with @consequence("approval").');
  for (const name of Object.keys(annotations)) {
    const meant = KNOWN_ANNOTATIONS.includes(name) ? undefined : nearest(name, KNOWN_ANNOTATIONS);
    if (meant !== undefined) add(`The annotation @${name} means nothing to Corral.`, `Did you mean @${meant}?`);
  }
  return problems;
}

function at(source: PolicyText, policy: string, kind: ProblemKind, message: string): Problem {
  const { file, line, column } = source;
  return { severity: 'error', kind, file, line, column, policy, message, hint: undefined };
}

/** One of the engine's errors, with its place in the file. */
export function problemFrom(error: SourceError, source: PolicyText, policy: string | undefined, kind: ProblemKind): Problem {
  const start = error.sourceLocations?.[0]?.start ?? 0;
  return {
    severity: error.severity === 'warning' || error.severity === 'advice' ? 'warning' : 'error',
    kind,
    file: source.file,
    ...placeIn(source, unitsFromBytes(source.text, start)),
    policy,
    message: error.message.replace(/^failed to parse policy from string: /, '').replace(/^for policy `.*?`, /, ''),
    hint: error.help ?? undefined,
  };
}
