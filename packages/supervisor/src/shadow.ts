/**
 * A candidate that runs beside the policies in force, on living calls. It decides nothing and delays nothing: decisions are put in
 * a short queue and looked at later, a few at a time; what does not fit is counted and left out, and the report says so.
 */
import type { Decided } from '@corral/broker/judge';
import { actionName } from '@corral/policy/cedar/catalog';
import { PolicyShadow, type Comparison } from '@corral/policy/cedar/compare';
import { verdictText } from '@corral/policy/cedar/explain';
import type { PolicyInForce } from '@corral/policy/cedar/in-force';
import type { TenantId } from '@corral/protocol/ids';
import type { Clock } from '@corral/protocol/ports';
import type { Observation } from './observe.ts';

/** Decisions that wait to be looked at. */
const QUEUE = 1_000;
/** Of them, so many are looked at in one go. */
const AT_ONCE = 50;
/** Differences that are told of one by one; from then on they are counted alone. */
const TOLD = 1_000;

export interface ShadowReport extends Comparison {
  readonly tenant: TenantId;
  /** When it began, in milliseconds since 1970. */
  readonly since: number;
  /** Decisions that it was too busy to look at. */
  readonly dropped: number;
}

export interface LiveShadowOptions {
  readonly tenant: TenantId;
  /** Version of the policies that decide. */
  readonly inForce: string;
  readonly candidate: PolicyInForce;
  readonly clock: Clock;
  readonly tell: (observation: Observation) => void;
}

export class LiveShadow {
  readonly #options: LiveShadowOptions;
  readonly #compared: PolicyShadow;
  readonly #since: number;
  #queue: Decided[] = [];
  #dropped = 0;
  #told = 0;
  #looking = false;

  constructor(options: LiveShadowOptions) {
    this.#options = options;
    this.#compared = new PolicyShadow(options.inForce, options.candidate);
    this.#since = options.clock.now();
  }

  isOf(inForce: string, candidate: string | undefined): boolean {
    return this.#options.inForce === inForce && this.#options.candidate.version === candidate;
  }

  /** Takes note of a decision; costs no more than a place in a queue. */
  take(decided: Decided): void {
    if (this.#queue.length >= QUEUE) {
      this.#dropped += 1;
      return;
    }
    this.#queue.push(decided);
    this.#soon();
  }

  report(): ShadowReport {
    this.#look(QUEUE);
    return { ...this.#compared.report(), tenant: this.#options.tenant, since: this.#since, dropped: this.#dropped };
  }

  #soon(): void {
    if (this.#looking) return;
    this.#looking = true;
    this.#options.clock.after(0, () => {
      this.#looking = false;
      this.#look(AT_ONCE);
      if (this.#queue.length > 0) this.#soon();
    });
  }

  #look(most: number): void {
    for (const { run, entry, id, request, verdict } of this.#queue.splice(0, most)) {
      const difference = this.#compared.observe(`${run} crank ${entry} call ${id}`, request, verdict);
      if (difference === undefined || this.#told >= TOLD) continue;
      this.#told += 1;
      const rules = (of: typeof verdict) => of.reasons.map(({ policy }) => policy);
      const { action } = request;
      this.#options.tell({
        kind: 'differs',
        run,
        tenant: this.#options.tenant,
        agent: request.subject.agent,
        entry,
        call: id,
        action: action.kind,
        target: action.kind === 'call' ? actionName(action).slice('tool:'.length) : action.agent,
        was: verdictText(difference.before),
        would: verdictText(difference.after),
        rules: rules(difference.before),
        would_rules: rules(difference.after),
        candidate: this.#options.candidate.version,
      });
    }
  }
}
