/** The policies of a tenant, and what was seen of its agents, as decisions ask for them. */
import type { PolicyInForce } from '@corral/policy/cedar/in-force';
import type { PolicyRequest } from '@corral/policy/cedar/request';
import type { Verdict } from '@corral/policy/cedar/verdict';
import type { RunId } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import type { RunRecord } from '@corral/protocol/model/run';
import type { Inspector } from '@corral/protocol/ports/inspector';
import type { Tool } from '@corral/protocol/ports/tool';

/** The earlier actions of agents on this host, over all runs. */
export interface History {
  /** Whether this version of an agent has used a tool before. */
  used(tenant: string, version: string, tool: string): boolean;
  /** Whether this agent has reached a destination before. */
  reached(tenant: string, agent: string, destination: string): boolean;
  /** The most money that this agent has moved with one call. */
  moved(tenant: string, agent: string): number;
  note(record: RunRecord, version: string, tool: Tool, input: Json): void;
  /** Records that a version has sent to an agent or spawned one; see deedName(). */
  met(tenant: string, version: string, name: string): void;
}

/** One decision, as it is passed to `shadow`. */
export interface Decided {
  readonly run: RunId;
  /** Number of the journal entry. */
  readonly entry: number;
  /** Number of the call, message or spawn. */
  readonly id: number;
  readonly request: PolicyRequest;
  readonly verdict: Verdict;
}

/** The policies of a tenant, with what their evaluation needs. */
export interface Policies {
  readonly current: PolicyInForce;
  readonly history: History;
  /** Inspectors by name; undefined if there are none. */
  readonly inspectors?: ReadonlyMap<string, Inspector> | undefined;
  /** Roles of a principal, for policies that use them. */
  readonly roles: (principal: string) => readonly string[];
  /** The owner of an agent, if known. */
  readonly owner?: ((agent: string) => string | undefined) | undefined;
  /** Called after each decision. */
  readonly shadow?: ((decided: Decided) => void) | undefined;
  /** Keeps the policies of now loaded until the returned function is called, even if others replace them. */
  readonly keep?: (() => () => void) | undefined;
}
