/**
 * Evaluates candidate policies on live calls, beside the policies in force. It decides nothing and delays nothing: decisions wait in a
 * short queue and are compared later, a few at a time. Decisions that do not fit into the queue are counted, and the report says how many.
 */
import { PolicyShadow, type Comparison } from '@corral/policy/cedar/compare';
import { verdictText } from '@corral/policy/cedar/explain';
import type { PolicyInForce } from '@corral/policy/cedar/in-force';
import { heapSizeOf } from '@corral/protocol/heap-size';
import type { TenantId } from '@corral/protocol/ids';
import type { Clock } from '@corral/protocol/ports/machine';
import type { Observation } from '../events/observation.ts';
import type { Decided } from '@corral/broker/policies/port';

/** Decisions in the queue. */
const QUEUE = 1_000;
/** Size of the requests in the queue, with their arguments and contexts. */
const QUEUE_BYTES = 16 * 1024 * 1024;
/** Decisions that are compared in one go. */
const AT_ONCE = 50;
/** Differences that are reported one by one; further ones are only counted. */
const TOLD = 1_000;

export interface ShadowReport extends Comparison {
  readonly tenant: TenantId;
  /** When the comparison began, in milliseconds since 1970. */
  readonly since: number;
  /** Decisions that did not fit into the queue. */
  readonly dropped: number;
}

export interface LiveShadowOptions {
  readonly tenant: TenantId;
  /** The policies that decide. */
  readonly inForce: PolicyInForce;
  readonly candidate: PolicyInForce;
  readonly clock: Clock;
  readonly tell: (observation: Observation) => void;
}

export class LiveShadow {
  readonly #options: LiveShadowOptions;
  readonly #compared: PolicyShadow;
  readonly #since: number;
  #queue: { readonly decided: Decided; readonly bytes: number }[] = [];
  #bytes = 0;
  #dropped = 0;
  #told = 0;
  #looking = false;

  constructor(options: LiveShadowOptions) {
    this.#options = options;
    this.#compared = new PolicyShadow(options.inForce.version, options.candidate);
    this.#since = options.clock.now();
  }

  /**
   * Whether these very objects are compared. Equal versions do not suffice: a version does not cover the tools for which policies were
   * loaded.
   */
  isOf(inForce: PolicyInForce, candidate: PolicyInForce | undefined): boolean {
    return this.#options.inForce === inForce && this.#options.candidate === candidate;
  }

  /** Puts a decision into the queue, or counts it as dropped. */
  take(decided: Decided): void {
    const room = QUEUE_BYTES - this.#bytes;
    const bytes = this.#queue.length >= QUEUE ? Infinity : heapSizeOf(decided.request, room);
    if (bytes > room) {
      this.#dropped += 1;
      return;
    }
    this.#bytes += bytes;
    this.#queue.push({ decided, bytes });
    this.#soon();
  }

  /** Compares the decisions that are in the queue now, a few at a time, then reports. */
  async report(): Promise<ShadowReport> {
    for (let left = this.#queue.length; left > 0; left -= AT_ONCE) {
      this.#look(AT_ONCE);
      await new Promise<void>((resolve) => void this.#options.clock.after(0, resolve));
    }
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
    for (const { decided, bytes } of this.#queue.splice(0, most)) {
      this.#bytes -= bytes;
      const { run, entry, id, request, verdict } = decided;
      const difference = this.#compared.observe(`${run} crank ${entry} call ${id}`, request, verdict);
      if (difference === undefined || this.#told >= TOLD) continue;
      this.#told += 1;
      const rules = (of: typeof verdict) => of.reasons.map(({ policy }) => policy);
      const { action } = request;
      // Answers and outputs are not given to candidates.
      if (action.kind === 'answer' || action.kind === 'output' || action.kind === 'emit') continue;
      this.#options.tell({
        kind: 'differs',
        run,
        tenant: this.#options.tenant,
        agent: request.subject.agent,
        entry,
        call: id,
        action: action.kind,
        target: action.kind === 'call' ? action.name : action.agent,
        was: verdictText(difference.before),
        would: verdictText(difference.after),
        rules: rules(difference.before),
        would_rules: rules(difference.after),
        candidate: this.#options.candidate.version,
      });
    }
  }
}
