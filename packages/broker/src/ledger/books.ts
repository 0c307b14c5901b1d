/**
 * The state of one run, as the functions that apply entries read and change it. A ledger is its only implementation; a draft of a
 * crank is a ledger too.
 */
import type { Purse } from '@corral/policy/capability/purse';
import type { FlowRun } from '@corral/policy/flow/run';
import type { Digest, GrantId, RunId } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import type { Label } from '@corral/protocol/model/label';
import type { StandingApproval } from '@corral/protocol/model/standing';
import type { Control, HoldReason, RunRecord } from '@corral/protocol/model/run';
import type { Effect } from '@corral/protocol/wire/effect';
import type { PlacedHandle } from '@corral/protocol/wire/handle';
import type { Tally } from '../accounts/tally.ts';
import type { Asked } from './asked.ts';
import type { RunDetectors } from './detectors.ts';
import type { Handles } from './handles.ts';
import type { Cancelled, Pending } from './pending.ts';
import type { Rates } from './rates.ts';
import type { WallClock } from './wall.ts';

export interface Books {
  readonly record: RunRecord;
  readonly tracked: boolean;
  purse: Purse;
  /** The c-list: index to grant. An index has a meaning only within this run. */
  readonly caps: Map<number, GrantId>;
  /** The next index. Each index is used once, so the index of a disposed capability is never valid again. */
  nextCap: number;
  readonly pending: Map<number, Pending>;
  readonly handles: Handles;
  /** Time of the last delivery, in milliseconds since 1970. */
  lastAt: number;
  /** Number of the last journal entry. */
  seq: number;
  lastId: number;
  effects: number;
  calls: number;
  logBytes: number;
  journalBytes: number;
  listening: boolean;
  control: Control;
  /** The run with whose descendants this one was paused; undefined if it was paused alone or is not paused. */
  family: RunId | undefined;
  readonly wall: WallClock;
  /** Changes to the accounts above the run that its calls make. */
  tally: Tally;
  /** The request to cancel; `told` once the agent was given it. */
  cancelled: Cancelled | undefined;
  held: HoldReason | undefined;
  /** Label and provenance; undefined if no policy uses them. */
  flow: FlowRun | undefined;
  /** Numbers of recent calls of each tool. */
  readonly rates: Rates;
  /** The current code; an upgrade may have changed it since admission. */
  bundle: Digest;
  version: Digest;
  /** The runtime on which the journal was last replayed successfully. */
  header: RunRecord['header'];
  /** The last checkpoint: its entry and the state it saved. */
  checkpoint:
    | {
        readonly seq: number;
        readonly state: Json;
        readonly unread: Json;
        readonly label: Label | undefined;
        readonly placed?: readonly PlacedHandle[];
      }
    | undefined;
  /** The checkpoint effect of the crank that is being applied. */
  checkpointing: Extract<Effect, { kind: 'checkpoint' }> | undefined;
  /** CPU time of the cranks since the checkpoint, in microseconds: the cost of reviving the run. */
  segment_cpu_us: number;
  segment_entries: number;
  finished: Extract<Effect, { kind: 'finish' }> | undefined;
  /** Length of the longest causal chain of messages that reached this run. */
  depth: number;
  /** For a turn of a service and the runs that it spawned: the number of turns in the causal chain. */
  hops: number;
  /** Number of calls under way, kept separately because every call checks it. */
  inFlight: number;
  /** Limits for which the broker refused something. If an agent ends with an error about one of them, the error is true. */
  refusedFor: ReadonlySet<string>;

  /** Approvals that hold for later calls. */
  approvals: readonly StandingApproval[];
  /** Requests that the run has not answered. */
  asked: Asked;
  /** Detectors; undefined if the run is not watched. */
  readonly loops: RunDetectors | undefined;

  /** Records a refusal because of this limit. */
  refused(limit: string | undefined): void;
  /** Whether the run is stopped according to its journal: paused, held, or waiting for people. */
  readonly stands: boolean;
  /** The run's label; undefined if no policy uses labels. */
  readonly label: Label | undefined;
  /** Whether an instance of a service has a state: from a checkpoint, or from its record. */
  readonly hasState: boolean;
}
