/**
 * What goes from run to run: deliveries into inboxes, requests with the one reply that each of them gets, and the instances of
 * services that messages make. Part of the commit that it is in.
 */
import { CorralError, errorData, type ErrorCode } from '@corral/protocol/errors';
import type { PendingDelivery, Result } from '@corral/protocol/delivery';
import type { Grant } from '@corral/protocol/grant';
import type { RunId } from '@corral/protocol/ids';
import type { Label } from '@corral/protocol/label';
import { MACHINE } from '@corral/protocol/limits';
import { outcomeText, type Outcome } from '@corral/protocol/outcome';
import type { Entry, Kept, RunRecord } from '@corral/protocol/run';
import type { CommitResult, Instance, Outgoing, StoredRun } from '@corral/protocol/store';
import { encodeTexts } from './body.ts';
import { Broken, PLACE } from './evidence.ts';
import type { Open, Requests } from './requests.ts';
import { seal } from './seal.ts';
import type { Sql } from './sql.ts';

/** How a run has ended, and what it knew by then; undefined where nobody can say. */
export interface End {
  readonly outcome: Outcome | undefined;
  readonly label: Label | undefined;
}

/** Who holds a run, and what is sealed for it. */
interface Holder {
  readonly n: number;
  readonly key: Uint8Array;
  readonly epoch: number;
  readonly lifecycle: string;
  readonly parked: boolean;
}

/** What a request is answered with that gets no reply. */
interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
  readonly limit?: string;
  readonly label?: Label | undefined;
}

/** What this needs of the rest of the store. */
interface Core {
  /** The key that a delivery is sealed under; undefined where nobody is there to open it, or nobody can. */
  readonly keyOf: (run: RunId) => Uint8Array | undefined;
  /** Takes in a run that nobody holds yet. */
  readonly admit: (record: RunRecord, grants: readonly Grant[]) => void;
  readonly putGrant: (grant: Grant) => void;
  readonly run: (run: RunId) => StoredRun | undefined;
  readonly quarantine: (run: RunId, reason: string) => void;
  readonly journal: (run: RunId, after: number, limit: number) => readonly Entry[];
}

export class Post {
  readonly #sql: Sql;
  readonly #requests: Requests;
  readonly #core: Core;

  constructor(sql: Sql, requests: Requests, core: Core) {
    this.#sql = sql;
    this.#requests = requests;
    this.#core = core;
  }

  /** A run has ended: whoever waits for its reply is told. */
  close(run: RunId, n: number, { outcome, label }: End, told: Told): void {
    for (const open of this.#requests.close(run, n))
      this.#answer(open.requester, open.id, { code: 'CORRAL_RECIPIENT_ENDED', message: endOf(open, outcome), label }, told);
  }

  /** Hands over what a commit sends. A host that dies before its sender knows what reached nobody leaves that to the next one. */
  sendAll(run: RunId, epoch: number, head: Holder, outbox: readonly Outgoing[], told: Told): readonly number[] {
    const delivered = outbox.map((outgoing) => this.#send(run, outgoing, told));
    this.keep(run, epoch, head, told.unreached);
    return delivered;
  }

  /** Hands something over; a request that does not arrive is answered by that. */
  #send(from: RunId, outgoing: Outgoing, told: Told): number {
    const { delivery, instance } = outgoing;
    // A second reply, or one that nobody asked for, goes nowhere.
    const isDue = delivery.kind !== 'reply' || delivery.results.every(({ id }) => this.#requests.answer(outgoing.to, id, from));
    const to = instance === undefined ? outgoing.to : this.#instance(instance, delivery.kind === 'message' ? delivery : {}, told);
    told.receivers.push(typeof to === 'string' ? to : outgoing.to);
    if (typeof to !== 'string') {
      if (delivery.kind === 'message' && delivery.request !== undefined) this.#answer(from, delivery.request, to, told);
      return 0;
    }
    if (!isDue) return 0;
    const number = this.#deliver(from, to === outgoing.to ? outgoing : { ...outgoing, to }, told.at);
    if (number <= 0 && outgoing.sent !== undefined) told.unreached.push(unreached(outgoing.sent, number < 0));
    if (delivery.kind !== 'message' || delivery.request === undefined) return number;
    if (number > 0) this.#requests.open(from, delivery.request, to, number);
    else this.#answer(from, delivery.request, REFUSED[number < 0 ? 'full' : 'ended'], told);
    return number;
  }

  /**
   * The run that is an instance: the one that was it last goes on, or a new one takes over what that had kept.
   * @param first what the message that is for it brings along, besides its words
   * @returns instead, why there is none
   */
  #instance({ id, of, record, grants }: Instance, first: Pick<RunRecord, 'label' | 'depth' | 'hops'>, told: Told): RunId | Refusal {
    told.instances = true;
    const last = this.#requests.instance(id);
    const row =
      last === undefined
        ? undefined
        : this.#sql.get<{ id: RunId; lifecycle: string; outcome_kind: string }>(
            'SELECT id, lifecycle, outcome_kind FROM runs WHERE id = ?',
            last,
          );
    if (row !== undefined && row.lifecycle !== 'ended') return row.id;
    if (this.#requests.alive(of) >= MACHINE.instances_per_service.default) return CROWDED;
    // A person who kills an instance means what it knows, too.
    const kept = row === undefined || row.outcome_kind === 'killed' ? {} : this.#kept(row.id);
    if ('code' in kept) return kept;
    const service = { key: record.service?.key ?? '', ...kept };
    const { label, depth, hops } = first;
    // Whoever writes to it first has chosen the key that it is given, and it may do something before it is given the message.
    const led = {
      ...(label === undefined ? {} : { label }),
      ...(depth === undefined ? {} : { depth }),
      ...(hops === undefined ? {} : { hops }),
    };
    this.#core.admit({ ...record, ...led, service }, grants);
    this.#requests.putInstance(id, of, record.id);
    told.created.push(record.id);
    return record.id;
  }

  /** What an instance had kept when it ended: as of its last turn that was completed. */
  #kept(run: RunId): Kept | Refusal {
    try {
      const stored = this.#core.run(run);
      if (stored === undefined) return {};
      const [entry] = stored.checkpoint === 0 ? [] : this.#core.journal(run, stored.checkpoint - 1, 1);
      if (entry?.event?.kind !== 'checkpoint') {
        const { key: _, ...kept } = stored.record.service ?? { key: '' };
        return kept;
      }
      const { label, handles, placed } = entry.event.ledger as Kept;
      return {
        state: entry.event.state,
        ...(label === undefined ? {} : { label }),
        ...(handles === undefined ? {} : { handles }),
        ...(placed === undefined ? {} : { placed }),
      };
    } catch (error) {
      // Erased or forgotten, as people wanted it: there is nothing to go on from.
      if (error instanceof CorralError && GONE.has(error.code)) return {};
      if (!(error instanceof CorralError || error instanceof Broken)) throw error;
      // To begin anew would be to forget what it has done, and say nothing.
      this.#core.quarantine(run, error.message);
      return {
        code: 'CORRAL_JOURNAL_DAMAGED',
        message: `What the instance had kept is damaged; a person must look at ${run}. Once that is erased, a message makes a new instance.`,
      };
    }
  }

  #answer(to: RunId, id: number, { code, message, limit, label }: Refusal, told: Told): void {
    const results = [{ id, error: errorData(code, message, { call: id, ...(limit === undefined ? {} : { limit }) }) }];
    const delivery = { kind: 'reply' as const, results, ...(label === undefined ? {} : { label }) };
    const number = this.#deliver(to, { to, key: `answer.${id}`, delivery }, told.at);
    if (number > 0) told.answered.push(to);
  }

  /**
   * Answers of a run's own calls, and of its messages that reached nobody: each has the place of its call below 0, so that there is one of it and that the inbox goes on counting
   * what others send.
   */
  keep(run: RunId, epoch: number, head: Holder, results: readonly Result[]): void {
    const { n, key } = head;
    // Nothing is kept for whoever owns the run no longer.
    if (head.epoch !== epoch || head.lifecycle === 'ended' || head.parked) return;
    for (const result of results) {
      const delivery: PendingDelivery = { kind: 'reply', results: [result] };
      this.#sql.run(
        "INSERT OR IGNORE INTO inbox (run, seq, sender, key, delivery) VALUES (?, ?, 'tool', ?, ?)",
        n,
        -result.id,
        `call.${result.id}`,
        seal(key, PLACE.inbox(run, -result.id), encodeTexts([JSON.stringify(delivery)])),
      );
    }
  }

  /** Puts a delivery into an inbox; 0 where the receiver has ended, -1 where too many messages wait for it. */
  #deliver(from: RunId, { to, key: name, delivery, grants = [] }: Outgoing, at: number): number {
    if (delivery.kind === 'message' && this.#waiting(to) >= MACHINE.mailbox_messages.default) return -1;
    const key = this.#core.keyOf(to);
    if (key === undefined) return 0;
    const row = this.#sql.get<{ n: number; inbox_seq: number }>(
      "UPDATE runs SET inbox_seq = inbox_seq + 1 WHERE id = ? AND lifecycle <> 'ended' RETURNING n, inbox_seq",
      to,
    );
    if (row === undefined) return 0;
    this.#sql.run(
      'INSERT INTO inbox (run, seq, sender, key, delivery, at) VALUES (?, ?, ?, ?, ?, ?)',
      row.n,
      row.inbox_seq,
      from,
      name,
      seal(key, PLACE.inbox(to, row.inbox_seq), encodeTexts([JSON.stringify(delivery)])),
      at,
    );
    for (const grant of grants) this.#core.putGrant(grant);
    return row.inbox_seq;
  }

  /** How many deliveries wait for a run; they are mostly taken in order, so its first and last tell. */
  #waiting(run: RunId): number {
    const row = this.#sql.get<{ inbox_seq: number; first: number | null }>(
      'SELECT inbox_seq, (SELECT min(seq) FROM inbox WHERE run = n AND seq > 0) AS first FROM runs WHERE id = ?',
      run,
    );
    if (row === undefined || row.first === null) return 0;
    const most = row.inbox_seq - row.first + 1;
    if (most < MACHINE.mailbox_messages.default) return most;
    // An instance of a service takes replies past the messages that wait their turn, so what is there is counted.
    return (
      this.#sql.get<{ there: number }>('SELECT count(*) AS there FROM inbox JOIN runs ON runs.n = inbox.run WHERE id = ? AND seq > 0', run)
        ?.there ?? 0
    );
  }
}

/** What else a commit did, for its host to know. */
export class Told {
  /** When it happens, in milliseconds since 1970. */
  readonly at: number;
  readonly receivers: RunId[] = [];
  readonly created: RunId[] = [];
  readonly answered: RunId[] = [];
  readonly unreached: Result[] = [];
  instances = false;

  constructor(at: number) {
    this.at = at;
  }

  result(delivered: readonly number[]): CommitResult {
    return {
      delivered,
      ...(this.instances ? { receivers: this.receivers } : {}),
      ...(this.created.length === 0 ? {} : { created: this.created }),
      ...(this.answered.length === 0 ? {} : { answered: this.answered }),
      ...(this.unreached.length === 0 ? {} : { unreached: this.unreached }),
    };
  }
}

const REFUSED = {
  ended: { code: 'CORRAL_RECIPIENT_ENDED', message: 'The run this request was for has ended.' },
  full: { code: 'CORRAL_MAILBOX_FULL', message: `${MACHINE.mailbox_messages.default} messages wait for that run already.` },
} as const satisfies Readonly<Record<string, Refusal>>;

/** What the sender of a message is told that reached nobody. */
const unreached = (id: number, full: boolean): Result => ({
  id,
  error: full
    ? errorData('CORRAL_MAILBOX_FULL', REFUSED.full.message, { call: id })
    : errorData('CORRAL_RECIPIENT_ENDED', 'The run this message was for has ended.', { call: id }),
});

const CROWDED: Refusal = {
  code: 'CORRAL_BUDGET_EXCEEDED',
  message: `The service has ${MACHINE.instances_per_service.default} instances alive, and no room for one more. End some that nobody needs.`,
  limit: 'instances',
};

const GONE: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['CORRAL_RUN_ERASED', 'CORRAL_JOURNAL_PRUNED']);

/**
 * What a requester is told of the end of whom it asked: the kind of it, and the limit that the host had set. What that one says of its
 * own failure, be it one word of sixty, could be anything that it has read.
 */
function endOf({ begun }: Open, outcome: Outcome | undefined): string {
  const how = outcome === undefined ? '' : ` (${outcome.kind === 'exceeded' ? outcomeText(outcome) : outcome.kind})`;
  return begun
    ? `The run ended before it replied${how}; what it did about the request is not undone.`
    : `The run ended before it did anything about the request${how}.`;
}
