/**
 * Prepares writes before their transaction begins: seals, hashes and splits what they store, on what is cached of runs or read now. All
 * writes of a batch are prepared first; several commits of one run are chained to each other in order, so where the first is refused, so
 * are those that follow it.
 */
import { CorralError } from '@corral/protocol/errors';
import type { Grant } from '@corral/protocol/model/grant';
import type { RunId } from '@corral/protocol/ids';
import type { Names } from '@corral/protocol/model/label';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { Entry, Kept, RunRecord } from '@corral/protocol/model/run';
import type { KeyRing } from '@corral/protocol/ports/machine';
import type { Commit, Instance, Outgoing } from '@corral/protocol/ports/store';
import type { PendingDelivery, Result } from '@corral/protocol/wire/delivery';
import { type Piece, Splitter } from './blobs.ts';
import { encodeTexts, entryTexts, type Texts } from './body.ts';
import type { Engine, Item, NewBlob, NewGrant, RunState } from './engine.ts';
import { Broken, type Evidence, refused } from './evidence.ts';
import { answerKey, FORMAT, howEnded, TOOL } from './mailbox.ts';
import { PLACE } from './places.ts';
import type {
  End,
  Payloads,
  PreparedAnswers,
  PreparedBurial,
  PreparedCommit,
  PreparedDelivery,
  PreparedInstance,
  PreparedRun,
  Unkept,
} from './prepared.ts';
import { chain, newKey, seal } from './seal.ts';

/** The end of a journal, which a commit continues. Only the holder of the run changes it, so it is cached while the epoch is the same. */
export interface Head {
  /** Undefined: it has none yet. */
  readonly n: number | undefined;
  readonly tenant: string;
  readonly key: Uint8Array;
  readonly epoch: number;
  /** Hash of the last entry that took effect. */
  hash: Uint8Array;
  /** The batch in which entries were prepared that follow it, and the hash of the last of them. */
  batch: number;
  ahead: Uint8Array;
}

/** Most heads that are cached. */
const HEADS = 10_000;
const NO_HASH = new Uint8Array(0);
const NO_REFS: readonly string[] = [];
const NO_CALLS: readonly number[] = [];
const NONE: Payloads = { refs: NO_REFS };
const NO_END: End = { how: undefined, label: undefined };
const NO_ROWS: readonly never[] = [];
const GONE: ReadonlySet<string> = new Set(['CORRAL_RUN_ERASED', 'CORRAL_JOURNAL_PRUNED']);
/** The call of which an entry says what people decided, that nobody did in time, or that its capability was taken back before. */
function decidedIn(event: Entry['event']): number | undefined {
  if (event?.kind === 'approval') return event.id;
  return event?.kind === 'unanswered' && 'error' in event.result && event.result.error.code === 'CORRAL_REVOKED' ? event.id : undefined;
}

/** Waits that only people can end. */
const ASKING: ReadonlySet<string> = new Set(['approval', 'resolution', 'upgrade']);

/** Sealed bytes, and the payloads that were cut out of them. */
interface Sealed extends Payloads {
  readonly bytes: Uint8Array;
}

export class Preparer {
  readonly #engine: Engine;
  readonly #ring: KeyRing;
  readonly #evidence: Evidence;
  readonly #splitter: Splitter;
  readonly #heads = new Map<RunId, Head>();
  /** Runs that will be there once what was prepared in this batch has taken effect. */
  readonly #born = new Map<RunId, Head>();
  /** Payloads that writes of this batch name and that are not stored yet. */
  readonly #unstored = new Map<string, NewBlob>();
  #batch = 0;

  constructor(engine: Engine, ring: KeyRing, evidence: Evidence) {
    this.#engine = engine;
    this.#ring = ring;
    this.#evidence = evidence;
    this.#splitter = new Splitter(ring);
  }

  /** Another batch begins. Writes of an earlier one that were prepared and not settled have not taken effect. */
  begin(): void {
    this.#batch += 1;
    if (this.#born.size > 0) this.#born.clear();
    if (this.#unstored.size > 0) this.#unstored.clear();
  }

  /** The payloads that are to be stored before what was prepared takes effect. */
  get unstored(): ReadonlyMap<string, NewBlob> {
    return this.#unstored;
  }

  /** Drops what is cached of a run. */
  forget(run: RunId): void {
    this.#heads.delete(run);
  }

  /** A transaction was rolled back: drops everything that is cached. */
  doubt(): void {
    this.#heads.clear();
    this.#born.clear();
  }

  /**
   * @returns also the head of its run, whose hash is that of the last entry once earlier commits of the batch have taken effect or not
   * @throws CORRAL_RUN_UNKNOWN, CORRAL_RUN_ERASED, CORRAL_JOURNAL_DAMAGED
   */
  commit(commit: Commit): { readonly prepared: PreparedCommit; readonly head: Head } {
    const { run, epoch, entry, status } = commit;
    const head = this.#headOf(run, epoch);
    const { seq, at, cpu_us } = entry;
    const { tenant, key } = head;
    const payloads = this.#seal(key, PLACE.entry(run, seq), entryTexts(entry), tenant);
    const after = head.batch === this.#batch ? head.ahead : head.hash;
    const body = payloads.bytes;
    const hash = chain(after, run, { seq, at, cpu_us, waiting: status.waiting, body });
    // One of another epoch will be refused, and nothing follows it.
    if (head.epoch === epoch) {
      head.batch = this.#batch;
      head.ahead = hash;
    }
    const { lifecycle, control, outcome: ended } = status;
    const kept = ended === undefined ? undefined : this.#outcome(run, head, ended, status.private_to);
    const state: RunState = {
      lifecycle,
      control,
      outcome_kind: ended?.kind ?? null,
      outcome: kept?.bytes ?? null,
      ended_at: status.ended_at ?? null,
      end_hash: lifecycle === 'ended' ? hash : null,
    };
    const earlier = new Earlier();
    const prepared: PreparedCommit = {
      run,
      n: head.n,
      epoch,
      after,
      entry: { seq, at, cpu_us, waiting: status.waiting, hash, body },
      state,
      asking: ASKING.has(status.waiting),
      isCheckpoint: entry.event?.kind === 'checkpoint',
      decided: decidedIn(entry.event),
      moved: entry.event?.kind === 'upgraded' ? entry.event.version : undefined,
      payloads,
      kept: kept ?? NONE,
      consumed: commit.consumed,
      answered: commit.answered ?? NO_CALLS,
      children: each(commit.spawned, (record) => this.admission(record, [], epochOf(true))),
      grants: each(commit.grants, grantRow),
      uses: commit.uses,
      revoked: commit.revoked,
      spend: commit.spend,
      quarantine: commit.quarantine,
      timers: commit.timers,
      timersDone: commit.timersDone,
      outbox: each(commit.outbox, (outgoing) => this.#delivery(run, outgoing, earlier)),
      end: ended === undefined && commit.label === undefined ? NO_END : { how: ended && howEnded(ended), label: commit.label },
    };
    return { prepared, head };
  }

  /** It has taken effect: the heads of its run and of runs it created are those of the store. */
  settle({ run, entry, state }: PreparedCommit, head: Head, created: readonly RunId[]): void {
    head.hash = entry.hash;
    if (state.lifecycle === 'ended') this.#heads.delete(run);
    for (const one of created) this.admitted(one);
  }

  admitted(run: RunId): void {
    const head = this.#born.get(run);
    if (head !== undefined) this.#remember(run, head);
  }

  /** @param epoch under which it begins */
  admission(record: RunRecord, grants: readonly Grant[], epoch: number): PreparedRun {
    const { id, tenant, parent, created_at } = record;
    const key = newKey();
    const { version, wrapped } = this.#ring.wrap(tenant, key, id);
    const { bytes, ...payloads } = this.#seal(key, PLACE.record(id), [JSON.stringify(record)], tenant);
    this.#born.set(id, { n: undefined, tenant, key, epoch, hash: NO_HASH, batch: 0, ahead: NO_HASH });
    const run = { id, tenant, parent: parent?.run, created_at, version, key: wrapped, record: bytes };
    return { run, grants: each(grants, grantRow), ...payloads };
  }

  /** @throws CORRAL_RUN_UNKNOWN, CORRAL_RUN_ERASED, CORRAL_JOURNAL_DAMAGED */
  answers(run: RunId, epoch: number, results: readonly Result[]): PreparedAnswers {
    const { key } = this.#head(run);
    const items = results.map((result) => {
      const delivery: PendingDelivery = { kind: 'reply', results: [result] };
      return { call: result.id, item: itemFor(run, key, TOOL, answerKey(result.id), delivery) };
    });
    return { run, epoch, items };
  }

  /** The state of a run that is parked, sealed; null: there is no such run. A cache, so it shares no payload with the journal. */
  ledger(run: RunId, text: string): Uint8Array | null {
    const custody = this.#evidence.custody(run);
    return custody === undefined ? null : seal(this.#evidence.keyOf(custody), PLACE.ledger(run), encodeTexts([text], []));
  }

  /** If its key is gone, only the kind of its outcome is kept. @returns undefined: there is no such run */
  burial(run: RunId, outcome: Outcome, at: number): PreparedBurial | undefined {
    const custody = this.#evidence.custody(run);
    if (custody === undefined) return undefined;
    const { n, tenant } = custody;
    const end: End = { how: howEnded(outcome), label: undefined };
    try {
      const { bytes, ...payloads } = this.#outcome(run, { tenant, key: this.#evidence.keyOf(custody) }, outcome);
      return { run, n, kind: outcome.kind, outcome: bytes, at, end, ...payloads };
    } catch (error) {
      if (!(error instanceof Broken || error instanceof CorralError)) throw error;
      return { run, n, kind: outcome.kind, outcome: null, at, end, ...NONE };
    }
  }

  #outcome(run: RunId, { key, tenant }: Pick<Head, 'key' | 'tenant'>, outcome: Outcome, private_to?: Names): Sealed {
    const text = JSON.stringify(private_to === undefined ? outcome : { ...outcome, private_to });
    return this.#seal(key, PLACE.outcome(run), [text], tenant);
  }

  #seal(key: Uint8Array, place: string, texts: Texts, tenant: string): Sealed {
    const { texts: left, cuts, pieces } = this.#splitter.split(texts, tenant);
    if (pieces.length === 0) return { bytes: seal(key, place, encodeTexts(left, cuts)), refs: NO_REFS };
    for (const piece of pieces) this.#store(piece, tenant);
    return { bytes: seal(key, place, encodeTexts(left, cuts)), refs: [...new Set(pieces.map(({ id }) => id))] };
  }

  /** Notes what is to be stored of a payload: parts before those that list them. A blob that is there has all its parts. */
  #store(piece: Piece, tenant: string): void {
    const { id, parts } = piece;
    if (this.#unstored.has(id) || this.#engine.blobs.has(id)) return;
    for (const part of parts) this.#store(part, tenant);
    this.#unstored.set(id, { id, tenant, data: this.#splitter.sealed(piece), parts: [...new Set(parts.map((part) => part.id))] });
  }

  #delivery(from: RunId, outgoing: Outgoing, earlier: Earlier): PreparedDelivery {
    const { delivery } = outgoing;
    const message = delivery.kind === 'message' ? delivery : undefined;
    const found = outgoing.instance && this.#instance(outgoing.instance, message ?? {}, earlier);
    const to = found === undefined ? outgoing.to : found.to;
    const key = to === undefined ? undefined : this.#keyOf(to);
    return {
      to: outgoing.to,
      item: to === undefined || key === undefined ? undefined : itemFor(to, key, from, outgoing.key, delivery),
      isMessage: message !== undefined,
      request: message?.request,
      sent: outgoing.sent,
      replies: delivery.kind === 'reply' ? delivery.results.map(({ id }) => id) : NO_CALLS,
      grants: each(outgoing.grants ?? NO_ROWS, grantRow),
      instance: found?.instance,
    };
  }

  /**
   * The run of an instance as it is now: its present one, or a new one that starts from the last one's checkpoint.
   * @param first what the message brings along besides its body
   * @param earlier instances that earlier deliveries of the same commit are for
   */
  #instance(
    { id, of, record, grants }: Instance,
    first: Pick<RunRecord, 'label' | 'depth' | 'hops'>,
    earlier: Earlier,
  ): { readonly instance: PreparedInstance; readonly to: RunId | undefined } {
    const before = earlier.runs?.get(id);
    if (before !== undefined) return { instance: { id, of, expected: undefined, next: undefined, again: true }, to: before };
    const last = this.#engine.requests.instance(id);
    const expected = last && { run: last.run, ended: last.ended, erased: last.erased };
    if (last !== undefined && !last.ended) {
      earlier.note(id, last.run);
      return { instance: { id, of, expected, next: undefined, again: false }, to: last.run };
    }
    // Killing an instance also discards its state.
    const kept = last === undefined || last.killed ? {} : this.#kept(last.run);
    earlier.note(id, record.id);
    if ('why' in kept) return { instance: { id, of, expected, next: kept, again: false }, to: undefined };
    const service = { key: record.service?.key ?? '', ...kept };
    // The first sender chose the key that the instance is given, and the instance may act before it reads the message; so the
    // message's label applies from the start.
    const { label, depth, hops } = first;
    const led = {
      ...(label === undefined ? {} : { label }),
      ...(depth === undefined ? {} : { depth }),
      ...(hops === undefined ? {} : { hops }),
    };
    const next = this.admission({ ...record, ...led, service }, grants, epochOf(false));
    return { instance: { id, of, expected, next, again: false }, to: record.id };
  }

  /** The state an instance had kept when it ended: that after its last completed turn. */
  #kept(run: RunId): Kept | Unkept {
    try {
      const stored = this.#evidence.origin(run);
      if (stored === undefined) return {};
      const { record, checkpoint } = stored;
      const [entry] = checkpoint === 0 ? [] : this.#evidence.journal(run, checkpoint - 1, 1);
      if (entry?.event?.kind === 'checkpoint') return keptBy(entry.event);
      const { key: _, ...kept } = record.service ?? { key: '' };
      return kept;
    } catch (error) {
      // Erased or pruned on purpose: the instance starts without state.
      if (error instanceof CorralError && GONE.has(error.code)) return {};
      if (!(error instanceof CorralError || error instanceof Broken)) throw error;
      return { run, why: error.message };
    }
  }

  /** The key that a delivery is sealed under; undefined if there is no such run or its key cannot be opened. */
  #keyOf(run: RunId): Uint8Array | undefined {
    try {
      return this.#head(run).key;
    } catch (error) {
      // The sender is not at fault, and its commit must not be refused for this.
      if (error instanceof CorralError) return undefined;
      throw error;
    }
  }

  #headOf(run: RunId, epoch: number): Head {
    const head = this.#head(run);
    // Another node may have held it meanwhile. A head of the present epoch is kept: earlier commits of the batch may follow it.
    if (head.epoch >= epoch || this.#engine.runs.custodian(run)?.epoch === head.epoch) return head;
    this.#heads.delete(run);
    return this.#head(run);
  }

  #head(run: RunId): Head {
    const known = this.#heads.get(run) ?? this.#born.get(run);
    if (known !== undefined) return known;
    const row = this.#engine.runs.custodian(run);
    if (row === undefined) throw new CorralError('CORRAL_RUN_UNKNOWN', `There is no run ${run}.`);
    const { n, tenant, epoch, hash } = row;
    const key = refused(() => this.#evidence.keyOf(row));
    return this.#remember(run, { n, tenant, key, epoch, hash: hash ?? NO_HASH, batch: 0, ahead: NO_HASH });
  }

  #remember(run: RunId, head: Head): Head {
    if (this.#heads.size >= HEADS) {
      const [oldest] = this.#heads;
      // Commits of this batch may follow it.
      if (oldest !== undefined && oldest[1].batch !== this.#batch) this.#heads.delete(oldest[0]);
    }
    this.#heads.set(run, head);
    return head;
  }
}

/** Most lists of a commit are empty, and commits are many. */
const each = <A, B>(all: readonly A[], make: (one: A) => B): readonly B[] => (all.length === 0 ? NO_ROWS : all.map((one) => make(one)));

/** Instances of services that deliveries of one commit are for, each with its run. */
class Earlier {
  runs: Map<string, RunId> | undefined;

  note(instance: string, run: RunId): void {
    this.runs ??= new Map();
    this.runs.set(instance, run);
  }
}

/** The epoch that a run begins with: the first, if somebody holds it. */
export const epochOf = (isHeld: boolean): number => Number(isHeld);

const grantRow = (grant: Grant): NewGrant => ({
  id: grant.id,
  parent: grant.parent,
  holder: grant.holder,
  data: JSON.stringify(grant),
});

const itemFor = (to: RunId, runKey: Uint8Array, sender: string, key: string, delivery: PendingDelivery): Item => ({
  sender,
  key,
  format: FORMAT.sent,
  delivery: seal(runKey, PLACE.sent(to, sender, key), encodeTexts([JSON.stringify(delivery)])),
});

function keptBy(event: Extract<NonNullable<Entry['event']>, { kind: 'checkpoint' }>): Kept {
  const { label, handles, placed } = event.ledger as Kept;
  return {
    state: event.state,
    ...(label === undefined ? {} : { label }),
    ...(handles === undefined ? {} : { handles }),
    ...(placed === undefined ? {} : { placed }),
  };
}
