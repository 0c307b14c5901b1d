/**
 * Effects and answers that wait for inspectors. A call that is held is in its run's journal; once the inspectors have answered, it is decided
 * as if the run made it then, and the decision is an entry of its own. An answer waits in memory, and in the store if its call was paid for
 * or may not be repeated.
 */
import type { Verdict } from '@corral/policy/cedar/verdict';
import { mayHear } from '@corral/policy/flow/labels';
import { targetText } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import type { Decision } from '@corral/protocol/model/decision';
import type { Inspected } from '@corral/protocol/model/inspection';
import type { HostEvent } from '@corral/protocol/model/run';
import type { CommitResult } from '@corral/protocol/ports/store';
import { principalOf, type Inspection, type Inspector } from '@corral/protocol/ports/inspector';
import type { Result } from '@corral/protocol/wire/delivery';
import type { BrokerPowers, BusEvents, BusRun } from '../bus.ts';
import { emptyBatch, type Batch } from '../effects/batch.ts';
import type { DecideContext } from '../effects/context.ts';
import { decideInspected } from '../effects/decide.ts';
import { Refused } from '../effects/refused.ts';
import { filled, slotted } from '../ledger/handles.ts';
import type { PendingInspection } from '../ledger/pending.ts';
import type { Policies } from '../policies/port.ts';
import { consequencesOf } from '../policies/evaluate.ts';
import { admit, inspectedOf } from './answer-inspection.ts';
import { NOTHING_SAID, type Inspections, type Said } from './inspections.ts';

export interface InspectedOptions {
  readonly powers: Pick<BrokerPowers, 'clock' | 'accounts'>;
  readonly events: Pick<BusEvents, 'stop' | 'wished'>;
  readonly policies: (run: BusRun) => Policies | undefined;
  readonly context: (run: BusRun, now: number, policies: Policies | undefined) => DecideContext;
  /** Writes an entry of the host with what follows from it; see Broker.record. */
  readonly write: (run: BusRun, event: HostEvent, batch: Batch) => Promise<CommitResult>;
  /** Whether this host starts nothing any more. */
  readonly closed: () => boolean;
}

export class InspectedEffects {
  readonly #options: InspectedOptions;
  readonly #inspections: Inspections;

  constructor(options: InspectedOptions, inspections: Inspections) {
    this.#options = options;
    this.#inspections = inspections;
  }

  isUnderway(run: BusRun['ledger']['record']['id'], effect: number): boolean {
    return this.#inspections.isUnderway(run, effect);
  }

  /** Asks about a call that waits; after its crank is durable, and once more after a restart. */
  call(run: BusRun, id: number): void {
    const { ledger } = run;
    const pending = ledger.pending.get(id);
    if (this.#options.closed() || pending?.kind !== 'inspection' || this.isUnderway(ledger.record.id, id)) return;
    const value = valueOf(run, pending);
    // A handle in its arguments is gone; the decision says so.
    const asking =
      value === undefined ? Promise.resolve(NOTHING_SAID) : this.#ask(run, id, 'request', targetText(pending.tool), value, pending.asks);
    void asking.then((said) => said && run.behind.do(() => this.#decide(run, id, said)));
  }

  /** Asks about the output of a run whose last crank is being decided. @returns a function that stops waiting */
  output(run: BusRun, value: Json, asks: readonly string[], then: (said: Inspected) => void): () => void {
    void this.#ask(run, 0, 'output', 'output', value, asks).then((said) => said && then(said.inspected));
    return () => this.#inspections.drop(run.ledger.record.id, 0);
  }

  /**
   * The answer to a call as its agent gets it: itself, or an error if policies withhold it.
   * @returns a promise if inspectors are asked first, which gives undefined if nobody waits for it any more
   */
  answer(run: BusRun, result: Result): Result | Promise<Result | undefined> {
    const { ledger } = run;
    const call = ledger.pending.get(result.id);
    const policies = this.#options.policies(run);
    if (policies === undefined || call?.kind !== 'call' || result.inspected !== undefined) return result;
    const now = this.#options.powers.clock.now();
    const admitted = admit(policies, ledger, call, result, now);
    if ('result' in admitted) return this.#told(run, admitted);
    const { asks } = admitted.asks;
    const value = inspectedOf(result) as Json;
    return this.#ask(run, result.id, 'answer', targetText(call.tool), value, asks).then(
      (said) =>
        said &&
        run.behind.enter(() => {
          const later = admit(policies, ledger, call, result, this.#options.powers.clock.now(), {
            ...said,
            inspected: { ...admitted.asks.inspected, ...said.inspected },
          });
          return Promise.resolve('result' in later && run.outcome === undefined ? this.#told(run, later) : undefined);
        }),
    );
  }

  /** Stops asking about a run that is not here any more. */
  drop(run: BusRun['ledger']['record']['id']): void {
    this.#inspections.drop(run);
  }

  stop(): void {
    this.#inspections.stop();
  }

  /** @throws never: an inspector that fails is missing in what is said */
  async #ask(
    run: BusRun,
    effect: number,
    place: Inspection['place'],
    target: string,
    value: Json,
    asks: readonly string[],
  ): Promise<Said | undefined> {
    const { record } = run.ledger;
    const asked = { place, tenant: record.tenant, run: record.id, agent: record.agent, effect, target, value };
    const said = await this.#inspections.ask(asked, asks, (inspector) => this.#mayNotAsk(run, inspector));
    for (const { by, what, reason } of said?.wishes ?? [])
      this.#options.events.wished(record.id, { what, by: principalOf(by), reason: `${target}: ${reason}` });
    return said;
  }

  /** Why an inspector is not asked about something of this run. */
  #mayNotAsk({ ledger }: BusRun, { hears, costs }: Inspector): string | undefined {
    const { clock, accounts } = this.#options.powers;
    if (hears !== undefined && (ledger.label === undefined || !mayHear(ledger.label, hears)))
      return 'it may not be told the private data that the run has read';
    if (costs === true && accounts?.lacks(ledger, {}, clock.now()) !== undefined) return 'an account above the run is overdrawn';
    return undefined;
  }

  /** Decides a call with what the inspectors said. */
  #decide(run: BusRun, id: number, { inspected, cost }: Said): void {
    const { ledger } = run;
    const pending = ledger.pending.get(id);
    if (run.outcome !== undefined || this.#options.closed() || pending?.kind !== 'inspection') return;
    const now = this.#options.powers.clock.now();
    const context = {
      ...this.#options.context(run, now, this.#options.policies(run)),
      inspected: { ...pending.inspected, ...inspected },
    };
    const batch = emptyBatch();
    const decision = decided(() => decideInspected(ledger, ledger.seq + 1, pending.effect, context, batch), context, batch, id);
    batch.decisions.push(decision);
    const stop = this.#stopFor(run, batch);
    const event = stop?.event;
    const stops =
      event === undefined || event.control === 'none' ? {} : { stop: { control: event.control, by: event.by, reason: event.reason } };
    // If the store refuses it, the broker emits `refused`.
    this.#options
      .write(run, { kind: 'inspected', id, decision, ...(cost === undefined ? {} : { cost }), ...stops }, batch)
      .catch(() => undefined);
  }

  #stopFor({ ledger }: BusRun, batch: Batch): Batch['stop'] {
    if (batch.consequences.length > 0) batch.stop = this.#options.events.stop(ledger.record.id, batch.consequences, false);
    return batch.stop;
  }

  /** A verdict on an answer may stop its run besides. */
  #told(run: BusRun, { result, denied }: { readonly result: Result; readonly denied?: Verdict }): Result {
    if (denied === undefined) return result;
    const batch = emptyBatch();
    consequencesOf(denied, batch);
    const stop = this.#stopFor(run, batch);
    if (stop?.event !== undefined || stop?.quarantine !== undefined) {
      const { by, reason } = stop.quarantine ?? stop.event ?? { by: 'policy', reason: '' };
      this.#options.write(run, stop.event ?? { kind: 'control', control: 'quarantined', by, reason }, batch).catch(() => undefined);
    }
    return result;
  }
}

/** An error of the host while it decides denies this call, and takes back what the decision had counted. */
function decided(decide: () => Decision, { grants }: DecideContext, batch: Batch, id: number): Decision {
  try {
    return decide();
  } catch {
    for (const one of batch.uses.splice(0).toReversed()) grants.unuse(one);
    return { id, verdict: 'deny', code: 'CORRAL_DENIED', message: 'The call could not be decided after it was inspected.' };
  }
}

/** The arguments of a held call with the values of its handles; undefined if one is gone. */
function valueOf({ ledger }: BusRun, { effect }: PendingInspection): Json | undefined {
  try {
    const slots = slotted(ledger.handles, effect, ['input']);
    const input = (effect.input ?? {}) as Json;
    return slots.length === 0 ? input : filled(input, slots);
  } catch (error) {
    if (error instanceof Refused) return undefined;
    throw error;
  }
}
