/** Types of the bus: its collaborators, its input, and its events. */
import type { Grants } from '@corral/policy/capability/grants';
import type { ContextChange } from '@corral/protocol/model/context';
import type { Delivery, PendingDelivery, Result } from '@corral/protocol/wire/delivery';
import type { Decision } from '@corral/protocol/model/decision';
import type { CorralError } from '@corral/protocol/errors';
import type { Identity } from '@corral/protocol/model/identity';
import type { RunId, TenantId } from '@corral/protocol/ids';
import type { AgentVersion } from '@corral/protocol/model/manifest';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { ToldPlace } from '@corral/protocol/ports/events';
import type { Clock, Random } from '@corral/protocol/ports/machine';
import type { InputRequest } from '@corral/protocol/model/question';
import type { Control, RunRecord } from '@corral/protocol/model/run';
import type { Store } from '@corral/protocol/ports/store';
import type { Tool } from '@corral/protocol/ports/tool';
import type { Accounts, AccountState } from './accounts/accounts.ts';
import type { Behind } from './commit/behind.ts';
import type { BothLimits } from './dispatch/gates.ts';
import type { RoomMost } from './dispatch/room.ts';
import type { Chunk } from './dispatch/streams.ts';
import type { Look } from './dispatch/window.ts';
import type { Batch, Cause, Consequence, Stop } from './effects/batch.ts';
import type { Ledger } from './ledger/ledger.ts';
import type { Coming } from './memory.ts';
import type { AdmissionGate, Reached } from './effects/context.ts';
import type { Policies } from './policies/port.ts';

export interface BrokerPowers {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly grants: Grants;
  /** The policies in force for a tenant; undefined if it has none. */
  readonly policies?: (tenant: TenantId) => Policies | undefined;
  /** SHA-256 as hex. */
  readonly digest: (text: string) => string;
  /** How long people have to decide about a call; undefined: as limits.ts says. */
  readonly approval_ms?: number | undefined;
  /** A tool or service of a tenant, by name. */
  readonly tool: (tenant: TenantId, name: string) => Tool | undefined;
  /** Whether a tool that a tenant may use is under quarantine, and so is not given out by `tool`. */
  readonly quarantined?: (tenant: TenantId, name: string) => boolean;
  readonly standing?: () => AdmissionGate;
  /** The size of the next slice of a crank of this run; undefined: only the time of limits.ts limits it. */
  readonly slice?: ((run: RunId) => Slice) | undefined;
  /** How often a tool may be called by a tenant, and by all. */
  readonly limits?: (tenant: TenantId, tool: string) => BothLimits | undefined;
  /** Whether no other node can have taken the runs of this one, so that calls may be sent; left out: there is no other. */
  readonly isSure?: () => boolean;
  /** Why nothing more may be kept in memory for a run; without it, memory has no bound. */
  readonly lacksMemory?: (run: RunId, coming?: Coming) => string | undefined;
  /** Bytes of memory for results of calls on their way, of one tenant and of all; without it, they have no bound. */
  readonly resultBytes?: () => RoomMost;
  /** The span of a call as `traceparent`; undefined: this host has no telemetry. */
  readonly traceparent?: ((record: RunRecord, call: number) => string) | undefined;
  /** Purses above the run; without them, none are kept. */
  readonly accounts?: Accounts;
  /** The person behind the name of a principal who acts; undefined where the name alone identifies them. */
  readonly identity?: (principal: string) => Identity | undefined;
  /** An instance of one of its services. @param header the caller's */
  readonly reach: (tenant: TenantId, service: string, key: string, header: RunRecord['header']) => Reached | undefined;
}

/** Events of the bus for the supervisor. */
export interface BusEvents {
  /** A delivery for a run; `inbox` numbers it where the store keeps it until it is taken. */
  readonly deliver: (run: RunId, delivery: PendingDelivery, inbox: number | undefined) => void;
  readonly timer: (run: RunId, id: number, due: number) => void;
  readonly timerDone: (run: RunId, id: number) => void;
  readonly spawned: (record: RunRecord) => void;
  /** The end is durable. */
  readonly ended: (run: RunId, outcome: Outcome) => void;
  /** A call was answered. `once`: it may not be asked again, so its answer is all there is. */
  readonly answered: (run: RunId, result: Result, once: boolean) => void;
  /** The next parts of a stream, for which the run has asked. */
  readonly streamed: (run: RunId, chunk: Chunk) => void;
  /** The result of a streamed call is unknown. `then` is called if its last chunk is taken back: the run does not read it yet. */
  readonly takeBack: (run: RunId, id: number, then: () => void) => void;
  /** A stream so far is to be looked at, before any more of it is delivered; see `Look`. */
  readonly looks: (run: RunId, ...look: Parameters<Look>) => void;
  /** A call's result is lost; the run waits for a resolution unless its manifest says otherwise. */
  readonly unknown: (run: RunId, id: number, message: string, detail?: string) => void;
  /** The tool of a call needs input of people. */
  readonly input: (run: RunId, id: number, request: InputRequest) => void;
  /** The capability of a call was taken back; whatever came of the call is not for its agent. */
  readonly fence: (run: RunId, result: Result) => void;
  /**
   * Denials of a crank after which its run is to be stopped as well. It stands still when this returns, and the commit of the crank
   * takes along what is returned. @param ending the crank ends the run
   */
  readonly stop: (run: RunId, consequences: readonly Consequence[], ending: boolean) => Stop | undefined;
  /** A soft bound of an account above the run was reached, for the first time in its period. */
  readonly warned: (run: RunId, state: AccountState) => void;
  /** A message is in the inbox of its receiver, under this number. `cause`: what its sender was at work on. */
  readonly sent: (from: RunId, to: RunId, inbox: number, cause: Cause | undefined) => void;
  /** A run was made by a message to it; it is in the store alone. */
  readonly created: (run: RunId) => void;
  /** Something is in the inbox of a run. */
  readonly arrived: (run: RunId) => void;
  /** An inspector, as the principal `by`, asks that the run be paused, or that the version of its agent be quarantined. */
  readonly wished: (run: RunId, wish: { readonly what: 'pause' | 'quarantine'; readonly by: string; readonly reason: string }) => void;
  /** The run waits for people to decide about a call. */
  readonly asks: (run: RunId, decision: Pick<Decision, 'id' | 'rules' | 'unusual'>) => void;
  /** Circumstances of the run that a crank has changed. */
  readonly context: (run: RunId, changes: readonly ContextChange[]) => void;
  /** @param place where the journal has it */
  readonly emitted: (run: RunId, event: string, data: unknown, place: ToldPlace) => void;
  /** Parts of a stream are in the journal of their run. @param count how many @param place of their delivery */
  readonly chunk: (run: RunId, call: number, offset: number, count: number, place: ToldPlace) => void;
  /** @param place as for `emitted`; undefined: the host has logged it */
  readonly logged: (run: RunId, level: string, text: string, place: ToldPlace | undefined) => void;
  /** A pause, a quarantine or a resumption of the run is durable. @param by the person, or the part of the host, that did it */
  readonly controlled: (run: RunId, control: Control, by: string) => void;
  /** The store refused a commit. Nothing of the crank has left; the run must not go on under this owner. */
  readonly refused: (run: RunId, epoch: number, error: CorralError) => void;
}

/** A run as the bus needs it: its ledger and the lease it is held under. */
export interface BusRun {
  readonly ledger: Ledger;
  /** The agents of its bundle, by name. */
  readonly agents: ReadonlyMap<string, AgentVersion>;
  readonly epoch: number;
  readonly control: Control;
  /** Work that waits while a crank of the run is being decided. */
  readonly behind: Behind<Crank>;
  /** It is over, though that may not be durable yet. */
  readonly outcome: Outcome | undefined;
}

/** The result of a crank in a cell. */
export interface Crank {
  readonly delivery: Delivery;
  readonly deliveryText: string;
  readonly inbox: number | undefined;
  readonly effectsText: string;
  readonly cpu_us: number;
}

/** How much of a crank is decided in one turn of the event loop, besides the time limit of limits.ts. */
export interface Slice {
  readonly effects: number;
  /** Minimum time until the next slice. */
  readonly gap_ms: number;
}

/**
 * Called when a crank was decided, in one synchronous step: `taken` or `failed`, then the waiting work, then `after`. Or `stopped` alone. After
 * `taken` follows `durable`, unless the store refuses the crank, which is then made once more.
 */
export interface CrankTold {
  /** The ledger has the crank. @param outcome if the crank ended the run @param decisions about its effects */
  readonly taken: (outcome: Outcome | undefined, decisions: readonly Decision[]) => void;
  /** The store has the crank, and its effects are about to leave. Left out: nobody watches. */
  readonly durable?: (() => void) | undefined;
  /** Nothing reached the store, and the run must be ended. If deciding failed, its ledger is unchanged. */
  readonly failed: (error: unknown) => void;
  /** The run was paused while the crank was being decided: the crank is to be discarded, and repeated later. */
  readonly stopped: () => void;
  readonly after: () => void;
}

/** The contents of a commit besides its run and its entry. */
export interface CommitRest {
  /** Undefined for an event of the host. */
  readonly crank?: Pick<Crank, 'delivery' | 'inbox'>;
  /** The results of calls that the crank got. */
  readonly answered?: readonly Result[];
  readonly batch: Batch;
  readonly timersDone: readonly number[];
  /** Takes back the run's grants, and so all that were derived from them. */
  readonly revoke?: boolean | undefined;
  /** See `CrankTold`. */
  readonly durable?: (() => void) | undefined;
}
