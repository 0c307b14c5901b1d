/**
 * The services of each tenant: the version that gets messages, and the record that a new instance would have. Only the store knows whether
 * an instance exists for a key; it decides in the commit that brings the message.
 */
import { serviceIn, serviceTool } from '@corral/broker/effects/service';
import { CorralError } from '@corral/protocol/errors';
import type { PrincipalId, TenantId } from '@corral/protocol/ids';
import { atMost, DEFAULT_BUDGET, DEFAULT_CEILINGS } from '@corral/protocol/limits';
import type { AgentManifest, AgentVersion } from '@corral/protocol/model/manifest';
import type { Clock, Random } from '@corral/protocol/ports/machine';
import type { RunHeader } from '@corral/protocol/model/run';
import type { Store } from '@corral/protocol/ports/store';
import type { Tool } from '@corral/protocol/ports/tool';
import { admit, digestOf, type Job } from './admission.ts';
import type { Quarantines } from '../control/quarantine.ts';
import type { TenantOptions, Tenants } from '../tenants.ts';
import type { Reached } from '@corral/broker/effects/context';

interface Offered {
  /** Main agent of the bundle that defined the service first; undefined if that was not recorded. */
  readonly owner: string | undefined;
  readonly version: AgentVersion;
  readonly tool: Tool;
}

export interface ServicesOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly quarantines: Quarantines;
  readonly tenants: Tenants;
}

export class Services {
  readonly #options: ServicesOptions;
  readonly #offered = new Map<string, Offered>();

  constructor(options: ServicesOptions) {
    this.#options = options;
  }

  /** Reads the services from the store, where other nodes offer some too. */
  async load(): Promise<void> {
    const { store } = this.#options;
    const before = new Map(this.#offered);
    for (const { tenant, name, version, owner } of await store.services()) {
      const known = before.get(keyOf(tenant, name));
      if (known?.version.version === version) continue;
      const found = await store.version(version);
      // This host may have offered another version meanwhile.
      if (found !== undefined && this.#offered.get(keyOf(tenant, name)) === known) this.#offer(tenant, name, found, owner);
    }
  }

  /**
   * A new version of a service goes on from the states of its instances. So another bundle may not take over its name, since it would get
   * those states.
   * @throws CORRAL_SERVICE_TAKEN
   */
  mayServe(tenant: TenantId, versions: readonly AgentVersion[]): void {
    const own = versions[0]?.manifest.name;
    for (const { manifest } of versions) {
      const owner = manifest.service && this.#offered.get(keyOf(tenant, manifest.name))?.owner;
      if (owner === undefined || owner === own) continue;
      throw new CorralError(
        'CORRAL_SERVICE_TAKEN',
        `The service ${manifest.name} of ${tenant} came with ${owner}, and ${own} would replace it. Deploy it with ${owner}, or give yours another name.`,
      );
    }
  }

  /** Offers the services among a bundle's agents: from now on, new instances have these versions. */
  async serve(tenant: TenantId, versions: readonly AgentVersion[]): Promise<void> {
    const owner = versions[0]?.manifest.name ?? '';
    for (const version of versions) {
      const { name, service } = version.manifest;
      if (service === undefined) continue;
      await this.#options.store.serve({ tenant, name, version: version.version, owner });
      this.#offer(tenant, name, version, owner);
    }
  }

  /** Services of a tenant, as capability requests name them: `service:NAME`. */
  offered(tenant: string): string[] {
    return this.#names(tenant).map((name) => `service:${name}`);
  }

  #names(tenant: string): string[] {
    return [...this.#offered.keys()].flatMap((key) => (key.startsWith(`${tenant} `) ? [key.slice(tenant.length + 1)] : []));
  }

  /**
   * Checks that a message can be delivered, before anything is created for it.
   * @throws CORRAL_AGENT_UNKNOWN, CORRAL_REQUEST_INVALID; the messages list the services or handlers that exist
   */
  mustHave(tenant: string, name: string, handler: string): void {
    const on = Object.keys(this.#offered.get(keyOf(tenant, name))?.version.manifest.service?.on ?? {});
    if (on.length === 0) {
      const names = this.#names(tenant);
      const there = names.length === 0 ? 'it has none; a service comes with a deployed bundle' : `it has ${names.join(', ')}`;
      throw new CorralError('CORRAL_AGENT_UNKNOWN', `${tenant} has no service ${name}: ${there}.`);
    }
    if (!on.includes(handler))
      throw new CorralError('CORRAL_REQUEST_INVALID', `${name} has no handler called ${handler}; it has ${on.join(', ')}.`);
  }

  /** The tool that represents a service; undefined if the name is that of a tool. */
  tool(tenant: string, name: string): Tool | undefined {
    const service = serviceIn(name);
    return service === undefined ? undefined : this.#offered.get(keyOf(tenant, service))?.tool;
  }

  /**
   * The instance of a service for a key, as the store would create it if it does not exist; undefined if there is no such service.
   * @param header of the run that writes to it: a new instance begins on the same runtime
   */
  reach(tenant: TenantId, name: string, key: string, header: RunHeader): Reached | undefined {
    const { random, clock, quarantines, tenants } = this.#options;
    const offered = this.#offered.get(keyOf(tenant, name));
    if (offered === undefined) return undefined;
    const { version } = offered;
    const stands = quarantines.against({ tenant, agent: version.manifest.name }, version.version)?.reason;
    const { image, node, v8, icu } = header;
    const bounds = within(tenants.of(tenant)?.most, version.manifest);
    const job = { tenant, version, input: key, principal: `service:${name}` as PrincipalId, ...bounds };
    const { record, grants } = admit(job, {
      random,
      now: clock.now(),
      runtime: { image, node, v8, icu },
      tool: (wanted) => this.tool(tenant, wanted) ?? tenants.tool(tenant, wanted),
      from: (source) => tenants.toolsFrom(tenant, source),
    });
    return {
      stands,
      instance: {
        id: instanceId(tenant, name, key),
        of: digestOf(JSON.stringify([tenant, name])),
        record: { ...record, service: { key } },
        grants,
      },
    };
  }

  #offer(tenant: string, name: string, version: AgentVersion, owner: string | undefined): void {
    this.#offered.set(keyOf(tenant, name), { owner, version, tool: serviceTool(name, version.manifest.purpose) });
  }
}

/** Ceilings and budget of a service, as its manifest or the defaults say, cut to the tenant's maximum. */
function within(most: TenantOptions['most'], { ceilings, budget }: AgentManifest): Pick<Job, 'ceilings' | 'budget' | 'narrowed'> {
  if (most === undefined) return {};
  return {
    ceilings: atMost({ ...DEFAULT_CEILINGS, ...ceilings }, most.ceilings),
    budget: atMost({ ...DEFAULT_BUDGET, ...budget }, most.budget),
    narrowed: false,
  };
}

/** Id of an instance. It is a digest, which does not disclose the key. */
export const instanceId = (tenant: string, name: string, key: string): string => digestOf(JSON.stringify([tenant, name, key]));

/** @throws CORRAL_USAGE if the version is a service, which cannot be submitted like an agent */
export function refuseService({ manifest }: AgentVersion): void {
  if (manifest.service === undefined) return;
  const [handler = 'handler'] = Object.keys(manifest.service.on);
  throw new CorralError(
    'CORRAL_USAGE',
    `${manifest.name} is a service: it is written to, not run. \`corral send ${manifest.name} KEY ${handler} '{…}'\` writes to one of its instances.`,
  );
}

const keyOf = (tenant: string, name: string) => `${tenant} ${name}`;
