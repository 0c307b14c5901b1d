/**
 * The state of a ledger that is carried from one segment of the journal into the next. A checkpoint requires that nothing is under way,
 * so no pending effects are in it.
 */
import type { Amounts } from '@corral/policy/capability/purse';
import type { PlacedHandle } from '@corral/protocol/wire/handle';
import type { GrantId, RunId } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import type { Label } from '@corral/protocol/model/label';
import type { StandingApproval } from '@corral/protocol/model/standing';
import type { RunHeader } from '@corral/protocol/model/run';
import { placed, type SavedHandles } from './handles.ts';
import type { Books } from './books.ts';
import { loadedOf, type Pending } from './pending.ts';
import type { SavedRates } from './rates.ts';
import type { SavedWall } from './wall.ts';
import type { SavedWatch } from './detectors.ts';

export interface LedgerSnapshot extends SavedWall {
  readonly seq: number;
  readonly lastId: number;
  readonly effects: number;
  readonly calls: number;
  readonly logBytes: number;
  readonly journalBytes: number;
  readonly depth: number;
  /** Absent: 0, or the snapshot is older than this counter. */
  readonly hops?: number;
  readonly control: Books['control'];
  /** The run with whose descendants it was paused. */
  readonly family?: RunId;
  readonly held: Books['held'];
  readonly cancelled: Books['cancelled'];
  readonly version: Books['version'];
  readonly bundle: Books['bundle'];
  readonly label: Label | undefined;
  readonly header: RunHeader;
  readonly spent: Amounts;
  readonly caps: readonly (readonly [number, GrantId])[];
  readonly nextCap?: number;
  readonly refusedFor: readonly string[];
  /** Absent: none. */
  readonly approvals?: readonly StandingApproval[];
  /** Numbers of recent calls, so that a checkpoint does not reset the rates. */
  readonly rates?: SavedRates;
  /** Requests that the run has not answered. */
  readonly asked?: readonly string[];
  /**
   * For a checkpoint: the handles in its state and those with which the run began; the others are dropped. Absent if there never were
   * any.
   */
  readonly handles?: SavedHandles;
  /** Places of the handles in the state of a checkpoint, and in the messages not read yet. */
  readonly placed?: readonly PlacedHandle[];
  /** The state of the detectors; absent if the run is not watched. */
  readonly loops?: SavedWatch;
}

/** The complete state of a ledger that has no calls on their way to tools; equal to what reading its journal again would give. */
export interface SavedLedger extends LedgerSnapshot {
  readonly listening: boolean;
  /** For an instance of a service: a turn is under way. */
  readonly turn?: true;
  readonly pending: readonly Pending[];
  readonly reserved: Amounts;
  readonly inFlight: number;
  readonly segment_entries: number;
  readonly segment_cpu_us: number;
  readonly checkpoint: Books['checkpoint'];
  readonly lastAt: number;
  /** Time of the last entry. */
  readonly stamped_at?: number;
}

export function savedOf(ledger: Books, lastAt: number): SavedLedger {
  const { checkpoint, segment_entries, segment_cpu_us, listening, inFlight } = ledger;
  return {
    ...snapshotOf(ledger),
    listening,
    ...(ledger.asked.turn ? { turn: true as const } : {}),
    pending: [...ledger.pending.values()],
    reserved: ledger.purse.reserved(),
    inFlight,
    segment_entries,
    segment_cpu_us,
    // The state is needed only by a segment that has not begun, and by services to tell whether a turn changed it.
    checkpoint:
      checkpoint && segment_entries > 0 && ledger.record.service === undefined ? { ...checkpoint, state: null, unread: [] } : checkpoint,
    lastAt,
    stamped_at: ledger.wall.stamped_at,
  };
}

export function snapshotOf(ledger: Books): LedgerSnapshot {
  const asked = ledger.asked.save();
  return {
    seq: ledger.seq,
    lastId: ledger.lastId,
    effects: ledger.effects,
    calls: ledger.calls,
    logBytes: ledger.logBytes,
    journalBytes: ledger.journalBytes,
    depth: ledger.depth,
    hops: ledger.hops,
    ...ledger.wall.save(),
    control: ledger.control,
    ...(ledger.family === undefined ? {} : { family: ledger.family }),
    held: ledger.held,
    cancelled: ledger.cancelled,
    version: ledger.version,
    bundle: ledger.bundle,
    label: ledger.label,
    header: ledger.header,
    spent: ledger.purse.spent(),
    caps: [...ledger.caps],
    nextCap: ledger.nextCap,
    refusedFor: [...ledger.refusedFor],
    ...(ledger.approvals.length === 0 ? {} : { approvals: ledger.approvals }),
    ...(asked.length === 0 ? {} : { asked }),
    rates: ledger.rates.save(),
    ...handlesOf(ledger),
    ...(ledger.loops === undefined ? {} : { loops: ledger.loops.save() }),
  };
}

function handlesOf({ handles, checkpointing, record }: Books): Pick<LedgerSnapshot, 'handles' | 'placed'> {
  if (handles.next === 1) return {};
  if (checkpointing === undefined) return { handles: handles.save() };
  const stored = checkpointing.handles ?? [];
  const kept = new Set([...(record.handles ?? []).map((_, i) => i + 1), ...stored.map(({ handle }) => handle)]);
  return { handles: handles.save(kept), ...(stored.length === 0 ? {} : { placed: placed(handles, stored) }) };
}

/** Begins a segment with the state that the last one left. */
export function restoreTo(ledger: Books, from: LedgerSnapshot, state: Json, unread: Json): void {
  ledger.checkpoint = { seq: from.seq, state, unread, label: from.label, ...(from.placed === undefined ? {} : { placed: from.placed }) };
  ledger.checkpointing = undefined;
  ledger.seq = from.seq;
  ledger.lastId = from.lastId;
  ledger.effects = from.effects;
  ledger.calls = from.calls;
  ledger.logBytes = from.logBytes;
  ledger.journalBytes = from.journalBytes;
  ledger.depth = from.depth;
  ledger.hops = from.hops ?? 0;
  ledger.wall.load(from);
  ledger.control = from.control;
  ledger.family = from.family;
  ledger.held = from.held;
  ledger.cancelled = from.cancelled;
  ledger.version = from.version;
  ledger.bundle = from.bundle;
  ledger.header = from.header;
  // The next segment begins with the label of the checkpoint (see `Ledger.label`).
  ledger.flow = undefined;
  ledger.listening = false;
  ledger.segment_cpu_us = 0;
  ledger.segment_entries = 0;
  ledger.purse.restore(from.spent);
  if (from.loops !== undefined) ledger.loops?.load(from.loops);
  ledger.caps.clear();
  for (const [cap, grant] of from.caps) ledger.caps.set(cap, grant);
  ledger.nextCap = from.nextCap ?? ledger.record.caps.length;
  if (from.handles !== undefined) ledger.handles.load(from.handles);
  ledger.rates.load(from.rates ?? []);
  ledger.asked.load(from.asked ?? [], false);
  ledger.refusedFor = new Set(from.refusedFor);
  ledger.approvals = from.approvals ?? [];
}

/** The inverse of `savedOf`, for a new ledger. */
export function loadTo(ledger: Books, saved: SavedLedger): void {
  restoreTo(ledger, saved, null, []);
  ledger.listening = saved.listening;
  ledger.asked.turn = saved.turn === true;
  ledger.checkpoint = saved.checkpoint;
  ledger.segment_entries = saved.segment_entries;
  ledger.segment_cpu_us = saved.segment_cpu_us;
  ledger.inFlight = saved.inFlight;
  ledger.purse.reserve(saved.reserved);
  for (const pending of saved.pending) ledger.pending.set(pending.id, loadedOf(pending));
  ledger.wall.loaded(ledger.stands, saved.stamped_at ?? saved.lastAt);
}
