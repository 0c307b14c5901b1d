/** What the front door asks of the host behind it. One adapter answers these by the supervisor and the store. */
import type { ProfiledCall } from '@corral/policy/detect/profile';
import type { ContextChange } from '@corral/protocol/context';
import type { Attenuation, Grant, GrantState } from '@corral/protocol/grant';
import type { Identity } from '@corral/protocol/identity';
import type { AgentName, Digest, GrantId, PrincipalId, RunId, TenantId } from '@corral/protocol/ids';
import type { AgentVersion, Budget, CeilingsRequest } from '@corral/protocol/manifest';
import type { Receipt } from '@corral/protocol/receipt';
import type { Entry, RunRecord, WaitingOn } from '@corral/protocol/run';
import type { AccountDay, SpendFilter } from '@corral/protocol/spend';
import type { EntryHash, Quarantine, QuarantineKind, StoredRun } from '@corral/protocol/store';
import type { Tool } from '@corral/protocol/tool';
import type { Json } from '@corral/protocol/json';
import type {
  Resolution,
  Stuck,
  Approval,
  ApprovalFilter,
  CellView,
  Observation,
  Peak,
  Resting,
  RunView,
  ShadowReport,
  Stall,
  TenantOptions,
  TenantView,
} from '@corral/supervisor';
import type { Upkeep } from './upkeep.ts';

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
  /** The submitter asks for less than the agent does. */
  readonly narrowed: boolean;
}

export interface HostPort {
  /** Takes a bundle in; its own code says what is in it, in a cell that is thrown away. */
  deploy(tenant: TenantId, source: string, describing: string, source_map: string | undefined): Promise<readonly AgentVersion[]>;
  /**
   * The agent that writes to a service for people.
   * @throws CORRAL_AGENT_UNKNOWN, CORRAL_REQUEST_INVALID where there is no such service, or it has no such handler
   */
  sender(tenant: TenantId, service: AgentName, handler: string): Promise<AgentVersion>;
  /** Services that a tenant's agents and people can write to, as capabilities name them. */
  services(tenant: TenantId): readonly string[];
  /**
   * Why an agent does not take an input, as its own code says in a cell that is thrown away; undefined where it takes it.
   * @throws CORRAL_CELL_START, CORRAL_RATE_LIMITED, CORRAL_QUARANTINED, CORRAL_DISK_FULL, CORRAL_SPEND_EXCEEDED
   */
  inputRefusal(job: Omit<JobRequest, 'id' | 'grants'>): Promise<string | undefined>;
  /** Durable when it resolves. */
  submit(job: JobRequest): Promise<void>;
  /** @param family a pause or a resumption reaches all that descends from the run; cancel and kill always do */
  operate(operation: OperationName, run: RunId, by: string, reason: string, family?: boolean): Promise<Receipt>;
  resolve(run: RunId, call: number, by: string, resolution: Resolution, reason: string): Promise<void>;
  /** What of a run waits for a person to find out. */
  stuck(run: RunId): Promise<Stuck>;
  /** Lets a run go on that is held until somebody has looked. */
  release(run: RunId, by: string, reason: string): Promise<void>;
  /** A run that is in memory. */
  view(run: RunId): RunView | undefined;
  views(): readonly RunView[];
  cells(): readonly CellView[];
  /** What a tenant has of this host now. */
  tenant(tenant: TenantId): TenantView;
  /** Runs that have not ended and wait for this now, whether they are in memory or parked. */
  waitingOn(waiting: WaitingOn): Promise<readonly RunId[]>;
  stored(run: RunId): Promise<StoredRun | undefined>;
  /** All runs there are, in the order of their admission; for putting lists right after a stop that was not in order. */
  everyRun(): Promise<readonly StoredRun[]>;
  children(run: RunId): Promise<readonly StoredRun[]>;
  journal(run: RunId, after: number, limit: number): Promise<readonly Entry[]>;
  /** The hashes of a run's entries after one. */
  hashes(run: RunId, after: number, limit: number): Promise<readonly EntryHash[]>;
  /** The last of them; undefined before the first. */
  lastHash(run: RunId): Promise<EntryHash | undefined>;
  /** What changed about a run's circumstances, by its journal: the latest so many. */
  context(run: RunId, most: number): Promise<readonly ContextChange[]>;
  /** What a run holds, each with the chain it was derived from. */
  grants(run: RunId): Promise<readonly (Grant & GrantState)[]>;
  /** The calls of a run that were carried out, as a profile learns them; undefined where there is no such run. */
  lesson(run: RunId): Promise<readonly ProfiledCall[] | undefined>;
  /** What the detectors had to say of a run at their surest. */
  peaks(run: RunId): Promise<readonly Peak[]>;
  /** Versions of agents of which no run is taken for now. */
  resting(): readonly Resting[];
  hasBundle(bundle: Digest): Promise<boolean>;
  tools(tenant: TenantId): readonly Tool[];
  /** Calls that wait for people. */
  approvals(filter: ApprovalFilter): Promise<readonly Approval[]>;
  /** @throws CORRAL_RUN_STATE, CORRAL_APPROVER */
  decide(run: RunId, call: number, by: string, verdict: 'approve' | 'deny', reason: string, roles: readonly string[]): Promise<void>;
  /** Who holds a grant. */
  holder(grant: GrantId): Promise<RunId | undefined>;
  /** @throws CORRAL_GRANT_UNKNOWN */
  revoke(grant: GrantId, by: string, reason: string): Promise<{ readonly calls_aborted: number }>;
  /** What candidates beside the policies in force would have decided otherwise. */
  shadows(): Promise<readonly ShadowReport[]>;
  quarantines(): readonly Quarantine[];
  /** What stands against runs of an agent's version, or against a tool, in a tenant. */
  against(run: Pick<RunRecord, 'tenant' | 'agent'>, version: string): Quarantine | undefined;
  againstTool(tenant: string, name: string): Quarantine | undefined;
  /** @param tenant where it stands alone; without one, a version is stopped in every tenant */
  quarantine(kind: QuarantineKind, name: string, by: string, reason: string, tenant?: string): Promise<void>;
  lift(kind: QuarantineKind, name: string, by: string, reason: string, tenant?: string): Promise<void>;
  /** What accounts spent and have reserved, by the day. */
  spend(filter: SpendFilter): Promise<readonly AccountDay[]>;
  /** What a tenant's accounts are bound by. */
  spendBounds(tenant: string): TenantOptions['spend'];
  /** What is done with evidence. */
  readonly upkeep: Upkeep;
  configure(tenants: Readonly<Record<string, TenantOptions>>): void;
  /** What keeps it from doing work; nothing while it does some, or has none. */
  stalls(): readonly Stall[];
  observe(observer: (observation: Observation) => void): () => void;
  /** Comes to rest: no new work, no new cranks, calls under way have so long to answer. */
  drain(within_ms: number): Promise<void>;
  close(): Promise<void>;
}
