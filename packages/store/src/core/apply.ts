/**
 * The rules by which prepared writes take effect, over the rows of an engine and within its transaction: who may append, one reply for
 * each request, the bounds of mailboxes and of instances, what the end of a run takes with it. Nothing is sealed, hashed or opened here.
 * Each function refuses before it writes anything.
 */
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import { MACHINE } from '@corral/protocol/limits';
import type { Quarantine } from '@corral/protocol/model/quarantine';
import { daysOf, type SpendChange } from '@corral/protocol/model/spend';
import type { CommitResult, GrantUse } from '@corral/protocol/ports/store';
import { noteChange } from './changes.ts';
import type { Engine, GrantRows, Standing } from './engine.ts';
import { answerKey, FORMAT, type Refusal, refusalKey, resultOf, type Tombstone, tombstoneBytes, TOOL } from './mailbox.ts';
import type { Nodes } from './nodes.ts';
import {
  type End,
  type Payloads,
  type PreparedAnswers,
  type PreparedBurial,
  type PreparedCommit,
  type PreparedDelivery,
  type PreparedInstance,
  type PreparedRun,
  Stale,
} from './prepared.ts';

/** Entry that the payloads of a record and of an outcome are noted for. */
const OUTLIVES = 0;

/**
 * @param last the hash of the run's last entry under this epoch
 * @throws CORRAL_EPOCH_STALE, CORRAL_LEASE_LOST, CORRAL_SPENT_ELSEWHERE, CORRAL_RUN_UNKNOWN; Stale
 */
export function applyCommit(engine: Engine, nodes: Nodes, commit: PreparedCommit, last: Uint8Array): CommitResult {
  const { run, entry, state } = commit;
  const standing = mayAppend(engine, commit);
  const { n } = standing;
  if (commit.after !== last) throw new Stale(`Entry ${entry.seq} of ${run} follows another one than it was prepared for.`);
  mustHold(engine, commit);
  const counted = countedOf(engine.grants, commit.uses);
  if (commit.spend?.limits !== undefined) mustAfford(engine.accounts, commit.spend);
  engine.journal.append(n, entry);
  namePayloads(engine, n, entry.seq, commit.payloads);
  nodes.entry(standing.owner, entry.at);
  if (state.lifecycle !== standing.lifecycle || state.control !== standing.control) {
    engine.runs.state(n, state);
    namePayloads(engine, n, OUTLIVES, commit.kept);
  }
  if (commit.asking !== standing.asking) engine.runs.asking(n, commit.asking);
  if (standing.attempts > 0) engine.runs.progressed(n);
  if (commit.isCheckpoint) engine.runs.checkpoint(n, entry.seq);
  if (commit.decided !== undefined) engine.journal.decided(n, commit.decided);
  if (commit.moved !== undefined) engine.runs.moved(n, commit.moved);
  if (commit.consumed !== undefined) engine.inbox.take(n, commit.consumed);
  for (const call of commit.answered) engine.inbox.take(n, -call);
  for (const child of commit.children) applyAdmission(engine, child, standing.owner);
  for (const grant of commit.grants) engine.grants.put(grant);
  for (const { id, used, sent_bytes, rested_at } of counted) engine.grants.count(id, used, sent_bytes, rested_at);
  for (const grant of commit.revoked) {
    engine.grants.revoke(grant);
    engine.log.due({ kind: 'revoked', grant });
    noteChange(engine.registry, 'revoked', grant);
  }
  if (commit.spend !== undefined) engine.accounts.post(commit.spend);
  if (commit.quarantine !== undefined) putQuarantine(engine, commit.quarantine);
  for (const id of commit.timersDone) engine.timers.drop(n, id);
  for (const { id, due } of commit.timers) engine.timers.put(n, id, due);
  const post = new Post(engine, entry.at);
  const delivered = post.sendAll(run, n, commit.outbox);
  if (state.lifecycle === 'ended') post.close(run, n, commit.end);
  return { ...post.result(delivered), ...(counted.length === 0 ? {} : { counted }) };
}

/** Its payloads are there (`mustBeThere`). @param owner the node that holds it; undefined: it waits in the store */
export function applyAdmission(engine: Engine, { run, grants, ...payloads }: PreparedRun, owner: number | undefined): void {
  const n = engine.runs.insert(run, owner);
  namePayloads(engine, n, OUTLIVES, payloads);
  for (const grant of grants) engine.grants.put(grant);
}

export function putQuarantine({ registry, log }: Engine, quarantine: Quarantine): void {
  registry.putQuarantine(quarantine);
  noteChange(registry, 'quarantines');
  const { kind, tenant = null, name, by, reason, at } = quarantine;
  log.due({ kind: 'quarantined', of: kind, tenant, name, by, reason, at });
}

/** Nothing is kept for a node that does not hold the run any more. */
export function applyAnswers(engine: Engine, { run, epoch, items }: PreparedAnswers): void {
  const standing = engine.runs.standing(run);
  if (standing === undefined || standing.epoch !== epoch || standing.parked) return;
  if (standing.lifecycle === 'ended' || standing.lease === 0) return;
  for (const { call, item } of items) engine.inbox.keep(standing.n, -call, item);
}

/** @returns runs whose requests were answered by this; undefined: it had ended */
export function applyBurial(engine: Engine, burial: PreparedBurial): readonly RunId[] | undefined {
  mustBeThere(engine, burial);
  if (!engine.runs.bury(burial.n, burial.kind, burial.outcome, burial.at)) return undefined;
  namePayloads(engine, burial.n, OUTLIVES, burial);
  engine.log.buried(burial.n);
  const post = new Post(engine, burial.at);
  post.close(burial.run, burial.n, burial.end);
  return post.result([]).answered ?? [];
}

function mayAppend(engine: Engine, { run, n, epoch, entry: { seq } }: PreparedCommit): Standing {
  const standing = engine.runs.standing(run, n);
  if (standing === undefined) throw new CorralError('CORRAL_RUN_UNKNOWN', `There is no run ${run}.`);
  const last = standing.seq ?? 0;
  if (standing.epoch !== epoch || last !== seq - 1 || standing.lifecycle === 'ended' || standing.parked) {
    throw new CorralError(
      'CORRAL_EPOCH_STALE',
      `Entry ${seq} of ${run} under epoch ${epoch} was refused: the run is at entry ${last}, epoch ${standing.epoch}, ${standing.lifecycle}.`,
    );
  }
  if (standing.lease === 0) {
    const message = `Entry ${seq} of ${run} was refused: node ${standing.owner}, which holds it, counts as dead.`;
    throw new CorralError('CORRAL_LEASE_LOST', message);
  }
  return standing;
}

/** Conditions that it was prepared on. @throws Stale */
function mustHold(engine: Engine, { payloads, kept, children, outbox }: PreparedCommit): void {
  mustBeThere(engine, payloads);
  mustBeThere(engine, kept);
  for (const child of children) mustBeThere(engine, child);
  for (const { instance } of outbox) {
    if (instance === undefined) continue;
    mustBeAsExpected(engine, instance);
    if (instance.next !== undefined && 'grants' in instance.next) mustBeThere(engine, instance.next);
  }
}

/** A payload was stored before; it may have been deleted since, with the last entry that named it. */
export function mustBeThere(engine: Engine, { refs }: Payloads): void {
  for (const id of refs) if (!engine.blobs.has(id)) throw new Stale(`The payload ${id} has been deleted.`);
}

function namePayloads(engine: Engine, n: number, seq: number, { refs }: Payloads): void {
  for (const id of refs) engine.blobs.refer(n, seq, id);
}

function mustBeAsExpected(engine: Engine, { id, expected, again }: PreparedInstance): void {
  if (again) return;
  const there = engine.requests.instance(id);
  if (there?.run === expected?.run && there?.ended === expected?.ended && there?.erased === expected?.erased) return;
  throw new Stale(`The instance ${id} is at ${there?.run ?? 'no run'}, and not at ${expected?.run ?? 'no run'} any more.`);
}

/** A grant with its uses counted, not stored yet. */
type CountedGrant = NonNullable<CommitResult['counted']>[number];

/** @throws CORRAL_SPENT_ELSEWHERE if one of them has not that many left */
function countedOf(grants: GrantRows, uses: readonly GrantUse[]): CountedGrant[] {
  const found: CountedGrant[] = [];
  for (const { grant: id, times, bytes, at } of uses) {
    const grant = grants.get(id);
    if (grant === undefined) continue;
    const used = grant.used + times;
    const sent_bytes = (grant.sent_bytes ?? 0) + bytes;
    const most = grant.uses !== undefined && used > grant.uses ? `${grant.uses} uses` : undefined;
    const over = most ?? (grant.bytes !== undefined && sent_bytes > grant.bytes ? `${grant.bytes} bytes` : undefined);
    if (over !== undefined)
      throw new CorralError('CORRAL_SPENT_ELSEWHERE', `The ${over} of the grant ${id} do not suffice: others have used it meanwhile.`);
    found.push({
      id,
      used,
      revoked: grant.revoked,
      ...(grant.bytes === undefined ? {} : { sent_bytes }),
      // As each use would have moved it (see Grants.use of the policy); a rate is kept by those who decide.
      ...(grant.rate === undefined ? {} : { rested_at: Math.max(at, grant.rested_at ?? 0) + (times * 60_000) / grant.rate.per_minute }),
    });
  }
  return found;
}

/** @throws CORRAL_SPENT_ELSEWHERE if an account would have more than a limit of the change allows */
function mustAfford(accounts: Engine['accounts'], { days, limits = [] }: SpendChange): void {
  for (const { holder, which, name, most } of limits) {
    let sum = accounts.committed(holder, daysOf(which), name);
    for (const { day, spent, reserved } of days) if (day.startsWith(which)) sum += spent[name] + reserved[name];
    if (sum <= most) continue;
    const message = `The ${most} ${name} of ${holder.kind} ${holder.name} for ${which} do not suffice: others have spent of them meanwhile.`;
    throw new CorralError('CORRAL_SPENT_ELSEWHERE', message);
  }
}

const NOTHING: readonly number[] = [];

/** Deliveries of one write, and what its host must know of them. */
class Post {
  readonly #engine: Engine;
  /** Milliseconds since 1970. */
  readonly #at: number;
  readonly #receivers: RunId[] = [];
  readonly #created: RunId[] = [];
  readonly #answered: RunId[] = [];
  readonly #tombstones: Tombstone[] = [];
  /** By instance, what deliveries of this write to it meet; undefined: none was for an instance. */
  #instances: Map<string, RunId | Refusal> | undefined;

  constructor(engine: Engine, at: number) {
    this.#engine = engine;
    this.#at = at;
  }

  /**
   * Delivers the messages of a commit, and stores a refusal for each that reached nobody: if this host crashes before the sender has read
   * it, the next host finds it.
   */
  sendAll(run: RunId, n: number, outbox: readonly PreparedDelivery[]): readonly number[] {
    if (outbox.length === 0) return NOTHING;
    const delivered = outbox.map((delivery) => this.#send(run, delivery));
    for (const tombstone of this.#tombstones)
      this.#engine.inbox.keep(n, -tombstone.call, {
        sender: TOOL,
        key: answerKey(tombstone.call),
        format: FORMAT.refusal,
        delivery: tombstoneBytes(tombstone),
      });
    return delivered;
  }

  /**
   * A run has ended: each run that waits for its reply is refused, and its inbox and timers are deleted. Its grants stay as a record; they
   * are void because their holder has ended.
   */
  close(run: RunId, n: number, { how, label }: End): void {
    const said = { ...(how === undefined ? {} : { how }), ...(label === undefined ? {} : { label }) };
    for (const { requester, id, begun } of this.#engine.requests.close(run, n))
      this.#refuse(requester, { refused: 'unanswered', call: id, begun, ...said });
    this.#engine.inbox.clear(n);
    this.#engine.timers.clear(n);
  }

  result(delivered: readonly number[]): CommitResult {
    const [answered, created, tombstones] = [this.#answered, this.#created, this.#tombstones];
    return {
      delivered,
      ...(this.#instances === undefined ? {} : { receivers: this.#receivers }),
      ...(created.length === 0 ? {} : { created }),
      ...(answered.length === 0 ? {} : { answered }),
      ...(tombstones.length === 0 ? {} : { unreached: tombstones.map((tombstone) => resultOf(tombstone)) }),
    };
  }

  /** Delivers a message; an undeliverable request is refused. */
  #send(from: RunId, delivery: PreparedDelivery): number {
    const { instance, request, sent } = delivery;
    // A second reply, or one to a request that was never made, is dropped.
    const isDue = delivery.replies.every((id) => this.#engine.requests.answer(delivery.to, id, from));
    const to = instance === undefined ? delivery.to : this.#instance(instance);
    this.#receivers.push(typeof to === 'string' ? to : delivery.to);
    if (typeof to !== 'string') {
      if (request !== undefined) this.#refuse(from, { ...to, call: request });
      return 0;
    }
    if (!isDue) return 0;
    const number = this.#deliver(to, delivery);
    const refused = number < 0 ? 'full' : 'ended';
    if (number <= 0 && sent !== undefined) this.#tombstones.push({ refused, call: sent, message: true });
    if (request === undefined) return number;
    if (number > 0) this.#engine.requests.open(from, request, to, number);
    else this.#refuse(from, { refused, call: request });
    return number;
  }

  /** The run of an instance: its present one, or a new one. @returns instead, why there is none */
  #instance(instance: PreparedInstance): RunId | Refusal {
    this.#instances ??= new Map();
    const known = this.#instances.get(instance.id);
    if (known !== undefined) return known;
    const found = this.#begin(instance);
    this.#instances.set(instance.id, found);
    return found;
  }

  #begin({ id, of, expected, next }: PreparedInstance): RunId | Refusal {
    if (next === undefined) return (expected as { run: RunId }).run;
    if (this.#engine.requests.alive(of) >= MACHINE.instances_per_service.default) return { refused: 'crowded' };
    if ('why' in next) {
      // A run that began without this state would silently lose what the instance has done.
      this.#engine.runs.quarantine(next.run, next.why);
      return { refused: 'damaged', run: next.run };
    }
    applyAdmission(this.#engine, next, undefined);
    this.#engine.requests.putInstance(id, of, next.run.id);
    this.#created.push(next.run.id);
    return next.run.id;
  }

  #refuse(to: RunId, tombstone: Tombstone): void {
    const item = { sender: to, key: refusalKey(tombstone.call), format: FORMAT.refusal, delivery: tombstoneBytes(tombstone) };
    if (this.#engine.inbox.place(to, item, this.#at) > 0) this.#answered.push(to);
  }

  /** Puts a delivery into an inbox; 0: the receiver has ended; -1: too many messages wait for it. */
  #deliver(to: RunId, { item, isMessage, grants }: PreparedDelivery): number {
    if (isMessage && this.#waiting(to) >= MACHINE.mailbox_messages.default) return -1;
    if (item === undefined) return 0;
    const number = this.#engine.inbox.place(to, item, this.#at);
    if (number > 0) for (const grant of grants) this.#engine.grants.put(grant);
    return number;
  }

  /** How many deliveries wait for a run. They are usually taken in order, so the first and last numbers give the count. */
  #waiting(run: RunId): number {
    const span = this.#engine.inbox.span(run);
    if (span === undefined || span.first === null) return 0;
    const most = span.last - span.first + 1;
    // An instance of a service takes replies ahead of waiting messages, so its deliveries are counted.
    return most < MACHINE.mailbox_messages.default ? most : this.#engine.inbox.count(run);
  }
}
