/**
 * The policies in force: immutable, named by the hash of their texts, evaluated once a decision. To change policies, make another
 * of these and replace the reference; a decision under way keeps the one it began with.
 */
import { CorralError } from '@corral/protocol/errors';
import { canonical } from '@corral/protocol/json';
import { actionName, isUnlessForbidden, type Action, type Catalog, type Question, type Subject } from './catalog.ts';
import { checkPolicies } from './check.ts';
import { entityFrom } from './compile.ts';
import type { CedarEngine } from './engine.ts';
import { Entities } from './entities.ts';
import { ALL, inspectorsIn } from './inspected.ts';
import { Oracle } from './oracle.ts';
import type { LoadedPolicy } from './policy-set.ts';
import { formatProblems, type Problem } from './problem.ts';
import type { PolicyRequest } from './request.ts';
import { inScope, namesAction, specialise, type Answer, type Residual } from './residual.ts';
import { isMismatch, sampler, type Alarm, type SampleEvery } from './shadow.ts';
import type { PolicySource } from './source.ts';
import { UnsupportedConstruct, type CedarRecord, type Entity } from './value.ts';
import { refusal, unlessForbidden, verdictOf, type Verdict } from './verdict.ts';

export interface PolicyOptions {
  readonly engine: CedarEngine;
  readonly catalog: Catalog;
  readonly sources: readonly PolicySource[];
  /** Gives `sha256:` and hex digits of a text; passed in, because this package has no access to the machine. */
  readonly digest: (text: string) => string;
  /** Compares one decision in this many with the engine; 0: never. Default 1,000. */
  readonly sample_every?: SampleEvery;
  /**
   * Called when closures and engine disagree. At that time closures are already switched off, and the decision, if it waited for
   * the comparison, is a denial.
   */
  readonly alarm?: (alarm: Alarm) => void;
  /** Schedules work for later. If given, decisions about reads do not wait for their comparison. */
  readonly later?: (work: () => void) => void;
  /** Pairs of subject and target whose closures are cached. Default 4,096. */
  readonly cached?: number;
}

/** The evaluator that decides: the `closures`, or the `engine` as fallback. */
export type Mode = 'closures' | 'engine';

interface Decider {
  readonly question: Question;
  readonly read: (facts: unknown, args: unknown) => CedarRecord;
  readonly person: Entity;
  readonly residual: Residual;
  /** Inspectors that the policies look at. */
  readonly inspects: readonly string[];
  /** The policies that can apply, where those for all actions do not. */
  readonly only?: ReadonlySet<LoadedPolicy>;
  /** The verdict, if it does not depend on the facts of a request. */
  foregone?: Verdict;
}

type Asked = Pick<Decider, 'question' | 'only'>;

const SORTS = ['tool', 'model', 'send', 'spawn', 'output', 'emit', 'answer:tool', 'answer:model'] as const;
type BySort = Readonly<Record<(typeof SORTS)[number], Map<string, Decider>>>;

const bySort = (): BySort => Object.fromEntries(SORTS.map((sort) => [sort, new Map<string, Decider>()])) as unknown as BySort;

function place(deciders: BySort, action: Action): Map<string, Decider> {
  if (action.kind === 'call') return deciders[action.target];
  return action.kind === 'answer' ? deciders[`answer:${action.target}`] : deciders[action.kind];
}

const nameIn = (action: Action): string => (action.kind === 'call' || action.kind === 'answer' ? action.name : action.agent);

let sets = 0;

export class PolicyInForce {
  readonly version: string;
  readonly policies: readonly LoadedPolicy[];
  /** The texts that they were loaded from. */
  readonly sources: readonly PolicySource[];
  /** Warnings of the check on loading; errors are thrown instead. */
  readonly warnings: readonly Problem[];
  readonly catalog: Catalog;
  readonly #oracle: Oracle;
  readonly #alarm: (alarm: Alarm) => void;
  readonly #later: ((work: () => void) => void) | undefined;
  readonly #due: () => boolean;
  readonly #cached: number;
  readonly #deciders = new Map<string, BySort>();
  #count = 0;
  #mode: Mode = 'closures';

  /** @throws CorralError CORRAL_POLICY_INVALID, with every fault in its message */
  static load(options: PolicyOptions): PolicyInForce {
    const { policies, problems } = checkPolicies(options.engine, options.catalog, options.sources);
    const errors = problems.filter(({ severity }) => severity === 'error');
    if (errors.length > 0) throw new CorralError('CORRAL_POLICY_INVALID', formatProblems(errors));
    return new PolicyInForce(options, policies, problems);
  }

  private constructor(options: PolicyOptions, policies: readonly LoadedPolicy[], warnings: readonly Problem[]) {
    this.policies = policies;
    this.sources = options.sources;
    this.warnings = warnings;
    this.catalog = options.catalog;
    this.version = options.digest(canonical(Object.fromEntries(policies.map(({ id, json }) => [id, json]))));
    sets += 1;
    this.#oracle = new Oracle(options.engine, `${this.version}/${sets}`, policies);
    this.#alarm = options.alarm ?? (() => undefined);
    this.#later = options.later;
    this.#due = sampler(options.sample_every ?? 1_000);
    this.#cached = options.cached ?? 4_096;
  }

  get mode(): Mode {
    return this.#mode;
  }

  /** Never throws: a request that cannot be decided is denied. */
  decide(request: PolicyRequest): Verdict {
    return this.decideBy(request.subject, request.action, () => request);
  }

  /**
   * Like decide(), but builds the request only if a policy needs it: if no remaining policy uses any fact, as with messages under
   * policies that are only about calls, it is never built.
   */
  decideBy(subject: Subject, action: Action, gather: () => Omit<PolicyRequest, 'subject' | 'action'>): Verdict {
    try {
      const decider = this.#decider(subject, action);
      if (decider === undefined) return refusal(`the policies know nothing of ${actionName(action)}`, this.version);
      const due = this.#mode === 'closures' && this.#due();
      if (!due && this.#mode === 'closures' && decider.residual.constant !== undefined)
        return (decider.foregone ??= this.#verdictOf(decider, decider.residual.constant));
      const request = { ...gather(), subject, action };
      const context = this.#contextOf(decider, request);
      return this.#judge(decider, context, request, due);
    } catch (error) {
      return refusal(error instanceof Error ? error.message : 'the policies could not be asked', this.version);
    }
  }

  /** The answer of each policy to a request, for `policy why`. Always by the engine. */
  answer(request: PolicyRequest): { readonly question: Question; readonly context: CedarRecord; readonly answer: Answer } | undefined {
    const decider = this.#decider(request.subject, request.action);
    if (decider === undefined) return undefined;
    const context = this.#contextOf(decider, request);
    return { question: decider.question, context, answer: this.#byEngine(decider, context) };
  }

  /** Inspectors whose facts a decision may need. Names that there are for the action; empty for most. */
  inspects(subject: Subject, action: Action): readonly string[] {
    return this.#decider(subject, action)?.inspects ?? [];
  }

  /** Whether a decision may need the size of the value, and so all of it. */
  measures(subject: Subject, action: Action): boolean {
    return this.#decider(subject, action)?.residual.measures === true;
  }

  /** Whether any policy can apply; for actions that happen unless one forbids them. */
  concerns(subject: Subject, action: Action): boolean {
    return this.residualSize(subject, action) > 0;
  }

  #contextOf(decider: Decider, request: PolicyRequest): CedarRecord {
    const what = request.action.kind === 'call' ? request.args : request.given;
    const context = decider.read(request.context, what) as Record<string, CedarRecord[string]>;
    context['person'] = decider.person;
    if (this.catalog.inspectors(request.action).length > 0) context['inspect'] = this.catalog.readInspected(request.inspect ?? {});
    return context;
  }

  /** Number of policies that can still apply to a subject and a target; for measuring. */
  residualSize(subject: Subject, action: Action): number {
    return this.#decider(subject, action)?.residual.size ?? 0;
  }

  /** Removes these policies from the engine. Decisions still work, and are slower when they need the engine. */
  close(): void {
    this.#oracle.close();
  }

  #judge(decider: Decider, context: CedarRecord, request: PolicyRequest, due: boolean): Verdict {
    if (this.#mode === 'engine') return this.#verdictOf(decider, this.#byEngine(decider, context));
    const answer = decider.residual.answer(context);
    if (due) {
      // A call that changes something waits for the comparison; a read does not.
      if (this.#later !== undefined && request.context.flow.effect === 'none')
        this.#later(() => void this.#agrees(decider, context, request, answer));
      else if (!this.#agrees(decider, context, request, answer))
        return refusal('the compiled policies and the engine disagree', this.version);
    }
    return this.#verdictOf(decider, answer);
  }

  #verdictOf({ only }: Decider, answer: Answer): Verdict {
    return only === undefined ? verdictOf(answer, this.version) : unlessForbidden(answer, this.version);
  }

  #byEngine({ question, only }: Asked, context: CedarRecord): Answer {
    const answer = this.#oracle.answer(question, context);
    if (only === undefined) return answer;
    const { permits, forbids, errors } = answer;
    return {
      permits: permits.filter((one) => only.has(one)),
      forbids: forbids.filter((one) => only.has(one)),
      errors: errors.filter(({ policy }) => only.has(policy)),
    };
  }

  /**
   * Compares the closures' answer with the engine's. If they differ, or the engine cannot answer, the engine decides from now on.
   */
  #agrees(decider: Decider, context: CedarRecord, request: PolicyRequest, closures: Answer): boolean {
    let engine: Answer | undefined;
    try {
      engine = this.#byEngine(decider, context);
    } catch (error) {
      if (this.#later === undefined) throw error;
    }
    if (engine !== undefined && !isMismatch(closures, engine)) return true;
    // Several comparisons may be under way when the first one disagrees.
    if (this.#mode === 'engine') return false;
    this.#mode = 'engine';
    try {
      this.#alarm({ request, closures, engine });
    } catch {
      // A failing alarm changes nothing: the engine decides.
    }
    return false;
  }

  #decider(subject: Subject, action: Action): Decider | undefined {
    // No string is built to find a cached decider, because every decision takes this path.
    const known = this.#deciders.get(subject.key);
    const found = known === undefined ? undefined : place(known, action).get(nameIn(action));
    if (found !== undefined) return found;
    const made = this.#make(subject, action);
    if (made === undefined) return undefined;
    this.#makeRoom();
    let ofSubject = this.#deciders.get(subject.key);
    if (ofSubject === undefined) this.#deciders.set(subject.key, (ofSubject = bySort()));
    place(ofSubject, action).set(nameIn(action), made);
    this.#count += 1;
    return made;
  }

  /** Drops the oldest subject. */
  #makeRoom(): void {
    if (this.#count < this.#cached) return;
    for (const [key, deciders] of this.#deciders) {
      this.#deciders.delete(key);
      for (const { size } of Object.values(deciders)) this.#count -= size;
      return;
    }
  }

  #make(subject: Subject, action: Action): Decider | undefined {
    const read = this.catalog.contextReader(actionName(action));
    if (read === undefined) return undefined;
    const question = this.catalog.entities(subject, action);
    const person = entityFrom(question.person);
    const only = isUnlessForbidden(action) ? this.policies.filter((one) => one.effect === 'forbid' && namesAction(one)) : undefined;
    const asked = { question, ...(only === undefined ? {} : { only: new Set(only) }) };
    const residual = this.#specialise(asked, person, only ?? this.policies);
    const there = this.catalog.inspectors(action);
    const inspects = residual.inspects.has(ALL) ? there : there.filter((name) => residual.inspects.has(name));
    return { ...asked, read, person, residual, inspects };
  }

  #specialise(asked: Asked, person: Entity, policies: readonly LoadedPolicy[]): Residual {
    const { question } = asked;
    const known = {
      principal: entityFrom(question.principal),
      action: entityFrom(question.action),
      resource: entityFrom(question.resource),
      entities: new Entities(question.entities),
      context: { person },
    };
    try {
      return specialise(policies, known);
    } catch (error) {
      if (!(error instanceof UnsupportedConstruct)) throw error;
      const scoped = policies.filter((one) => inScope(one, known));
      const inspects = new Set(scoped.flatMap((one) => [...inspectorsIn(one)]));
      return { size: scoped.length, inspects, measures: true, answer: (context) => this.#byEngine(asked, context) };
    }
  }
}
