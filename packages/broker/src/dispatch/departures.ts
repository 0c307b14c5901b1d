/**
 * Calls on their way out, after their crank or an approval is durable, or once more after a restart. A call whose capability was taken back,
 * or that its run has given up, never leaves; its run is told.
 */
import { errorData } from '@corral/protocol/errors';
import type { TenantId } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import { asCalled } from '@corral/protocol/ports/tool';
import { FREE } from '../accounts/price.ts';
import { billedAgain } from '../accounts/spending.ts';
import type { BrokerPowers, BusEvents } from '../bus.ts';
import type { Dispatch } from '../effects/batch.ts';
import { keepsOf, streamFor } from '../effects/call.ts';
import { isUnread } from '../ledger/calls.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { PendingCall } from '../ledger/pending.ts';
import { hasBegun, lostStream } from '../ledger/streams.ts';
import { neverMade } from '../policies/approved.ts';
import type { Dispatcher } from './dispatcher.ts';
import { givenUp, neverLeft } from './given-up.ts';

export interface DeparturesOptions {
  readonly powers: Pick<BrokerPowers, 'grants' | 'tool' | 'policies' | 'clock'>;
  readonly events: Pick<BusEvents, 'answered' | 'deliver' | 'fence' | 'unknown'>;
  readonly dispatcher: Dispatcher;
  readonly quarantined: (tenant: TenantId) => (tool: string) => boolean;
  /** Whether this host starts nothing any more. */
  readonly closed: () => boolean;
}

export class Departures {
  readonly #options: DeparturesOptions;

  constructor(options: DeparturesOptions) {
    this.#options = options;
  }

  /** Sends a call whose crank is durable, unless it was given up or its capability was taken back meanwhile. */
  depart(ledger: Ledger, call: Dispatch): void {
    if (this.#isGivenUp(ledger, call.id) || this.#isFenced(ledger, call.id)) return;
    this.#options.dispatcher.start(ledger.record, call, ledger.loops !== undefined);
  }

  /** A call that a lost host had made is made again, unless its agent has given it up: then it costs what it may have cost. */
  again(ledger: Ledger, call: PendingCall): void {
    const { given_up, id } = call;
    if (given_up !== true) this.reissue(ledger, call);
    else
      this.#options.events.deliver(ledger.record.id, { kind: 'reply', results: [givenUp(id, 'Nobody waited for the call.')] }, undefined);
  }

  /**
   * Calls of the ledger that have no reply go out again: after a restart, or when a person says so.
   * @param first it was never made before: people have approved it only now
   * @param unpaid its run has paid nothing for it yet, though another may have made it
   */
  reissue(ledger: Ledger, call: PendingCall, first = false, unpaid = first): void {
    // It was approved, or is made again, while this host was closed; the next one finds it in the journal.
    if (this.#options.closed()) return;
    if (first && this.#isGivenUp(ledger, call.id)) return;
    if (this.#isFenced(ledger, call.id, !first)) return;
    if (hasBegun(call)) return this.#options.events.answered(ledger.record.id, lostStream(call), true);
    const { powers } = this.#options;
    const { tenant } = ledger.record;
    const offered = powers.tool(tenant, call.tool);
    const parsed = offered?.input.check(call.input ?? {});
    if (offered === undefined || parsed?.ok !== true) {
      this.#options.dispatcher.inputs.drop(ledger.record.id, call.id);
      if (first)
        this.#options.events.answered(ledger.record.id, neverMade(call, offered, this.#options.quarantined(ledger.record.tenant)), true);
      else this.#options.events.unknown(ledger.record.id, call.id, `${call.tool} cannot be called on this host now.`);
      return;
    }
    const tool = asCalled(offered, parsed.value as Json);
    call.asked_at = powers.clock.monotonic();
    this.#options.dispatcher.start(
      ledger.record,
      {
        id: call.id,
        tool,
        input: parsed.value as Dispatch['input'],
        timeout_ms: call.timeout_ms,
        attempts: call.attempts,
        as_handle: call.as_handle,
        // Nobody reads the parts of a call that its agent has given up and a person has made again: its answer comes as a whole.
        stream:
          call.given_up === true
            ? undefined
            : call.stream && streamFor(powers.policies?.(tenant), ledger, call.tool, call.stream.asked === true),
        unread: isUnread(call),
        ...billedAgain(tool, parsed.value as Json, call.reserved, unpaid),
        early: true,
        leftBefore: !first,
        given: call.asked_input?.given,
        trace: powers.grants.get(call.grant)?.trace,
        keeps: tool.keeps && keepsOf(powers.grants, call.grant, call),
      },
      ledger.loops !== undefined,
    );
  }

  /**
   * Whether the capability of a call that has not left was taken back; then it never leaves.
   * @param left it may have left before, from a host that is gone
   */
  #isFenced(ledger: Ledger, id: number, left = false): boolean {
    const pending = ledger.pending.get(id);
    if (pending?.kind !== 'call' || !this.#options.powers.grants.isRevoked(pending.grant)) return false;
    this.#options.dispatcher.inputs.drop(ledger.record.id, id);
    const error = errorData('CORRAL_REVOKED', 'The capability was taken back before the call had left.', { call: id });
    this.#options.events.fence(ledger.record.id, { id, error, ...(left ? {} : { cost: FREE }) });
    return true;
  }

  /** A call that was given up before it left never leaves; its run is told, since to it the call is still under way. */
  #isGivenUp(ledger: Ledger, id: number): boolean {
    const result = neverLeft(ledger.pending.get(id));
    if (result !== undefined) this.#options.events.deliver(ledger.record.id, { kind: 'reply', results: [result] }, undefined);
    return result !== undefined;
  }
}
