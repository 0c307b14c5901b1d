/**
 * Everything that the bus needs to evaluate the policies of each tenant: the policies in force, the usage history, the owners of agents,
 * and the candidate that runs in shadow. A new configuration replaces all of it at once; a decision that is under way keeps what it has.
 */
import type { PendingApproval } from '@corral/broker/ledger/pending';
import type { PolicyInForce } from '@corral/policy/cedar/in-force';
import { CorralError } from '@corral/protocol/errors';
import type { TenantId } from '@corral/protocol/ids';
import type { RunRecord } from '@corral/protocol/model/run';
import type { Inspector } from '@corral/protocol/ports/inspector';
import type { Clock } from '@corral/protocol/ports/machine';
import type { UsageHistory } from './usage-history.ts';
import type { Observation } from '../events/observation.ts';
import type { People } from './people.ts';
import { LiveShadow, type ShadowReport } from './shadow.ts';
import type { PolicySource, TenantOptions } from '../tenants.ts';
import type { Policies } from '@corral/broker/policies/port';

interface Held {
  readonly source: PolicySource;
  readonly shadow: LiveShadow | undefined;
  /** Made once for each candidate. Its `current` reads the source at every access, because a source may swap its policies by itself. */
  readonly policies: Policies;
}

export interface TenantPoliciesDeps {
  readonly clock: Clock;
  readonly seen: UsageHistory;
  readonly people: People;
  readonly tell: (observation: Observation) => void;
}

const policiesIn = (held: ReadonlyMap<string, Held>): PolicyInForce[] =>
  [...held.values()].flatMap(({ source: { current, shadow } }) => (shadow === undefined ? [current] : [current, shadow]));

/** Role of the person who answers for an agent. */
export const OWNER = 'owner';
/** Role that decides in the owner's place if no owner is named. */
const INSTEAD = 'admin';

export class TenantPolicies {
  readonly #deps: TenantPoliciesDeps;
  readonly #held = new Map<string, Held>();
  /** Tenants of which a tool gives private data. */
  readonly #private = new Set<string>();
  /** The number of open drafts by the policies they use. Replaced policies are closed after the last of their drafts. */
  readonly #used = new Map<PolicyInForce, number>();
  readonly #replaced = new Set<PolicyInForce>();

  get people(): People {
    return this.#deps.people;
  }

  constructor(deps: TenantPoliciesDeps) {
    this.#deps = deps;
  }

  configure(tenants: Readonly<Record<string, TenantOptions>>): void {
    const before = new Map(this.#held);
    this.#held.clear();
    this.#private.clear();
    for (const [tenant, { policies: source, tools, inspectors = [] }] of Object.entries(tenants)) {
      if (tools.some(({ annotations }) => annotations.private_to !== undefined)) this.#private.add(tenant);
      if (source === undefined) continue;
      const known = before.get(tenant)?.shadow;
      const same = known !== undefined && known.isOf(source.current, source.shadow);
      const shadow = same ? known : this.#shadowOf(tenant, source);
      this.#held.set(tenant, { source, shadow, policies: this.#policiesOf(source, shadow, inspectors) });
    }
    // Tenants may share policies, so only those that no tenant uses any more are closed.
    const kept = new Set(policiesIn(this.#held));
    for (const one of kept) this.#replaced.delete(one);
    for (const one of new Set(policiesIn(before)))
      if (!kept.has(one)) {
        if (this.#used.has(one)) this.#replaced.add(one);
        else one.close();
      }
  }

  /** Keeps policies loaded until the returned function is called. */
  #keep(policies: readonly PolicyInForce[]): () => void {
    for (const one of policies) this.#used.set(one, (this.#used.get(one) ?? 0) + 1);
    return () => {
      for (const one of policies) {
        const left = (this.#used.get(one) ?? 1) - 1;
        if (left > 0) this.#used.set(one, left);
        else this.#used.delete(one);
        if (left === 0 && this.#replaced.delete(one)) one.close();
      }
    };
  }

  /** Policies of a tenant; undefined if it has none, and then grants alone decide. */
  policies(tenant: TenantId): Policies | undefined {
    return this.#held.get(tenant)?.policies;
  }

  /** Whether labels follow the runs of a tenant: policies look at them, or a tool gives private data, so that people are told only what they may read. */
  isTracked(tenant: TenantId): boolean {
    return this.#held.has(tenant) || this.#private.has(tenant);
  }

  /** For each candidate, the decisions that it would have made differently since it was loaded. */
  async shadows(): Promise<readonly ShadowReport[]> {
    const reports: ShadowReport[] = [];
    const all = [...this.#held.values()].flatMap(({ shadow }) => shadow ?? []);
    for (const shadow of all) reports.push(await shadow.report());
    return reports;
  }

  /**
   * The meaning of `owner` for an agent: the named person, or the role that decides in the owner's place. Undefined: whoever has the role `owner`.
   */
  ownerOf({ tenant, agent }: Pick<RunRecord, 'tenant' | 'agent'>): string | undefined {
    const source = this.#held.get(tenant)?.source;
    return source?.owner?.(agent) ?? (source?.isNamed?.(OWNER) === true ? undefined : INSTEAD);
  }

  /**
   * Checks that a person is everything that the rules of a call ask for. Where several people must approve, an entry that only one
   * person can be (a named owner, a person by name) has to be one of them, since else nobody could ever be the second.
   * @param roles of the person at the front door or on the machine, in addition to those in the configuration
   * @throws CORRAL_APPROVER, naming the people or roles that are missing
   */
  mayDecide(
    { tenant, agent, id }: RunRecord,
    { id: call, approvers = [], by: before, quorum }: Pick<PendingApproval, 'id' | 'approvers' | 'by' | 'quorum'>,
    by: string,
    roles: readonly string[],
  ): void {
    if (approvers.length === 0) return;
    const { people } = this.#deps;
    const source = this.#held.get(tenant)?.source;
    const names = people.namesOf(by);
    const held = new Set([...names, ...roles, ...names.flatMap((name) => source?.roles?.(name) ?? [])]);
    const owner = source?.owner?.(agent);
    const instead = owner === undefined && source?.isNamed?.(OWNER) !== true;
    if ((owner !== undefined && names.includes(owner)) || (instead && roles.includes(INSTEAD))) held.add(OWNER);
    const missing = approvers.filter((one) => !held.has(one));
    if (missing.length === 0) return;
    const asPerson = (one: string) => (one === OWNER ? owner : one.includes(':') && source?.isNamed?.(one) !== true ? one : undefined);
    const approved = (person: string) => before.some((name) => people.namesOf(name).includes(person));
    const others = new Set(missing.map(asPerson).filter((one) => one === undefined || !approved(one)));
    // Those who are still missing have to fit into what remains of the quorum. A missing role is not made up for by somebody else.
    if (!others.has(undefined) && before.length + 1 + others.size <= quorum) return;
    const whom = missing.map((one) => {
      if (one !== OWNER) return one;
      if (owner !== undefined) return `its owner ${owner}`;
      return instead ? `its owner (\`policies.owners\` names none, so an ${INSTEAD})` : 'its owner';
    });
    throw new CorralError('CORRAL_APPROVER', `Call ${call} of ${id} is for ${whom.join(' and ')} to decide, and ${by} is not that.`);
  }

  #policiesOf(source: PolicySource, shadow: LiveShadow | undefined, inspectors: readonly Inspector[]): Policies {
    return {
      inspectors: inspectors.length === 0 ? undefined : new Map(inspectors.map((one) => [one.name, one])),
      get current() {
        return source.current;
      },
      history: this.#deps.seen,
      roles: source.roles ?? (() => []),
      owner: source.owner,
      keep: () => this.#keep(source.shadow === undefined ? [source.current] : [source.current, source.shadow]),
      ...(shadow === undefined ? {} : { shadow: (decided) => shadow.take(decided) }),
    };
  }

  #shadowOf(tenant: string, { current, shadow }: PolicySource): LiveShadow | undefined {
    if (shadow === undefined) return undefined;
    const { clock, tell } = this.#deps;
    return new LiveShadow({ tenant: tenant as TenantId, inForce: current, candidate: shadow, clock, tell });
  }
}
