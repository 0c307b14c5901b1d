/**
 * What goes from run to run: deliveries into inboxes, requests with the one reply that each of them gets, and the instances of
 * services that messages make. Part of the commit that it is in.
 */
import { CorralError, errorData, type ErrorCode } from '@corral/protocol/errors';
import type { Grant } from '@corral/protocol/grant';
import type { RunId } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import type { Label } from '@corral/protocol/label';
import { MACHINE } from '@corral/protocol/limits';
import { outcomeText, type Outcome } from '@corral/protocol/outcome';
import type { Entry, RunRecord } from '@corral/protocol/run';
import type { CommitResult, Instance, Outgoing, StoredRun } from '@corral/protocol/store';
import { encodeTexts } from './body.ts';
import { Broken, PLACE } from './evidence.ts';
import type { Open, Requests } from './requests.ts';
import { seal } from './seal.ts';
import type { Sql } from './sql.ts';

/** What this needs of the rest of the store. */
interface Core {
  /** The key that a delivery is sealed under; undefined where nobody is there to open it, or nobody can. */
  readonly keyOf: (run: RunId) => Uint8Array | undefined;
  /** Takes in a run that nobody holds yet. */
  readonly admit: (record: RunRecord, grants: readonly Grant[]) => void;
  readonly putGrant: (grant: Grant) => void;
  readonly run: (run: RunId) => StoredRun | undefined;
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
  close(run: RunId, n: number, outcome: Outcome | undefined, told: Told): void {
    for (const open of this.#requests.close(run, n))
      this.#answer(open.requester, open.id, 'CORRAL_RECIPIENT_ENDED', endOf(open, outcome), told);
  }

  /** Hands something over; a request that does not arrive is answered by that. */
  send(from: RunId, outgoing: Outgoing, told: Told): number {
    const { delivery, instance } = outgoing;
    // A second reply, or one that nobody asked for, goes nowhere.
    const isDue = delivery.kind !== 'reply' || delivery.results.every(({ id }) => this.#requests.answer(outgoing.to, id, from));
    const to = instance === undefined ? outgoing.to : this.#instance(instance, told);
    told.receivers.push(to);
    if (!isDue) return 0;
    const number = this.#deliver(from, to === outgoing.to ? outgoing : { ...outgoing, to });
    if (delivery.kind !== 'message' || delivery.request === undefined) return number;
    if (number > 0) this.#requests.open(from, delivery.request, to, number);
    else
      this.#answer(from, delivery.request, number < 0 ? 'CORRAL_MAILBOX_FULL' : 'CORRAL_RECIPIENT_ENDED', REFUSED[`${number}`] ?? '', told);
    return number;
  }

  /** The run that is an instance: the one that was it last goes on, or a new one takes over what that had kept. */
  #instance({ id, record, grants }: Instance, told: Told): RunId {
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
    // A person who kills an instance means what it knows, too.
    const kept = row === undefined || row.outcome_kind === 'killed' ? {} : this.#kept(row.id);
    this.#core.admit({ ...record, service: { key: record.service?.key ?? '', ...kept } }, grants);
    this.#requests.putInstance(id, record.id);
    told.created.push(record.id);
    return record.id;
  }

  /** What an instance had kept when it ended: as of its last turn that was completed. */
  #kept(run: RunId): { state?: Json; label?: Label } {
    try {
      const stored = this.#core.run(run);
      if (stored === undefined) return {};
      const [entry] = stored.checkpoint === 0 ? [] : this.#core.journal(run, stored.checkpoint - 1, 1);
      if (entry?.event?.kind !== 'checkpoint') {
        const { state, label } = stored.record.service ?? {};
        return { ...(state === undefined ? {} : { state }), ...(label === undefined ? {} : { label }) };
      }
      const { label } = entry.event.ledger as { label?: Label };
      return { state: entry.event.state, ...(label === undefined ? {} : { label }) };
    } catch (error) {
      // Erased, forgotten or damaged: there is nothing to go on from.
      if (error instanceof CorralError || error instanceof Broken) return {};
      throw error;
    }
  }

  #answer(to: RunId, id: number, code: ErrorCode, message: string, told: Told): void {
    const results = [{ id, error: errorData(code, message, { call: id }) }];
    const number = this.#deliver(to, { to, key: `answer.${id}`, delivery: { kind: 'reply', results } });
    if (number > 0) told.answered.push(to);
  }

  /** Puts a delivery into an inbox; 0 where the receiver has ended, -1 where too many messages wait for it. */
  #deliver(from: RunId, { to, key: name, delivery, grants = [] }: Outgoing): number {
    if (delivery.kind === 'message' && this.#waiting(to) >= MACHINE.mailbox_messages.default) return -1;
    const key = this.#core.keyOf(to);
    if (key === undefined) return 0;
    const row = this.#sql.get<{ n: number; inbox_seq: number }>(
      "UPDATE runs SET inbox_seq = inbox_seq + 1 WHERE id = ? AND lifecycle <> 'ended' RETURNING n, inbox_seq",
      to,
    );
    if (row === undefined) return 0;
    this.#sql.run(
      'INSERT INTO inbox (run, seq, sender, key, delivery) VALUES (?, ?, ?, ?, ?)',
      row.n,
      row.inbox_seq,
      from,
      name,
      seal(key, PLACE.inbox(to, row.inbox_seq), encodeTexts([JSON.stringify(delivery)])),
    );
    for (const grant of grants) this.#core.putGrant(grant);
    return row.inbox_seq;
  }

  /** How many deliveries wait for a run; they are mostly taken in order, so its first and last tell. */
  #waiting(run: RunId): number {
    const row = this.#sql.get<{ inbox_seq: number; first: number | null }>(
      'SELECT inbox_seq, (SELECT min(seq) FROM inbox WHERE run = n) AS first FROM runs WHERE id = ?',
      run,
    );
    if (row === undefined || row.first === null) return 0;
    const most = row.inbox_seq - row.first + 1;
    if (most < MACHINE.mailbox_messages.default) return most;
    // An instance of a service takes replies past the messages that wait their turn, so what is there is counted.
    return (
      this.#sql.get<{ there: number }>('SELECT count(*) AS there FROM inbox JOIN runs ON runs.n = inbox.run WHERE id = ?', run)?.there ?? 0
    );
  }
}

/** What else a commit did, for its host to know. */
export class Told {
  readonly receivers: RunId[] = [];
  readonly created: RunId[] = [];
  readonly answered: RunId[] = [];
  instances = false;

  result(delivered: readonly number[]): CommitResult {
    return {
      delivered,
      ...(this.instances ? { receivers: this.receivers } : {}),
      ...(this.created.length === 0 ? {} : { created: this.created }),
      ...(this.answered.length === 0 ? {} : { answered: this.answered }),
    };
  }
}

const REFUSED: Readonly<Record<string, string>> = {
  '0': 'The run this request was for has ended.',
  '-1': `${MACHINE.mailbox_messages.default} messages wait for that run already.`,
};

/** What a requester is told of the end of whom it asked: nothing of that one's own words. */
function endOf({ begun }: Open, outcome: Outcome | undefined): string {
  const how = outcome === undefined ? '' : ` (${outcomeText(outcome)})`;
  return begun
    ? `The run ended before it replied${how}; what it did about the request is not undone.`
    : `The run ended before it did anything about the request${how}.`;
}
