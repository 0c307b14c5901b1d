/**
 * Settles what a run waits for if the answer does not come from the tool or run that was asked: the result of a call is unknown, its
 * capability was revoked, nobody answered in time, or people have decided. Each settlement is recorded in the journal, then delivered.
 */
import type { Broker } from '@corral/broker/broker';
import { whyNoInput } from '@corral/broker/effects/question';
import { needsInput } from '@corral/broker/ledger/pending';
import { unanswered } from '@corral/broker/ledger/requests';
import { errorData } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { InputRequest } from '@corral/protocol/model/question';
import type { Result } from '@corral/protocol/wire/delivery';
import type { Json } from '@corral/protocol/json';
import type { LabelChange } from '@corral/protocol/model/label';
import { shapeOf } from '../governance/shape.ts';
import type { StandingGrant } from '@corral/protocol/model/standing';
import type { Residency } from './residency.ts';
import type { Run } from './run.ts';
import type { Scheduler } from '../cells/scheduler.ts';
import type { Transitions } from '../events/transitions.ts';

/** Ends of a wait that are closer than this are one. */
const CLOSE_MS = 1_000;

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
    const withdrawn = kind === 'approval' && code === 'CORRAL_REVOKED' ? askedAbout(run, id) : undefined;
    const tell = () => {
      if (withdrawn !== undefined)
        this.#options.transitions.observers.tell({ kind: 'withdrawn', run: run.id, call: id, reason: message, ...withdrawn });
    };
    // If the store refuses it, the broker emits `refused`.
    this.#options.broker.record(run, { kind: 'unanswered', id, result: unanswered(id, code, message) }).then(tell, () => undefined);
    this.#options.broker.dropInput(run.id, id);
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

  /** The tool of a call needs input: people are asked, and the call waits for them. */
  input(id: RunId, run: Run | undefined, call: number, request: InputRequest): void {
    const { broker, transitions } = this.#options;
    if (run?.behind.deciding === true) return run.behind.do(() => this.input(id, run, call, request));
    const pending = run?.ledger.pending.get(call);
    if (run === undefined || run.outcome !== undefined || pending?.kind !== 'call') return broker.dropInput(id, call);
    const gone = pending.given_up === true || broker.isRevoked(pending.grant);
    const why = gone ? 'nobody waits for the call any more' : whyNoInput(run.ledger, pending);
    if (why === undefined) return broker.askForInput(run, call, request);
    broker.dropInput(run.id, call);
    const message = `${pending.tool} asked for input of people, and nobody was asked: ${why}.`;
    if (request.live === true) transitions.bus.unknown.emit(run.id, call, message);
    else transitions.bus.answered.emit(run.id, { id: call, error: errorData('CORRAL_TOOL_FAILED', message, { call }) }, true);
  }

  /**
   * A run is in memory again, of which a call waits for input. A tool that waited for it in the memory of a host that is gone gets no answer: the
   * call starts again, or its result is unknown.
   */
  inputAgain(run: Run, call: number, mayRepeat: boolean): void {
    const pending = run.ledger.pending.get(call);
    if (!needsInput(pending) || pending.call.asked_input?.request?.live !== true || this.#options.broker.hasAsked(run.id, call)) return;
    const { tool } = pending.call;
    if (mayRepeat)
      this.settle(run, call, 'host', 'expired', `the connection to ${tool} was lost`, { goes_on: true }).catch(() => undefined);
    else this.unknown(run, call, `Corral stopped while ${tool} waited for input.`);
  }

  /** Called when an approval expires: the call is refused, or times out if the agent gave it less time. */
  expire(run: Run, call: number): void {
    if (run.behind.deciding) return run.behind.do(() => this.expire(run, call));
    const pending = run.ledger.pending.get(call);
    // Its call would be made again although nobody has looked at whether it was made after the backup; a person still answers or declines.
    if (run.ledger.held === 'restored' && needsInput(pending)) return;
    const timeout_ms = pending?.kind === 'approval' ? pending.call.timeout_ms : undefined;
    // The earlier of the two ends was reached. The times of an entry and of its end are read one after the other.
    if (pending?.kind === 'approval' && timeout_ms !== undefined && pending.since + timeout_ms <= pending.expires_at + CLOSE_MS)
      return this.unanswered(run, call, 'CORRAL_TIMED_OUT', `Nobody decided about the call within its ${timeout_ms} ms.`);
    this.settle(run, call, 'nobody', 'expired', '', needsInput(pending) ? { goes_on: true } : {}).catch(() => undefined);
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
      readonly goes_on?: true;
    } = {},
  ): Promise<void> {
    const asked = run.ledger.pending.get(call);
    const about = askedAbout(run, call);
    await this.#options.broker.record(run, { kind: 'approval', id: call, by, verdict, reason, ...more });
    const last = run.ledger.pending.get(call)?.kind !== 'approval';
    this.#options.transitions.observers.tell({ kind: 'decided', run: run.id, call, by, verdict, reason, last, ...about });
    if (last) run.alarms.callOff(call);
    // A server that asked during the call has begun to work on it.
    if (needsInput(asked)) this.#goOn(run, call, asked.call.asked_input.request.live !== true);
    this.pass(run, call);
  }

  /** Calls the tool once more, with what became of its request for input. */
  #goOn(run: Run, call: number, first: boolean): void {
    run.behind.do(() => {
      const pending = run.ledger.pending.get(call);
      if (run.outcome === undefined && pending?.kind === 'call') this.#options.broker.reissue(run.ledger, pending, first, true);
    });
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

/** The call about which people were asked, and since when. */
function askedAbout({ ledger }: Run, call: number) {
  const asked = ledger.pending.get(call);
  const { tool, input } = asked?.kind === 'approval' ? asked.call : { tool: '', input: null };
  const since = asked?.kind === 'approval' ? asked.since : ledger.lastAt;
  const question = asked?.kind === 'approval' && asked.call.question === true;
  return { tool, since, question, shape: shapeOf({ ...ledger.record, tool, input }) };
}
