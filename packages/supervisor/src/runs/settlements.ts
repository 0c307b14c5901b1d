/**
 * Settles what a run waits for if the answer does not come from the tool or run that was asked: the result of a call is unknown, its
 * capability was revoked, nobody answered in time, or people have decided. Each settlement is recorded in the journal, then delivered.
 */
import type { Broker } from '@corral/broker/broker';
import { unanswered } from '@corral/broker/ledger/requests';
import type { Result } from '@corral/protocol/wire/delivery';
import type { Json } from '@corral/protocol/json';
import type { LabelChange } from '@corral/protocol/model/label';
import { shapeOf } from '../governance/shape.ts';
import type { StandingGrant } from '@corral/protocol/model/standing';
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

  /** The reply of a call is lost, and the call may not be repeated: the run waits for a resolution, or its agent gets an error. */
  unknown(run: Run, call: number, message: string, detail?: string): void {
    const { broker, scheduler } = this.#options;
    if (run.behind.deciding) return run.behind.do(() => this.unknown(run, call, message, detail));
    if (run.outcome !== undefined) return;
    const tell = run.manifest.on_unknown === 'tell';
    // If the store refuses it, the broker emits `refused`.
    broker.record(run, { kind: 'unknown', id: call, message, tell, ...(detail === undefined ? {} : { detail }) }).catch(() => undefined);
    if (tell) this.pass(run, call);
    scheduler.wake(run);
  }

  /** The capability of a call was revoked while the call was under way: its result is recorded, and the agent gets an error instead. */
  fence(run: Run | undefined, result: Result): void {
    if (run?.behind.deciding === true) return run.behind.do(() => this.fence(run, result));
    if (run === undefined || run.outcome !== undefined || run.ledger.pending.get(result.id)?.kind !== 'call') return;
    // If the store refuses it, the broker emits `refused`.
    this.#options.broker.record(run, { kind: 'fenced', id: result.id, result }).catch(() => undefined);
    if (!('error' in result)) this.#options.transitions.observers.tell({ kind: 'withheld', run: run.id, call: result.id });
    this.pass(run, result.id);
  }

  /** Ends the wait for the reply to a request, or for an approval. A reply that arrives later is not delivered. */
  unanswered(run: Run, id: number, code: 'CORRAL_TIMED_OUT' | 'CORRAL_REVOKED', message: string): void {
    if (run.behind.deciding) return run.behind.do(() => this.unanswered(run, id, code, message));
    const kind = run.ledger.pending.get(id)?.kind;
    if (run.outcome !== undefined || (kind !== 'request' && kind !== 'approval' && kind !== 'inspection')) return;
    // If the store refuses it, the broker emits `refused`.
    this.#options.broker.record(run, { kind: 'unanswered', id, result: unanswered(id, code, message) }).catch(() => undefined);
    run.alarms.callOff(id);
    this.pass(run, id);
  }

  /** Ends the waits for requests and approvals whose capability was revoked. */
  fenceRequests(run: Run): void {
    const { broker, residency } = this.#options;
    if (run.behind.deciding) return run.behind.do(() => run.outcome === undefined && this.fenceRequests(run));
    if (run.parking !== undefined) {
      // Nothing may be recorded about it now. If it is parked, it is checked when it is brought back.
      residency.hold(run.id).then(
        (held) => held === run && run.outcome === undefined && this.fenceRequests(run),
        () => undefined,
      );
      return;
    }
    // A grant that the run itself has dropped does not count as revoked.
    const held = new Set(run.ledger.caps.values());
    for (const pending of run.ledger.pending.values()) {
      if ((pending.kind === 'approval' || pending.kind === 'inspection') && broker.isRevoked(pending.grant))
        this.unanswered(run, pending.id, 'CORRAL_REVOKED', 'The capability was taken back before anybody had decided about the call.');
      if (pending.kind === 'request' && held.has(pending.grant) && broker.isRevoked(pending.grant) && !run.queue.hasReply(pending.id))
        this.unanswered(run, pending.id, 'CORRAL_REVOKED', 'The capability was taken back while the request was under way.');
    }
  }

  /** Called when an approval expires: the call is refused, or times out if the agent gave it less time. */
  expire(run: Run, call: number): void {
    if (run.behind.deciding) return run.behind.do(() => this.expire(run, call));
    const pending = run.ledger.pending.get(call);
    const timeout_ms = pending?.kind === 'approval' ? pending.call.timeout_ms : undefined;
    // The earlier of the two ends was reached.
    if (pending?.kind === 'approval' && timeout_ms !== undefined && pending.since + timeout_ms <= pending.expires_at)
      return this.unanswered(run, call, 'CORRAL_TIMED_OUT', `Nobody decided about the call within its ${timeout_ms} ms.`);
    this.settle(run, call, 'nobody', 'expired', '').catch(() => undefined);
  }

  /** Records a decision about a call that waits for approval. */
  async settle(
    run: Run,
    call: number,
    by: string,
    verdict: 'approve' | 'deny' | 'expired',
    reason: string,
    more: {
      readonly relabel?: LabelChange;
      readonly day?: string;
      readonly answer?: { readonly value: Json };
      readonly holds?: StandingGrant;
      readonly fresh?: true;
    } = {},
  ): Promise<void> {
    const asked = run.ledger.pending.get(call);
    const { tool, input } = asked?.kind === 'approval' ? asked.call : { tool: '', input: null };
    const since = asked?.kind === 'approval' ? asked.since : run.ledger.lastAt;
    const about = { tool, since, shape: shapeOf({ ...run.ledger.record, tool, input }) };
    await this.#options.broker.record(run, { kind: 'approval', id: call, by, verdict, reason, ...more });
    const last = run.ledger.pending.get(call)?.kind !== 'approval';
    this.#options.transitions.observers.tell({ kind: 'decided', run: run.id, call, by, verdict, reason, last, ...about });
    if (last) run.alarms.callOff(call);
    this.pass(run, call);
  }

  /** Delivers the recorded answer of a call to its agent. */
  pass(run: Run, call: number): void {
    if (run.behind.deciding) return run.behind.do(() => this.pass(run, call));
    const pending = run.ledger.pending.get(call);
    if (pending?.kind !== 'decided' || run.outcome !== undefined) return;
    run.queue.add(pending.delivery);
    this.#options.scheduler.wake(run);
  }
}
