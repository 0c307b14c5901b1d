/** What deciding a crank looks at, and what comes of it. */
import type { Counted, Grants } from '@corral/policy/capability/grants';
import type { ContextChange } from '@corral/protocol/model/context';
import type { Decision } from '@corral/protocol/model/decision';
import type { ErrorCode } from '@corral/protocol/errors';
import type { Grant } from '@corral/protocol/model/grant';
import type { GrantId, TenantId } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import type { AgentVersion } from '@corral/protocol/model/manifest';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { Random } from '@corral/protocol/ports/machine';
import type { RunRecord } from '@corral/protocol/model/run';
import type { Outgoing } from '@corral/protocol/ports/store';
import type { Tool } from '@corral/protocol/ports/tool';
import type { Accounts } from '../accounts/accounts.ts';
import type { Stop } from '../bus.ts';
import type { Policies } from '../policies/evaluate.ts';
import type { Price } from '../accounts/price.ts';
import type { Cost } from '@corral/protocol/model/cost';
import type { Reached } from './service.ts';

/** What deciding may look at. */
export interface DecideContext {
  readonly now: number;
  readonly random: Random;
  readonly grants: Grants;
  readonly tool: (name: string) => Tool | undefined;
  readonly quarantined?: (name: string) => boolean;
  /** An instance of a service of the tenant, by name and key; undefined: there is no such service. */
  readonly reach: (service: string, key: string) => Reached | undefined;
  /** Agents of the run's own bundle, by name. */
  readonly agent: (name: string) => AgentVersion | undefined;
  /** What the run's tenant has in force; undefined: grants alone decide. */
  readonly policies: Policies | undefined;
  readonly digest: (text: string) => string;
  readonly standing?: AdmissionGate | undefined;
  /** Purses above the run; undefined: nobody keeps any. */
  readonly accounts?: Accounts | undefined;
  /** How long people have to decide about a call; undefined: as limits.ts says. */
  readonly approval_ms?: number | undefined;
}

/** What is known of agents from the runs they had. */
export interface AdmissionGate {
  /** Why no run of a version is taken now; undefined where one is, which counts as one. */
  readonly rests: (tenant: TenantId, version: string) => string | undefined;
  /** By which profile it is judged whether runs of an agent drift. */
  readonly profile: (tenant: TenantId, agent: string) => string | undefined;
}

/** A call that may go out, with its arguments as the tool's schema gave them back. */
export interface Dispatch {
  readonly id: number;
  readonly tool: Tool;
  readonly input: Json;
  readonly timeout_ms: number | undefined;
  /** Attempts at most, as the agent asked for; undefined: as the tool's annotations have it. */
  readonly attempts?: number | undefined;
  /** The run gets a handle to the result. */
  readonly as_handle?: true | undefined;
  /** What the tool says of a failure may repeat what the run has not read. */
  readonly unread?: boolean;
  readonly price?: Price | undefined;
  /** Of a call that is made again: what earlier attempts may have cost. */
  readonly atLeast?: Cost;
  /** It changes nothing in the outside world, so it need not wait for the commit. */
  readonly early: boolean;
  /** It may have left before, from a host that is gone or before a person had it made again: nobody knows what came of that. */
  readonly leftBefore?: boolean;
}

/** Everything that follows from the effects of one crank. */
export interface Batch {
  readonly decisions: Decision[];
  readonly dispatches: Dispatch[];
  readonly outbox: Outgoing[];
  readonly spawned: RunRecord[];
  readonly grants: Grant[];
  readonly counted: Set<GrantId>;
  /** Uses of grants that were counted, in their order, to be taken back where nothing comes of the crank. */
  readonly uses: Counted[];
  readonly timers: { id: number; due: number }[];
  readonly timersDone: number[];
  readonly aborts: number[];
  /** Calls that waited for people, and do not any more. */
  readonly withdrawn: number[];
  /** Calls that left before the commit. */
  readonly left: Set<number>;
  /** What the run let go of. */
  readonly disposed: GrantId[];
  readonly emits: { event: string; data: Json }[];
  /** What of the run's circumstances it changed. */
  readonly context: ContextChange[];
  readonly logs: { level: string; text: string }[];
  /** What a denial means for the run, besides the denial. */
  readonly consequences: Consequence[];
  /** What that stops. */
  stop: Stop | undefined;
  /** The run is over. Nothing of a crank that broke the rules of the bus leaves. */
  outcome: Outcome | undefined;
  /** The message that its sends answer, and whether the run changed something in between. */
  cause: Cause | undefined;
}

/** What a denial means for its run: by rules of the policies, or since an account above it is spent. */
export interface Consequence {
  readonly kind: 'pause' | 'quarantine';
  readonly rules: readonly string[];
  /** The account, in a sentence. */
  readonly spent?: string;
}

export interface Cause {
  readonly message: string;
  readonly progress: boolean;
}

/** The run broke a rule that no SDK lets it break by accident. */
export class Violation extends Error {
  readonly outcome: Outcome;
  constructor(code: ErrorCode, message: string) {
    super(message);
    this.outcome = { kind: 'failed', code, message };
  }
}

/** A refusal that is told to the agent. */
export class Refused extends Error {
  readonly code: ErrorCode;
  readonly limit: string | undefined;
  readonly more: Partial<Decision>;
  constructor(code: ErrorCode, message: string, limit?: string, more: Partial<Decision> = {}) {
    super(message);
    this.code = code;
    this.limit = limit;
    this.more = more;
  }
}

export const emptyBatch = (): Batch => ({
  decisions: [],
  dispatches: [],
  outbox: [],
  spawned: [],
  grants: [],
  counted: new Set(),
  uses: [],
  timers: [],
  timersDone: [],
  aborts: [],
  withdrawn: [],
  left: new Set(),
  disposed: [],
  emits: [],
  context: [],
  logs: [],
  consequences: [],
  stop: undefined,
  outcome: undefined,
  cause: undefined,
});

/** A batch of which nothing leaves. @param of what was decided before, and is recorded all the same */
export function ended(outcome: Outcome, before: Pick<Batch, 'decisions' | 'consequences' | 'uses'> = emptyBatch()): Batch {
  const { decisions, consequences, uses } = before;
  return { ...emptyBatch(), decisions, consequences, uses, outcome };
}

/** Nothing of a batch leaves: nobody holds the grants that it would have given away, and the children it would have had hold none. */
export function letGo(grants: Grants, batch: Pick<Batch, 'outbox' | 'grants'>): void {
  for (const { grants: given = [] } of batch.outbox) for (const { id } of given) grants.release(id);
  for (const { id } of batch.grants) grants.release(id);
}

/** Calls of a crank that ends its run, and that do not leave. */
export const unsentIn = ({ decisions, left }: Batch): ReadonlySet<number> =>
  new Set(decisions.flatMap(({ id }) => (left.has(id) ? [] : [id])));

/** What a crank asked for that is answered on the spot. What was decided since is told by whoever decided it. */
export const refusedIn = ({ decisions }: Batch): number[] =>
  decisions.flatMap(({ id, verdict, tool }) => (verdict !== 'deny' && tool !== undefined ? [] : [id]));
