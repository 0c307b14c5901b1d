/** The host, as the front door needs it. One adapter implements this with the supervisor and the store. */
import type { Result } from '@corral/protocol/wire/delivery';
import type { NodeRow } from '@corral/protocol/ports/nodes';
import type { ProfiledCall } from '@corral/policy/detection/profile';
import type { ContextChange } from '@corral/protocol/model/context';
import type { Names } from '@corral/protocol/model/label';
import type { Attenuation, Grant, GrantState } from '@corral/protocol/model/grant';
import type { Identity } from '@corral/protocol/model/identity';
import type { AgentName, Digest, GrantId, PrincipalId, RunId, TenantId } from '@corral/protocol/ids';
import type { AgentVersion, Budget, CeilingsRequest } from '@corral/protocol/model/manifest';
import type { StandingApproval } from '@corral/protocol/model/standing';
import type { Receipt } from '@corral/protocol/model/receipt';
import type { Entry, RunRecord, WaitingOn } from '@corral/protocol/model/run';
import type { AccountDay, SpendFilter, Usage, UsageWanted } from '@corral/protocol/model/spend';
import type { Quarantine, QuarantineKind } from '@corral/protocol/model/quarantine';
import type { DecidedEntry } from '@corral/protocol/ports/approvals';
import type { EntryHash } from '@corral/protocol/ports/evidence';
import type { StoredRun } from '@corral/protocol/ports/store';
import type { Tool } from '@corral/protocol/ports/tool';
import type { Json } from '@corral/protocol/json';
import type {
  Resolution,
  Stuck,
  Approval,
  ApprovalFilter,
  CellDetail,
  CellView,
  DecidedCall,
  Load,
  Observation,
  OpenBreaker,
  Peak,
  Resting,
  RunView,
  ShadowReport,
  Shown,
  Stall,
  TenantOptions,
  TenantView,
  StoppedCalls,
  ToolTaken,
  ToolTaking,
} from '@corral/supervisor';
import type { Quoting } from './evidence/quoted.ts';
import type { Upkeep } from './evidence/upkeep.ts';

export type OperationName = 'pause' | 'resume' | 'cancel' | 'kill';

export interface JobRequest {
  readonly id: RunId;
  readonly tenant: TenantId;
  readonly version: AgentVersion;
  readonly input: Json;
  readonly principal: PrincipalId;
  readonly who: Identity | undefined;
  readonly ceilings: CeilingsRequest;
  readonly budget: Budget;
  readonly grants: Readonly<Record<string, Attenuation>>;
  /** The submitter asks for less than the agent declares. */
  readonly narrowed: boolean;
  /** A `traceparent` that can be read. */
  readonly trace?: string | undefined;
}

export interface HostPort {
  /** Stores a bundle; its own code declares its agents, in a cell that is discarded afterwards. */
  deploy(tenant: TenantId, source: string, describing: string, source_map: string | undefined): Promise<readonly AgentVersion[]>;
  /**
   * The agent that writes to a service on behalf of people.
   * @throws CORRAL_AGENT_UNKNOWN, CORRAL_REQUEST_INVALID if there is no such service, or it or its instance for this key has no such handler
   */
  sender(tenant: TenantId, service: AgentName, handler: string, key: string): Promise<AgentVersion>;
  /** Services that a tenant's agents and people can write to, by the names that capabilities use. */
  services(tenant: TenantId): readonly string[];
  /**
   * Why an agent refuses an input, by its own schema in a cell that is discarded afterwards; undefined if it accepts it.
   * @throws CORRAL_CELL_START, CORRAL_RATE_LIMITED, CORRAL_QUARANTINED, CORRAL_DISK_FULL, CORRAL_SPEND_EXCEEDED
   */
  inputRefusal(job: Omit<JobRequest, 'id' | 'grants'>): Promise<string | undefined>;
  /** The run is durable when it resolves. */
  submit(job: JobRequest): Promise<void>;
  /**
   * @param family whether a pause or a resumption reaches all descendants of the run; cancel and kill always do
   * @param halt of a resumption: the entry by which the run was stopped, as it was shown
   * @throws CORRAL_RUN_STATE, CORRAL_QUARANTINED; CORRAL_CHANGED if the run was resumed or stopped since `halt`
   */
  operate(operation: OperationName, run: RunId, by: string, reason: string, family?: boolean, halt?: number): Promise<Receipt>;
  resolve(run: RunId, call: number, by: string, resolution: Resolution, reason: string): Promise<void>;
  /** The parts of a run that wait for a person to settle them. */
  stuck(run: RunId): Promise<Stuck>;
  /** Moves a run to another version of its agent. @throws CORRAL_RUN_STATE, CORRAL_UPGRADE_DIFFERS */
  upgrade(run: RunId, version: AgentVersion, by: string): Promise<void>;
  /** Lets a held run go on. */
  release(run: RunId, by: string, reason: string): Promise<void>;
  /** A run in memory. */
  view(run: RunId): RunView | undefined;
  views(): readonly RunView[];
  cells(): readonly CellView[];
  /** The same with runs, CPU time and memory. */
  cellDetails(): readonly CellDetail[];
  /** Hosts that share the store. @param most how many */
  nodes(most: number): Promise<readonly NodeRow[]>;
  /** The number of this host among them. */
  node(): number | undefined;
  /** Runs of a tenant in memory: those on a CPU first. */
  holders(tenant: TenantId, most: number): readonly RunView[];
  /** Breakers of tools that are not closed. Times are in milliseconds since 1970. */
  toolBreakers(): readonly OpenBreaker[];
  /** Resources of this host that a tenant uses now. */
  tenant(tenant: TenantId): TenantView;
  /** Runs that have not ended and wait for this now, in memory or parked. */
  waitingOn(waiting: WaitingOn): Promise<readonly RunId[]>;
  stored(run: RunId): Promise<StoredRun | undefined>;
  /** All runs, in the order of their admission; for repairing the index after a stop that was not in order. */
  everyRun(): Promise<readonly StoredRun[]>;
  children(run: RunId): Promise<readonly StoredRun[]>;
  journal(run: RunId, after: number, limit: number): Promise<readonly Entry[]>;
  /** Answers of a run's calls that have come and are in no entry of its journal yet: it is paused, or at something else. */
  arrived(run: RunId): Promise<readonly Result[]>;
  /** Hashes of a run's entries after the given one. */
  hashes(run: RunId, after: number, limit: number): Promise<readonly EntryHash[]>;
  /** The hash of the last entry; undefined before the first. */
  lastHash(run: RunId): Promise<EntryHash | undefined>;
  /**
   * The latest changes to a run's label, grants, purse, version and policies, from its journal.
   * @param most how many
   */
  context(run: RunId, most: number): Promise<readonly ContextChange[]>;
  /** The people whose private data each entry of a journal may hold, by number, for entries that do not say it; those without any are left out. */
  privateIn(run: RunId): Promise<ReadonlyMap<number, Names>>;
  /** Entries of journals that say what people decided, after a number. */
  decisions(after: number, limit: number): Promise<readonly DecidedEntry[]>;
  /** Decisions of people about the calls of a run, from its journal. @throws CORRAL_JOURNAL_DAMAGED, CORRAL_JOURNAL_PRUNED, CORRAL_RUN_ERASED */
  decidedIn(run: RunId): Promise<readonly DecidedCall[]>;
  /** The grants of a run, each with the chain it was derived from. */
  grants(run: RunId): Promise<readonly (Grant & GrantState)[]>;
  /** The calls of a run that were carried out, in the form that profiles learn from; undefined if there is no such run. */
  lesson(run: RunId): Promise<readonly ProfiledCall[] | undefined>;
  /** The most confident finding of each detector about a run. */
  peaks(run: RunId): Promise<readonly Peak[]>;
  /** Agent versions whose breaker is open: no run of them is admitted for now. */
  resting(): readonly Resting[];
  hasBundle(bundle: Digest): Promise<boolean>;
  tools(tenant: TenantId): readonly Tool[];
  /** How many calls of these runs are under way, by tool. */
  underWay(runs: readonly RunId[]): ReadonlyMap<string, number>;
  /** Calls that wait for people's approval, and questions that wait for an answer. */
  approvals(filter: ApprovalFilter): Promise<readonly Approval[]>;
  /** Finds the values of a call's arguments in what its run was given. */
  readonly quotes: Quoting;
  /** @throws CORRAL_RUN_STATE, CORRAL_APPROVER, CORRAL_CHANGED */
  decide(
    run: RunId,
    call: number,
    by: string,
    verdict: 'approve' | 'deny',
    reason: string,
    roles: readonly string[],
    as?: Shown,
  ): Promise<void>;
  /** Takes back that the approval of a call holds for later ones. @throws CORRAL_RUN_STATE */
  withdraw(run: RunId, call: number, by: string, reason: string): Promise<void>;
  /** Approvals of a run that hold for later calls. */
  standing(run: RunId): Promise<readonly StandingApproval[]>;
  /** Answers a question of a run. @throws CORRAL_RUN_STATE, CORRAL_APPROVER, CORRAL_CHANGED, CORRAL_ANSWER_INVALID */
  answer(run: RunId, call: number, by: string, value: Json, reason: string, roles: readonly string[], as?: Shown): Promise<void>;
  /** The run that holds a grant. */
  holder(grant: GrantId): Promise<RunId | undefined>;
  /** The reach of a revocation now: runs in memory, and calls under way. */
  revocable(grant: GrantId): { readonly runs: readonly RunId[]; readonly calls: readonly { readonly run: RunId; readonly call: number }[] };
  /** @throws CORRAL_GRANT_UNKNOWN */
  revoke(grant: GrantId, by: string, reason: string): Promise<StoppedCalls>;
  /** Takes a tool back from runs. @returns those that held it, each with what resolves when that is durable */
  takeTool(taking: ToolTaking, by: string, reason: string): ReadonlyMap<RunId, Promise<ToolTaken>>;
  /** Resolves once all that runs were allowed to do up to now is durable, or was refused. */
  settled(): Promise<void>;
  /** Where candidate policies would have decided differently from those in force. */
  shadows(): Promise<readonly ShadowReport[]>;
  quarantines(): readonly Quarantine[];
  /** The quarantine that stops runs of an agent's version, or a tool, in a tenant. */
  against(run: Pick<RunRecord, 'tenant' | 'agent'>, version: string): Quarantine | undefined;
  againstTool(tenant: string, name: string): Quarantine | undefined;
  /** @param tenant where the quarantine applies; left out: a version is stopped in every tenant */
  quarantine(kind: QuarantineKind, name: string, by: string, reason: string, tenant?: string): Promise<void>;
  lift(kind: QuarantineKind, name: string, by: string, reason: string, tenant?: string): Promise<void>;
  /** Amounts that accounts spent and have reserved, by day. */
  spend(filter: SpendFilter): Promise<readonly AccountDay[]>;
  /** Sums of what was spent, made off this thread. */
  usage(wanted: UsageWanted): Promise<Usage>;
  /** The limits of a tenant's accounts. */
  spendBounds(tenant: string): TenantOptions['spend'];
  /** Work on evidence. */
  readonly upkeep: Upkeep;
  configure(tenants: Readonly<Record<string, TenantOptions>>): void;
  /** Obstacles to progress of the host; empty while it makes some, or has nothing to do. */
  stalls(): readonly Stall[];
  /** Figures of the host at this moment. */
  load(): Promise<Load>;
  observe(observer: (observation: Observation) => void): () => void;
  /** Stops new work and new cranks; calls under way may take this long to finish. */
  drain(within_ms: number): Promise<void>;
  close(): Promise<void>;
}
