/**
 * How what a run waits for is settled by its host instead of by who was asked: nobody knows what a call came to, its capability was
 * taken back, nobody answered in time, or people have decided. Each is an entry of the journal first, and then a delivery.
 */
import type { Broker } from '@corral/broker/broker';
import { unanswered } from '@corral/broker/ledger/requests';
import type { Result } from '@corral/protocol/wire/delivery';
import type { LabelChange } from '@corral/protocol/model/label';
import type { Residency } from './residency.ts';
import type { Run } from './run.ts';
import type { Scheduler } from '../cells/scheduler.ts';
import type { Transitions } from '../events/transitions.ts';

export interface SettlementsOptions {
  readonly broker: Broker;
  readonly scheduler: Pick<Scheduler, 'wake'>;
  readonly residency: Pick<Residency, 'hold'>;
  readonly transitions: Transitions;
}

export class Settlements {
  readonly #options: SettlementsOptions;

  constructor(options: SettlementsOptions) {
    this.#options = options;
  }

  /** A call's reply is lost and may not be asked for again: the run waits for somebody, or its agent is told. */
  unknown(run: Run, call: number, message: string, detail?: string): void {
    const { broker, scheduler } = this.#options;
    if (run.outcome !== undefined) return;
    const tell = run.manifest.on_unknown === 'tell';
    // A refusal is told by the broker's event.
    broker.record(run, { kind: 'unknown', id: call, message, tell, ...(detail === undefined ? {} : { detail }) }).catch(() => undefined);
    if (tell) this.pass(run, call);
    scheduler.wake(run);
  }

  /** The capability of a call was taken back while it was under way: what came of it is written down, and its agent is told. */
  fence(run: Run | undefined, result: Result): void {
    if (run === undefined || run.outcome !== undefined || run.ledger.pending.get(result.id)?.kind !== 'call') return;
    // A refusal is told by the broker's event.
    this.#options.broker.record(run, { kind: 'fenced', id: result.id, result }).catch(() => undefined);
    this.pass(run, result.id);
  }

  /** A request, or people's word on a call, is not waited for any longer. A reply that is on its way is not given to its agent then. */
  unanswered(run: Run, id: number, code: 'CORRAL_TIMED_OUT' | 'CORRAL_REVOKED', message: string): void {
    const kind = run.ledger.pending.get(id)?.kind;
    if (run.outcome !== undefined || (kind !== 'request' && kind !== 'approval')) return;
    // A refusal is told by the broker's event.
    this.#options.broker.record(run, { kind: 'unanswered', id, result: unanswered(id, code, message) }).catch(() => undefined);
    run.alarms.callOff(id);
    this.pass(run, id);
  }

  /** What waits for other runs or for people under a capability that was taken back is not waited for. */
  fenceRequests(run: Run): void {
    const { broker, residency } = this.#options;
    if (run.parking !== undefined) {
      // Nothing may be written about it now; once it is parked, it is looked at when it is brought back.
      residency.hold(run.id).then(
        (held) => held === run && run.outcome === undefined && this.fenceRequests(run),
        () => undefined,
      );
      return;
    }
    // What it has let go of was not taken back.
    const held = new Set(run.ledger.caps.values());
    for (const pending of run.ledger.pending.values()) {
      if (pending.kind === 'approval' && broker.isRevoked(pending.grant))
        this.unanswered(run, pending.id, 'CORRAL_REVOKED', 'The capability was taken back before anybody had decided about the call.');
      if (pending.kind === 'request' && held.has(pending.grant) && broker.isRevoked(pending.grant) && !run.queue.hasReply(pending.id))
        this.unanswered(run, pending.id, 'CORRAL_REVOKED', 'The capability was taken back while the request was under way.');
    }
  }

  /** Nobody decided in time, which is a refusal; or not within the time that the agent gave the call. */
  expire(run: Run, call: number): void {
    const pending = run.ledger.pending.get(call);
    const timeout_ms = pending?.kind === 'approval' ? pending.call.timeout_ms : undefined;
    // The earlier of two ends is the one that has come.
    if (pending?.kind === 'approval' && timeout_ms !== undefined && pending.since + timeout_ms <= pending.expires_at)
      return this.unanswered(run, call, 'CORRAL_TIMED_OUT', `Nobody decided about the call within its ${timeout_ms} ms.`);
    this.settle(run, call, 'nobody', 'expired', '').catch(() => undefined);
  }

  /** What was said to a call that waits for people is written down. */
  async settle(
    run: Run,
    call: number,
    by: string,
    verdict: 'approve' | 'deny' | 'expired',
    reason: string,
    more: { readonly relabel?: LabelChange; readonly day?: string } = {},
  ): Promise<void> {
    await this.#options.broker.record(run, { kind: 'approval', id: call, by, verdict, reason, ...more });
    this.#options.transitions.observers.tell({ kind: 'decided', run: run.id, call, by, verdict });
    if (run.ledger.pending.get(call)?.kind !== 'approval') run.alarms.callOff(call);
    this.pass(run, call);
  }

  /** What a call is answered with has been decided and written down; the agent is given it. */
  pass(run: Run, call: number): void {
    const pending = run.ledger.pending.get(call);
    if (pending?.kind !== 'decided' || run.outcome !== undefined) return;
    run.queue.add(pending.delivery);
    this.#options.scheduler.wake(run);
  }
}
