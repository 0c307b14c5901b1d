/**
 * The tables of the front door: deployed agents and aliases, tokens, schedules, an index of runs, administrative acts, queued
 * notifications, configurations that were in force. Runs themselves are in the Store. An embedded host keeps these tables in
 * `front.db` beside the store (`packages/store/src/front`); no SQL is written outside packages/store.
 */
import type { EventKind } from '../api/event-kinds.ts';
import type { Principal, Role } from '../api/roles.ts';
import type { Event } from '../api/schemas.ts';
import type { Digest, TenantId } from '../ids.ts';
import type { Json } from '../json.ts';
import type { AgentManifest, AgentVersion } from '../model/manifest.ts';
import type { Outcome } from '../model/outcome.ts';
import type { RunRecord, WaitingOn } from '../model/run.ts';
import type { ApprovalTable } from './approvals.ts';
import type { EventTable } from './events.ts';
import type { SealedTexts } from './sealed.ts';
import type { LateCallTable } from './tool-reads.ts';
import type { LIVE_STATES } from '../model/run-lists.ts';

export interface FrontStore {
  readonly registry: AgentRegistry;
  readonly tokens: TokenTable;
  readonly schedules: ScheduleTable;
  readonly runs: RunIndex;
  readonly submissions: SubmissionTable;
  readonly operations: OperationTable;
  readonly deliveries: DeliveryTable;
  readonly archive: ConfigArchive;
  readonly profiles: ProfileTable;
  readonly marks: MarkTable;
  readonly events: EventTable;
  readonly approvals: ApprovalTable;
  readonly lateCalls: LateCallTable;
  readonly sealed: SealedTexts;
  /** A fact about the host by name, such as how it was stopped. */
  meta(name: string): string | undefined;
  setMeta(name: string, value: string): void;
  /**
   * Runs `work` in a transaction.
   * @throws CORRAL_DISK_FULL if there is no space even after the reserve was released
   */
  together<T>(work: () => T): T;
  /** Runs `work` in a transaction that is on the disk when the outermost call returns. */
  durably<T>(work: () => T): T;
  close(): void;
}

export interface VersionView {
  readonly agent: AgentManifest['name'];
  readonly version: Digest;
  readonly bundle: Digest;
  readonly deployed_at: number;
  readonly deployed_by: string;
  readonly manifest: AgentManifest;
}
export interface AliasView {
  readonly alias: string;
  readonly version: Digest;
  readonly moved_at: number;
  readonly moved_by: string;
  readonly before: Digest | null;
}
export interface AgentSummary {
  readonly tenant: TenantId;
  readonly agent: AgentManifest['name'];
  readonly purpose: AgentManifest['purpose'];
  readonly latest: Digest;
  readonly versions: number;
  readonly aliases: AliasView[];
}

/** `stays`: aliases that were not moved or made, with the version of each, and the agent whose deployment owns them. */
export type DeployedView = VersionView & {
  readonly stays: { readonly alias: string; readonly version: Digest | null; readonly owner: string }[];
};

/** The agents of a tenant: versions by content, and aliases that move between them and can be moved back. */
export interface AgentRegistry {
  /** @param versions of one bundle, its main agent first. Aliases of an agent that another deployment owns stay. */
  deploy(tenant: string, versions: readonly AgentVersion[], alias: string | undefined, by: string, at: number): DeployedView[];
  /** Number of principals who have deployed an agent of a tenant. */
  deployers(tenant: string): number;
  /** Keeps the source map of a bundle. */
  keepMap(tenant: string, bundle: string, map: string): void;
  map(tenant: string, bundle: string): string | undefined;
  /** @throws CORRAL_AGENT_UNKNOWN, CORRAL_VERSION_UNKNOWN */
  move(tenant: string, agent: string, alias: string, version: string, by: string, at: number, reason?: string): AliasView;
  /** Moves an alias one step further back to what it pointed at before. @throws CORRAL_AGENT_UNKNOWN, CORRAL_VERSION_UNKNOWN */
  rollBack(tenant: string, agent: string, alias: string, by: string, at: number, reason: string): AliasView;
  list(
    tenant: string | undefined,
    page: { readonly q?: string | undefined; readonly cursor?: string | undefined; readonly limit: number },
  ): { readonly items: AgentSummary[]; readonly next: string | null };
  /** @throws CORRAL_AGENT_UNKNOWN */
  show(tenant: string, agent: string): AgentSummary & { readonly history: VersionView[] };
  /** The version that `name`, `name@alias` or `name@sha256:…` refers to. @throws CORRAL_AGENT_UNKNOWN, CORRAL_VERSION_UNKNOWN */
  resolve(tenant: string, ref: string): AgentVersion;
  /** Names of deployed agents; of one tenant, or of all. */
  names(tenant: string | undefined): string[];
  hasBundle(tenant: string, bundle: string): boolean;
  hasVersion(version: string, tenant: string | undefined): boolean;
}

/** Facts about a token's holder. */
export interface TokenPerson {
  readonly id: string;
  readonly name: string;
  readonly created_by: string;
  readonly person: string | null;
  readonly nameless: boolean;
}
export interface TokenView {
  readonly token: string;
  readonly name: string;
  readonly tenant: string;
  readonly roles: Role[];
  readonly created_at: number;
  readonly created_by: string;
  readonly expires_at: number | null;
  readonly revoked_at: number | null;
  readonly used_at: number | null;
  readonly person: string | null;
}
export interface WantedToken {
  readonly name: string;
  readonly tenant: string;
  readonly roles: readonly Role[];
  readonly expires_at: number | null;
  /** The person it is for, if other than its name says. */
  readonly person?: string | undefined;
}

/** Tokens: 256 random bits each, stored only as SHA-256. */
export interface TokenTable {
  /** @throws CORRAL_TOKEN_TAKEN while another token of the host has the name */
  make(wanted: WantedToken, by: string, at: number): TokenView & { readonly secret: string };
  /** @throws CORRAL_TOKEN_UNKNOWN */
  show(id: string): TokenView;
  list(tenant: string | undefined): TokenView[];
  /** @throws CORRAL_TOKEN_UNKNOWN */
  revoke(id: string, at: number): TokenView;
  /** Tokens that have, or had, a principal's name; the one that has it now first, then the latest. */
  called(principal: string): readonly TokenPerson[];
  /** Calls back with the id of each token that is revoked. */
  onRevoked(listener: (token: string) => void): void;
  /** The principal of a secret; undefined if the secret is unknown, revoked or expired. */
  principal(secret: string, now: number): Principal | undefined;
}

export interface ScheduleRow {
  readonly id: string;
  readonly tenant: string;
  readonly agent: string;
  readonly input: Json;
  readonly cron: string;
  readonly created_by: string;
  /** Null: it never comes again. Milliseconds since 1970. */
  readonly next_at: number | null;
  readonly last_at: number | null;
  readonly last_run: string | null;
  readonly last_error: string | null;
}
export interface ScheduleTable {
  add(row: Omit<ScheduleRow, 'last_at' | 'last_run' | 'last_error'>): void;
  get(id: string): ScheduleRow | undefined;
  list(tenant: string | undefined): ScheduleRow[];
  count(tenant: string): number;
  remove(id: string): void;
  /** Schedules whose time has come. */
  due(now: number): ScheduleRow[];
  /** The earliest time of a schedule, leaving some out. */
  nextAt(except: readonly string[]): number | undefined;
  /** Records one firing. @param done `run`: null if none was submitted */
  fired(
    id: string,
    done: { readonly next_at: number | null; readonly at: number; readonly run: string | null; readonly error: string | null },
  ): void;
  failed(id: string, error: string): void;
}

export interface RunRow {
  readonly n: number;
  readonly id: string;
  readonly tenant: string;
  readonly agent: string;
  readonly version: string;
  readonly parent: string | null;
  readonly principal: string;
  readonly config: string;
  readonly created_at: number;
  readonly began: number;
  readonly control: string;
  /** The author of its pause or quarantine; null: it goes on, or that is not known. */
  readonly stopped_by: string | null;
  readonly ended_as: string | null;
  readonly ended_at: number | null;
  readonly cpu_ms: number;
  readonly calls: number;
  readonly tokens: number;
  readonly money_micros: number;
  /** Effects of it that were refused, and when the last one was. */
  readonly refused: number;
  readonly refused_at: number | null;
  /** Calls of it that were carried out and whose answer its agent was not given, and when the last one was withheld. */
  readonly withheld: number;
  readonly withheld_at: number | null;
  /** A `Parked` as JSON. */
  readonly parked: string | null;
}
/** Total use of a run, as lists show it. */
export type Spent = Pick<RunRow, 'cpu_ms' | 'calls' | 'tokens' | 'money_micros'>;
/** State of a run when it was parked. */
export interface Parked {
  readonly waiting: WaitingOn;
  readonly waitingFor: string;
  /** The share of its budget that was left, of the amount of which least was left: 0 to 1. */
  readonly left: number;
}
/** An index of all runs; `FrontReads` has the lists and searches over it. The Store is authoritative. */
export interface RunIndex {
  add(record: Pick<RunRecord, 'id' | 'tenant' | 'agent' | 'version' | 'parent' | 'principal' | 'created_at'>, config: string): void;
  /** @param spent left out: unchanged since it was last parked. @returns whether the run had not been listed as ended */
  end(id: string, outcome: Outcome, ended_at: number, spent?: Spent): boolean;
  /** Records what a run had used and waited for when it left memory; lists show this until it comes back. */
  parked(id: string, state: Spent & Parked): void;
  began(id: string): void;
  /** @param by who changed it; null: not known */
  control(id: string, control: string, by: string | null): void;
  moved(id: string, version: string): void;
  get(id: string): RunRow | undefined;
  /**
   * Records what runs in memory have used so far, for lists that are sorted by it.
   * @returns those that have a row
   * @throws CORRAL_DISK_FULL; it takes nothing of the reserve
   */
  used(runs: readonly (Spent & { readonly id: string })[]): ReadonlySet<string>;
  /** Adds to how often something of a run was refused or withheld. @returns whether it has a row */
  noted(id: string, what: 'refused' | 'withheld', count: number, at: number): boolean;
  /** Runs that had not ended when the index was last written, in the order of admission. @param after `n` of the row before the first */
  live(after: number, limit: number): RunRow[];
  /** Number of runs that have not ended, by tenant and state. */
  counts(tenant: string | undefined): { readonly tenant: string; readonly state: (typeof LIVE_STATES)[number]; readonly runs: number }[];
  /** Whether any run has this agent, tenant or version; within one tenant, or all. */
  has(column: 'agent' | 'tenant' | 'version', value: string, tenant: string | undefined): boolean;
  children(id: string): RunRow[];
}

/** The request that each idempotency key was first used for. */
export interface SubmissionTable {
  /** The digest of the request that made a run. */
  bodyOf(run: string): string | undefined;
  add(run: string, body: string, at: number): void;
  remove(run: string): void;
}

/** The record of administrative acts, each row as JSON; `FrontReads` lists them. */
export interface OperationTable {
  /** A row that is there already stays as it is. */
  add(row: { readonly id: string; readonly tenant: string | undefined; readonly at: number; readonly text: string }): void;
  hasBefore(at: number): boolean;
  /** @returns how many rows were deleted */
  forget(before: number): number;
}

/** A notification that waits for its receiver. */
export interface Queued {
  readonly n: number;
  readonly id: string;
  readonly hook: string;
  readonly url: string;
  readonly tenant: string | null;
  readonly kind: EventKind;
  readonly body: string;
  readonly at: number;
  readonly attempts: number;
}
export type Queue = Pick<Queued, 'hook' | 'url' | 'kind' | 'tenant'>;
export type Counted = Pick<Queued, 'hook' | 'url' | 'tenant'> & { readonly count: number };
export interface DeliveryRow {
  readonly n: number;
  readonly id: string;
  readonly hook: string;
  readonly url: string;
  readonly tenant: string | null;
  readonly kind: EventKind;
  readonly at: number;
  readonly attempts: number;
  readonly state: 'pending' | 'delivered' | 'given_up';
  readonly due: number | null;
  readonly ended_at: number | null;
  readonly error: string | null;
}
/** A queue of notifications for each receiver, and the records of finished deliveries, which `FrontReads` lists. */
export interface DeliveryTable {
  enqueue(row: Omit<Queued, 'n' | 'attempts'>): void;
  /** Assigns receivers to notifications that were queued before each receiver had its own queue. */
  address(receivers: (event: Event) => readonly { readonly hook: string; readonly url: string }[]): void;
  /** Moves what was queued and recorded under an id alone to the receiver of the same tenant. */
  adopt(id: string, tenant: string, key: string): void;
  /** The next notification of a receiver; tenants take turns. @param last tenant of the previous one; undefined: none yet */
  next(hook: string, now: number, underway: ReadonlySet<number>, last: string | null | undefined): Queued | undefined;
  nextDue(hook: string): number | undefined;
  delivered(row: Queued, at: number): void;
  failed(row: Queued, at: number, due: number, error: string): void;
  /** Waiting notifications, by receiver and by the fields that decide about the receiver. */
  queues(): Queue[];
  /** Moves what waits to the receiver that replaced another. */
  hand(queue: Queue, to: string): void;
  /** Gives up what was queued before a time. */
  expire(before: number, at: number): Counted[];
  abandon(queue: Queue, at: number): Counted[];
  /** Deletes older records, and of the delivered ones all but the latest of each receiver. */
  forget(before: number, kept: number): void;
  get(n: number): DeliveryRow | undefined;
  /** Makes a receiver's notifications due now: those that wait, and those that were given up. @returns how many */
  retry(where: { readonly hook: string } | { readonly n: number }, at: number): number;
}

/** By whom something was put in force, when and why. */
export interface PutInForce {
  readonly at: number;
  readonly by: string;
  readonly reason: string;
}
/** A configuration as the archive records it. */
export interface ArchivedConfig {
  readonly version: string;
  readonly summary: Json;
  /** By tenant; undefined: it has none. */
  readonly policies: Readonly<
    Record<string, { readonly version: string; readonly sources: readonly { readonly file: string; readonly text: string }[] } | undefined>
  >;
}
export interface PolicyMove {
  readonly tenant: string;
  /** Null: the tenant had no policies from then on. */
  readonly version: string | null;
  readonly files: { readonly file: string; readonly digest: string }[];
  readonly config: string;
  readonly at: number;
  readonly by: string;
  readonly reason: string;
}

/**
 * History of what was in force: texts of policies by digest, and each configuration and set of policies with person and reason;
 * and the files that each accepted configuration was made of.
 */
export interface ConfigArchive {
  /** Records a configuration and the policies of its tenants, as far as they changed. @returns the version before */
  put(config: ArchivedConfig, put: PutInForce): { readonly before: string | undefined; readonly same: boolean };
  /** The version recorded last. */
  latest(): string | undefined;
  /** Newest first. */
  configs(): (PutInForce & { readonly version: string })[];
  /** @param version or its first characters. @throws CORRAL_VERSION_UNKNOWN */
  config(version: string): PutInForce & { readonly version: string; readonly config: Json };
  /** Which policies were in force, newest first; of one tenant, or of all. */
  moves(tenant: string | undefined): PolicyMove[];
  /**
   * The texts of policies that were in force.
   * @param tenant in which they were in force; undefined: any
   * @throws CORRAL_VERSION_UNKNOWN
   */
  policies(
    version: string,
    tenant: string | undefined,
  ): {
    readonly version: string;
    readonly files: { readonly file: string; readonly digest: string; readonly text: string }[];
    readonly moves: PolicyMove[];
  };
  /** Keeps the files of an accepted configuration; of older ones, the latest `most`. */
  keepFiles(version: string, file: string, kept: Json, at: number, most: number): void;
  /** The files of the configuration that was accepted last from this path. */
  filesOf(file: string): Json | undefined;
}

export interface LearnedFrom {
  readonly run: string;
  readonly version: string;
}
export interface ProfileRecord {
  readonly id: string;
  readonly tenant: string;
  readonly agent: string;
  readonly learned_at: number;
  readonly learned_by: string;
  readonly reason: string;
  readonly runs: readonly LearnedFrom[];
  /** A profile as JSON. */
  readonly profile: string;
}

/** Profiles of agents. The latest is in force; a run keeps the one it began with, so a few earlier ones are kept. */
export interface ProfileTable {
  latest(tenant: string, agent: string): ProfileRecord | undefined;
  find(id: string): ProfileRecord | undefined;
  keep(row: ProfileRecord): void;
  /** @returns how many were deleted */
  delete(tenant: string, agent: string): number;
}

export interface MarkRow {
  readonly run: string;
  readonly tenant: string;
  readonly agent: string;
  /** Empty: the run as a whole. */
  readonly detector: string;
  readonly verdict: 'false_alarm' | 'confirmed';
  readonly by: string;
  readonly reason: string;
  readonly at: number;
  readonly step: string | null;
  readonly confidence: number;
  readonly text: string;
  readonly subjects: string[];
  readonly figures: Record<string, number>;
}

/** People's marks on what detectors found: one verdict for each run and detector. */
export interface MarkTable {
  keep(marks: readonly MarkRow[]): void;
  of(run: string): MarkRow[];
  list(tenant: string | undefined, agent?: string): MarkRow[];
}
