/** The surroundings of a decision. */
import type { Grants } from '@corral/policy/capability/grants';
import type { TenantId } from '@corral/protocol/ids';
import type { Inspected } from '@corral/protocol/model/inspection';
import type { AgentVersion } from '@corral/protocol/model/manifest';
import type { Random } from '@corral/protocol/ports/machine';
import type { RunRecord } from '@corral/protocol/model/run';
import type { Outgoing } from '@corral/protocol/ports/store';
import type { Tool } from '@corral/protocol/ports/tool';
import type { Accounts } from '../accounts/accounts.ts';
import type { Policies } from '../policies/port.ts';

/** The data that a decision may use. */
export interface DecideContext {
  readonly now: number;
  readonly random: Random;
  readonly grants: Grants;
  readonly tool: (name: string) => Tool | undefined;
  readonly quarantined?: (name: string) => boolean;
  /** The instance of a service of the tenant, by name and key; undefined if there is no such service. */
  readonly reach: (service: string, key: string) => Reached | undefined;
  /** Agents of the run's own bundle, by name. */
  readonly agent: (name: string) => AgentVersion | undefined;
  /** The policies of the run's tenant; undefined: grants alone decide. */
  readonly policies: Policies | undefined;
  readonly digest: (text: string) => string;
  readonly standing?: AdmissionGate | undefined;
  /** Why nothing more is kept in memory for the run; undefined: something may be. */
  readonly lacksMemory?: (() => string | undefined) | undefined;
  /** Accounts above the purse; undefined if none are kept. */
  readonly accounts?: Accounts | undefined;
  /** Time that people have to approve a call, in milliseconds; undefined: the default of limits.ts. */
  readonly approval_ms?: number | undefined;
  /** Findings of inspectors about the effect that is decided; no others are asked then. */
  readonly inspected?: Inspected | undefined;
}

type Newcomer = Pick<RunRecord, 'id' | 'tenant' | 'version'>;

/** The state of agents that follows from their earlier runs. */
export interface AdmissionGate {
  /** The reason why a run is not admitted now; undefined if it is, and then this call counts as its admission. */
  readonly rests: (run: Newcomer) => string | undefined;
  /** The profile against which runs of an agent are compared. */
  readonly profile: (tenant: TenantId, agent: string) => string | undefined;
  /** Takes back the admission of a run that does not begin after all. */
  readonly neverBegan: (run: Newcomer) => void;
}

/** The instance for a key, and the reason if a quarantine forbids messages to it. */
export interface Reached {
  readonly instance: NonNullable<Outgoing['instance']>;
  readonly stands: string | undefined;
}
