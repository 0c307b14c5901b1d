/**
 * Traffic between runs: deliveries into inboxes, requests with exactly one reply each, and the service instances that messages
 * create. Part of the commit that contains it.
 */
import { CorralError, type ErrorCode } from '@corral/protocol/errors';
import type { PendingDelivery, Result } from '@corral/protocol/wire/delivery';
import type { Grant } from '@corral/protocol/model/grant';
import type { RunId } from '@corral/protocol/ids';
import type { Label } from '@corral/protocol/model/label';
import { MACHINE } from '@corral/protocol/limits';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { Entry, Kept, RunRecord } from '@corral/protocol/model/run';
import type { CommitResult, Instance, Outgoing, StoredRun } from '@corral/protocol/ports/store';
import { encodeTexts } from '../core/body.ts';
import { answerKey, FORMAT, howEnded, type Refusal, refusalKey, resultOf, type Tombstone, tombstoneBytes, TOOL } from '../core/mailbox.ts';
import { PLACE } from '../core/places.ts';
import { Broken } from './evidence.ts';
import type { Requests } from './requests.ts';
import { seal } from '../core/seal.ts';
import type { Sql } from './sql.ts';

/** How a run has ended, and its label then; undefined if that cannot be read. */
export interface End {
  readonly outcome: Outcome | undefined;
  readonly label: Label | undefined;
}

/** The number and key of a run. */
interface Holder {
  readonly n: number;
  readonly key: Uint8Array;
}

/** Functions of the rest of the store that this needs. */
interface Core {
  /** The key that a delivery is sealed under; undefined if the receiver has ended or its key cannot be opened. */
  readonly keyOf: (run: RunId) => Uint8Array | undefined;
  /** Admits a run without an owner. */
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

  /** A run has ended: each run that waits for its reply gets an error. */
  close(run: RunId, n: number, { outcome, label }: End, told: Told): void {
    const how = outcome === undefined ? {} : { how: howEnded(outcome) };
    for (const { requester, id, begun } of this.#requests.close(run, n))
      this.#answer(requester, { refused: 'unanswered', call: id, begun, ...how, ...(label === undefined ? {} : { label }) }, told);
  }

  /**
   * Delivers the messages of a commit, and stores an error for each that reached nobody: if this host crashes before the sender
   * has read the error, the next host finds it.
   */
  sendAll(run: RunId, head: Holder, outbox: readonly Outgoing[], told: Told): readonly number[] {
    const delivered = outbox.map((outgoing) => this.#send(run, outgoing, told));
    for (const tombstone of told.tombstones) this.#keep(head.n, tombstone.call, FORMAT.refusal, tombstoneBytes(tombstone));
    return delivered;
  }

  /** Delivers a message; an undeliverable request is answered with an error. */
  #send(from: RunId, outgoing: Outgoing, told: Told): number {
    const { delivery, instance } = outgoing;
    // A second reply, or one to a request that was never made, is dropped.
    const isDue = delivery.kind !== 'reply' || delivery.results.every(({ id }) => this.#requests.answer(outgoing.to, id, from));
    const to = instance === undefined ? outgoing.to : this.#instance(instance, delivery.kind === 'message' ? delivery : {}, told);
    told.receivers.push(typeof to === 'string' ? to : outgoing.to);
    if (typeof to !== 'string') {
      if (delivery.kind === 'message' && delivery.request !== undefined) this.#answer(from, { ...to, call: delivery.request }, told);
      return 0;
    }
    if (!isDue) return 0;
    const number = this.#deliver(from, to === outgoing.to ? outgoing : { ...outgoing, to }, told.at);
    if (number <= 0 && outgoing.sent !== undefined)
      told.tombstones.push({ refused: number < 0 ? 'full' : 'ended', call: outgoing.sent, message: true });
    if (delivery.kind !== 'message' || delivery.request === undefined) return number;
    if (number > 0) this.#requests.open(from, delivery.request, to, number);
    else this.#answer(from, { refused: number < 0 ? 'full' : 'ended', call: delivery.request }, told);
    return number;
  }

  /**
   * The run of an instance: its present run, or a new one that starts from the last one's checkpoint.
   * @param first what the message brings along besides its body
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
    if (this.#requests.alive(of) >= MACHINE.instances_per_service.default) return { refused: 'crowded' };
    // Killing an instance also discards its state.
    const kept = row === undefined || row.outcome_kind === 'killed' ? {} : this.#kept(row.id);
    if ('refused' in kept) return kept;
    const service = { key: record.service?.key ?? '', ...kept };
    const { label, depth, hops } = first;
    // The first sender chose the key that the instance is given, and the instance may act before it reads the message; so the
    // message's label applies from the start.
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

  /** The state an instance had kept when it ended: that after its last completed turn. */
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
      // Erased or pruned on purpose: the instance starts without state.
      if (error instanceof CorralError && GONE.has(error.code)) return {};
      if (!(error instanceof CorralError || error instanceof Broken)) throw error;
      // Starting without state would silently lose what the instance has done.
      this.#core.quarantine(run, error.message);
      return { refused: 'damaged', run };
    }
  }

  #answer(to: RunId, tombstone: Tombstone, told: Told): void {
    if (this.#place(to, to, refusalKey(tombstone.call), FORMAT.refusal, tombstoneBytes(tombstone), told.at) > 0) told.answered.push(to);
  }

  /** Stores the answers to a run's own calls. */
  keep(run: RunId, { n, key }: Holder, results: readonly Result[]): void {
    for (const result of results) {
      const delivery: PendingDelivery = { kind: 'reply', results: [result] };
      const sealed = seal(key, PLACE.sent(run, TOOL, answerKey(result.id)), encodeTexts([JSON.stringify(delivery)]));
      this.#keep(n, result.id, FORMAT.sent, sealed);
    }
  }

  /**
   * An item about one of a run's own effects has the negative number of the effect as its position: so there is one answer for each,
   * and the numbering of other deliveries is not affected.
   */
  #keep(n: number, call: number, format: number, bytes: Uint8Array): void {
    const sql = 'INSERT OR IGNORE INTO inbox (run, seq, sender, key, format, delivery) VALUES (?, ?, ?, ?, ?, ?)';
    this.#sql.run(sql, n, -call, TOOL, answerKey(call), format, bytes);
  }

  /** Puts a delivery into an inbox; 0: the receiver has ended; -1: too many messages wait for it. */
  #deliver(from: RunId, { to, key: name, delivery, grants = [] }: Outgoing, at: number): number {
    if (delivery.kind === 'message' && this.#waiting(to) >= MACHINE.mailbox_messages.default) return -1;
    const key = this.#core.keyOf(to);
    if (key === undefined) return 0;
    const number = this.#place(
      to,
      from,
      name,
      FORMAT.sent,
      seal(key, PLACE.sent(to, from, name), encodeTexts([JSON.stringify(delivery)])),
      at,
    );
    if (number > 0) for (const grant of grants) this.#core.putGrant(grant);
    return number;
  }

  /** Gives an item its number in an inbox; 0: the receiver has ended. */
  #place(to: RunId, sender: string, key: string, format: number, bytes: Uint8Array, at: number): number {
    const row = this.#sql.get<{ n: number; inbox_seq: number }>(
      "UPDATE runs SET inbox_seq = inbox_seq + 1 WHERE id = ? AND lifecycle <> 'ended' RETURNING n, inbox_seq",
      to,
    );
    if (row === undefined) return 0;
    const sql = 'INSERT INTO inbox (run, seq, sender, key, format, delivery, at) VALUES (?, ?, ?, ?, ?, ?, ?)';
    this.#sql.run(sql, row.n, row.inbox_seq, sender, key, format, bytes, at);
    return row.inbox_seq;
  }

  /** How many deliveries wait for a run. They are usually taken in order, so the first and last numbers give the count. */
  #waiting(run: RunId): number {
    const row = this.#sql.get<{ inbox_seq: number; first: number | null }>(
      'SELECT inbox_seq, (SELECT min(seq) FROM inbox WHERE run = n AND seq > 0) AS first FROM runs WHERE id = ?',
      run,
    );
    if (row === undefined || row.first === null) return 0;
    const most = row.inbox_seq - row.first + 1;
    if (most < MACHINE.mailbox_messages.default) return most;
    // An instance of a service takes replies ahead of waiting messages, so its deliveries are counted.
    return (
      this.#sql.get<{ there: number }>('SELECT count(*) AS there FROM inbox JOIN runs ON runs.n = inbox.run WHERE id = ? AND seq > 0', run)
        ?.there ?? 0
    );
  }
}

/** Other effects of a commit that its host must know. */
export class Told {
  /** Time of the commit. Milliseconds since 1970. */
  readonly at: number;
  readonly receivers: RunId[] = [];
  readonly created: RunId[] = [];
  readonly answered: RunId[] = [];
  readonly tombstones: Tombstone[] = [];
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
      ...(this.tombstones.length === 0 ? {} : { unreached: this.tombstones.map((tombstone) => resultOf(tombstone)) }),
    };
  }
}

const GONE: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['CORRAL_RUN_ERASED', 'CORRAL_JOURNAL_PRUNED']);
