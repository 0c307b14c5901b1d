/**
 * Restores a run from the store: its journal is applied to a ledger, from the last checkpoint on, and the deliveries that wait for it are
 * put into its queue. No decision is made again (ARCHITECTURE.md, "Residence, parking and revival").
 */
import { Ledger } from '@corral/broker/ledger/ledger';
import { dueOf } from '@corral/broker/ledger/requests';
import type { SavedLedger } from '@corral/broker/ledger/snapshot';
import type { RunDetectors } from '@corral/broker/ledger/detectors';
import type { Grants } from '@corral/policy/capability/grants';
import type { Grant, GrantState } from '@corral/protocol/model/grant';
import { CorralError } from '@corral/protocol/errors';
import type { Digest, GrantId, RunId, TenantId } from '@corral/protocol/ids';
import { MACHINE } from '@corral/protocol/limits';
import type { Clock } from '@corral/protocol/ports/machine';
import type { Entry, RunRecord } from '@corral/protocol/model/run';
import { ALL_OF_INBOX, type Downtime, type InboxItem, type Store, type StoredRun } from '@corral/protocol/ports/store';
import type { LoadedBundle } from '../admission/bundles.ts';
import { programOf } from '../admission/programs.ts';
import type { Tool } from '@corral/protocol/ports/tool';
import { startOf } from './start.ts';
import { grantsIn } from './queue.ts';
import { Run } from './run.ts';

export interface ReviveOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly grants: Grants;
  readonly tool: (tenant: TenantId, name: string) => Tool | undefined;
  readonly load: (bundle: Digest) => Promise<LoadedBundle>;
  /** Whether a tenant has policies, so that information flow is tracked. */
  readonly tracked: (tenant: TenantId) => boolean;
  /** Detectors of a run; undefined if it is not watched. */
  readonly watch: (record: RunRecord) => RunDetectors | undefined;
  /** Whether other nodes may revoke grants. */
  readonly isFleet: boolean;
  /** Milliseconds between two times in which no host was running, or the run was `away`. */
  readonly absent: (from: number, until: number, away: readonly Downtime[]) => number;
}

/** Entries that are applied in one go, before other work of the host gets a turn. */
export const FOLD_AT_ONCE = 250;

/** Time for which entries are applied in one go, in milliseconds. */
const FOLD_MS = 10;

/** A journal, read a few megabytes at a time: that of a run with long prompts has more text than memory should hold at once. */
async function* entriesOf(store: Pick<Store, 'journal'>, run: RunId, from: number, to: number): AsyncGenerator<Entry> {
  for (let after = from; after < to;) {
    const page = await store.journal(run, after, FOLD_AT_ONCE, MACHINE.replay_bytes.default);
    yield* page;
    const last = page.at(-1);
    if (last === undefined) return;
    after = last.seq;
  }
}

/** Lets other work of the host have a turn, if entries were applied for long or there were many. */
function pauses(clock: Clock): () => Promise<void> {
  let since = clock.monotonic();
  let steps = 0;
  return async () => {
    if ((steps += 1) < FOLD_AT_ONCE && clock.monotonic() - since < FOLD_MS) return;
    await new Promise<void>((resolve) => clock.after(0, resolve));
    since = clock.monotonic();
    steps = 0;
  };
}

/**
 * @param stored result of the claim
 * @throws CORRAL_AGENT_UNKNOWN, CORRAL_JOURNAL_DAMAGED
 */
export async function revive(options: ReviveOptions, stored: StoredRun): Promise<Run> {
  const { store, clock, grants, load, tracked, watch, absent } = options;
  const { record, epoch, seq, checkpoint, away = [] } = stored;
  if (isTorn(stored)) throw new CorralError('CORRAL_JOURNAL_DAMAGED', `The fork ${record.id} was not stored completely; fork it again.`);
  const inbox = await store.inbox(record.id, ALL_OF_INBOX);
  const ledger = new Ledger(record, tracked(record.tenant), watch(record));
  ledger.wall.absent = (from, until) => absent(from, until, away);
  let lastAt = 0;
  // The ledger that its last host saved replaces the journal.
  const kept = savedFor(stored, tracked);
  if (kept !== undefined) {
    const saved = JSON.parse(kept) as SavedLedger;
    ledger.load(saved);
    lastAt = saved.lastAt;
  } else {
    const pause = pauses(clock);
    for await (const entry of entriesOf(store, record.id, Math.max(0, checkpoint - 1), seq)) {
      for (const _ of ledger.applying(entry, { checkpoint })) await pause();
      await pause();
      lastAt = Math.max(lastAt, entry.at);
    }
  }
  // Read after the inbox, so that the grants which its messages carry are included.
  const chain = await store.grants(record.id);
  // The amounts that applying the entries has gathered are in the store already.
  ledger.tally.take();
  const bundle = programOf(record) ?? (await load(ledger.bundle));
  bundle.agent(record.agent);
  const control = stored.status.control === 'quarantined' ? 'quarantined' : ledger.control;
  const answers = inbox.flatMap(({ seq, delivery }) => (seq < 0 && delivery.kind === 'reply' ? delivery.results : []));
  const run = new Run(ledger, bundle, epoch, { lastAt, control, kept: answers, restored: stored.restored });
  const held = [...ledger.caps.values(), ...inbox.flatMap(({ delivery }) => grantsIn(delivery))];
  if (options.isFleet) await addFollowed(store, grants, chain, held);
  else addChain(grants, chain, held);

  if (ledger.segment_entries === 0) run.queue.add(startOf(ledger, run.manifest, options));
  const isUnreached = (id: number) => run.kept.some((result) => result.id === id);
  for (const pending of ledger.pending.values()) {
    // If a message could not be delivered, its sender gets that answer instead, once it is recorded (taken-up.ts).
    if (pending.kind === 'decided' && !(pending.sent === true && isUnreached(pending.id))) run.queue.add(pending.delivery);
  }
  if (ledger.cancelled !== undefined && !ledger.cancelled.told)
    run.queue.add({ kind: 'cancel', reason: ledger.cancelled.reason, reaches_awaits: true });
  const notice = ledger.loops?.notice;
  if (notice !== undefined) run.queue.add(notice);
  const { wall } = ledger;
  if (wall.began_at !== undefined) {
    const used_ms = wall.used(idleUntil(run, inbox, clock.now()));
    wall.start(clock.monotonic(), used_ms);
  }
  for (const { seq, delivery } of inbox) if (seq > 0) run.queue.receive(delivery, seq);
  run.queue.seen(stored.inbox);
  return run;
}

/**
 * The time up to which a restored run waited for others; after that it waited for the host, and its wall clock did not run. The time for
 * which a call was under way when the host ended is not known, so it does not count.
 * @param run whose queue contains the deliveries from its ledger, and nothing of its inbox
 */
function idleUntil({ ledger, queue }: Run, inbox: readonly InboxItem[], now: number): number {
  const last = ledger.wall.stamped_at;
  if (queue.length > 0) return last;
  let until = now;
  for (const { at } of inbox) until = Math.min(until, at ?? now);
  for (const pending of ledger.pending.values())
    if (pending.kind === 'call' && pending.state === 'going') return last;
    else until = Math.min(until, dueOf(pending) ?? now);
  return Math.max(last, until);
}

/**
 * Loads grants into memory, with those from which they were derived. Other grants of the run stay in the store.
 * @param chain grants in the store
 * @param held those among them that a run in memory holds
 */
export function addChain(grants: Grants, chain: readonly (Grant & GrantState)[], held: readonly GrantId[]): void {
  const byId = new Map(chain.map((grant) => [grant.id, grant]));
  const add = (id: GrantId, isHeld: boolean) => {
    const found = byId.get(id);
    if (found === undefined) return;
    const { used, revoked, sent_bytes, rested_at, ...grant } = found;
    // Parents first, because a grant is linked to its parent when it is added.
    if (grant.parent !== undefined) add(grant.parent, false);
    const counts = { ...(sent_bytes === undefined ? {} : { sent_bytes }), ...(rested_at === undefined ? {} : { rested_at }) };
    grants.add(grant, { used, revoked, ...counts }, isHeld);
  };
  for (const id of held) add(id, true);
}

/**
 * Loads grants into memory where other nodes may revoke some meanwhile. It reads the revocations once more when the grants are in memory:
 * a revocation between the reading of the chain and that moment was followed while this node did not know the grants.
 * @throws what the store says; to be called again then, since the grants are in memory already
 */
export async function addFollowed(
  store: Pick<Store, 'revoked'>,
  grants: Grants,
  chain: readonly (Grant & GrantState)[],
  held: readonly GrantId[],
): Promise<void> {
  addChain(grants, chain, held);
  const standing = chain.flatMap(({ id, revoked }) => (revoked ? [] : [id]));
  if (standing.length > 0) for (const id of await store.revoked(standing)) grants.revoke(id);
}

/** The saved ledger does not contain the origins of values. If they are tracked, the journal is read instead. */
const savedFor = ({ ledger, record }: StoredRun, tracked: ReviveOptions['tracked']) => (tracked(record.tenant) ? undefined : ledger);
/**
 * Whether a host died before it had written all entries of a fork. Such a fork must not go on: it would treat its origin's calls as its
 * own.
 */
function isTorn({ record, seq }: StoredRun): boolean {
  const { origin } = record;
  return origin !== undefined && origin.at > 1 && seq < (origin.entries ?? origin.at);
}
