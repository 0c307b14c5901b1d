/**
 * What a run takes with it from one segment of its journal into the next: everything the bus holds it to. A checkpoint is
 * allowed with nothing under way, so nothing pending is in it.
 */
import type { Amounts } from '@corral/policy/purse';
import type { PlacedHandle } from '@corral/protocol/handle';
import type { GrantId } from '@corral/protocol/ids';
import type { Label } from '@corral/protocol/label';
import type { RunHeader } from '@corral/protocol/run';
import { placed, type SavedHandles } from './handles.ts';
import type { Ledger } from './ledger.ts';
import type { Pending } from './pending.ts';
import type { SavedRates } from './rates.ts';
import type { SavedWall } from './wall.ts';
import type { SavedWatch } from './watch.ts';

export interface LedgerSnapshot extends SavedWall {
  readonly seq: number;
  readonly lastId: number;
  readonly effects: number;
  readonly calls: number;
  readonly logBytes: number;
  readonly journalBytes: number;
  readonly depth: number;
  /** Absent: none, or it was taken before they were counted. */
  readonly hops?: number;
  readonly control: Ledger['control'];
  readonly held: Ledger['held'];
  readonly cancelled: Ledger['cancelled'];
  readonly version: Ledger['version'];
  readonly bundle: Ledger['bundle'];
  readonly label: Label | undefined;
  readonly header: RunHeader;
  readonly spent: Amounts;
  readonly caps: readonly (readonly [number, GrantId])[];
  readonly nextCap?: number;
  readonly refusedFor: readonly string[];
  /** How often it called each tool, lately: a checkpoint gives nobody a fresh rate.*/
  readonly rates?: SavedRates;
  /** What others asked it, and it has not answered. */
  readonly asked?: readonly string[];
  /** Of a checkpoint: those its state names, and those it began with; the others are let go of. Absent where there were never any. */
  readonly handles?: SavedHandles;
  /** Where they stand in the state of a checkpoint, and in the messages it had not read. */
  readonly placed?: readonly PlacedHandle[];
  /** What its detectors know; absent where nobody watches. */
  readonly loops?: SavedWatch;
}

/** All that a ledger knows of a run with nothing on its way to a tool: what fold would make of its journal once more. */
export interface SavedLedger extends LedgerSnapshot {
  readonly listening: boolean;
  /** Of a service's instance: a turn is under way. */
  readonly turn?: true;
  readonly pending: readonly Pending[];
  readonly reserved: Amounts;
  readonly inFlight: number;
  readonly segment_entries: number;
  readonly segment_cpu_us: number;
  readonly checkpoint: Ledger['checkpoint'];
  readonly lastAt: number;
  /** Time stamp of its last entry. */
  readonly stamped_at?: number;
}

export function savedOf(ledger: Ledger, lastAt: number): SavedLedger {
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
    // The state is needed again only by a segment that has not begun, and to tell whether a turn changed it.
    checkpoint:
      checkpoint && segment_entries > 0 && ledger.record.service === undefined ? { ...checkpoint, state: null, unread: [] } : checkpoint,
    lastAt,
    stamped_at: ledger.wall.stamped_at,
  };
}

export function snapshotOf(ledger: Ledger): LedgerSnapshot {
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
    held: ledger.held,
    cancelled: ledger.cancelled,
    version: ledger.version,
    bundle: ledger.bundle,
    label: ledger.flow?.label,
    header: ledger.header,
    spent: ledger.spent(),
    caps: [...ledger.caps],
    nextCap: ledger.nextCap,
    refusedFor: [...ledger.refusedFor],
    ...(asked.length === 0 ? {} : { asked }),
    rates: ledger.rates.save(),
    ...handlesOf(ledger),
    ...(ledger.loops === undefined ? {} : { loops: ledger.loops.save() }),
  };
}

function handlesOf({ handles, checkpointing, record }: Ledger): Pick<LedgerSnapshot, 'handles' | 'placed'> {
  if (handles.next === 1) return {};
  if (checkpointing === undefined) return { handles: handles.save() };
  const stored = checkpointing.handles ?? [];
  const kept = new Set([...(record.handles ?? []).map((_, i) => i + 1), ...stored.map(({ handle }) => handle)]);
  return { handles: handles.save(kept), ...(stored.length === 0 ? {} : { placed: placed(handles, stored) }) };
}
