/**
 * The engine as evaluator: slow, and correct by definition. It is the fallback for constructs that the closures do not know, and
 * their oracle.
 */
import type { Question } from './catalog.ts';
import type { CedarEngine, EntityUid } from './engine.ts';
import { jsonFrom } from './entities.ts';
import type { LoadedPolicy } from './policy-set.ts';
import type { Answer, PolicyFailure } from './residual.ts';
import type { CedarRecord } from './value.ts';

const EMPTY = { staticPolicies: {} };

export class Oracle {
  readonly #engine: CedarEngine;
  readonly #name: string;
  readonly #byId: ReadonlyMap<string, LoadedPolicy>;
  #ready = false;

  /** @param name distinguishes this set from others in the engine, which stores parsed sets by name */
  constructor(engine: CedarEngine, name: string, policies: readonly LoadedPolicy[]) {
    this.#engine = engine;
    this.#name = name;
    this.#byId = new Map(policies.map((policy) => [policy.id, policy]));
  }

  /** @throws Error if the engine cannot answer at all; then the caller denies */
  answer(question: Omit<Question, 'person'>, context: CedarRecord): Answer {
    this.#prepare();
    const all = this.#ask(this.#name, question, context);
    if (all.forbids.length === 0) return all;
    // If a forbid matches, the engine does not report the permits; a second query with the permits alone does.
    const { permits } = this.#ask(`${this.#name}/permits`, question, context);
    return { ...all, permits };
  }

  /** Removes the sets from the engine. */
  close(): void {
    if (!this.#ready) return;
    this.#ready = false;
    for (const name of [this.#name, `${this.#name}/permits`]) this.#engine.preparsePolicySet(name, EMPTY);
  }

  #prepare(): void {
    if (this.#ready) return;
    const policies = [...this.#byId.values()];
    const textOf = (some: readonly LoadedPolicy[]) => ({
      staticPolicies: Object.fromEntries(some.map(({ id, source }) => [id, source.text])),
    });
    const permits = policies.filter(({ effect }) => effect === 'permit');
    for (const [name, some] of [
      [this.#name, policies],
      [`${this.#name}/permits`, permits],
    ] as const) {
      const answer = this.#engine.preparsePolicySet(name, textOf(some));
      if (answer.type === 'failure') throw new Error(answer.errors[0]?.message ?? 'the policies could not be read');
    }
    this.#ready = true;
  }

  #ask(set: string, question: Omit<Question, 'person'>, context: CedarRecord): Answer {
    const { principal, action, resource, entities } = question;
    const answer = this.#engine.statefulIsAuthorized({
      principal: uid(principal),
      action: uid(action),
      resource: uid(resource),
      entities,
      context: jsonFrom(context) as Record<string, never>,
      preparsedPolicySetId: set,
    });
    if (answer.type === 'failure') throw new Error(answer.errors[0]?.message ?? 'the engine did not answer');
    const { reason, errors } = answer.response.diagnostics;
    const policies = reason.map((id) => this.#policy(id));
    const failures = errors.map(({ policyId, error }): PolicyFailure => ({ policy: this.#policy(policyId), message: error.message }));
    return {
      permits: policies.filter(({ effect }) => effect === 'permit'),
      forbids: policies.filter(({ effect }) => effect === 'forbid'),
      errors: failures,
    };
  }

  #policy(id: string): LoadedPolicy {
    const policy = this.#byId.get(id);
    if (policy === undefined) throw new Error(`the engine named a policy that it was not given: ${id}`);
    return policy;
  }
}

const uid = ({ type, id }: EntityUid) => ({ type, id });
