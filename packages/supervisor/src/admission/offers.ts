/** What agents of a tenant may be given: its tools and its services; and the bundles that services come with. */
import type { AgentName, TenantId } from '@corral/protocol/ids';
import type { AgentVersion } from '@corral/protocol/model/manifest';
import type { Store } from '@corral/protocol/ports/store';
import type { Tool } from '@corral/protocol/ports/tool';
import { checkBundle, versionsOf } from './admission.ts';
import { LoadedBundle, type Bundles } from './bundles.ts';
import { senderOf } from './sender.ts';
import type { Services } from './services.ts';
import type { TenantOptions, Tenants } from '../tenants.ts';

export interface OffersOptions {
  readonly store: Store;
  readonly tenants: Tenants;
  readonly services: Services;
  readonly bundles: Bundles;
}

export class Offers {
  readonly #options: OffersOptions;

  constructor(options: OffersOptions) {
    this.#options = options;
  }

  /** A tool of a tenant, by name, or what stands for a service. */
  tool(tenant: string, name: string): Tool | undefined {
    const { services, tenants } = this.#options;
    return services.tool(tenant, name) ?? tenants.tool(tenant, name);
  }

  /** What instances of a tenant's services, and forks, may have at most. */
  most(tenant: string): TenantOptions['most'] {
    return this.#options.tenants.of(tenant)?.most;
  }

  /**
   * Takes a bundle in for a tenant. Deploying the same one again changes nothing.
   * @param manifests of the agents in it, the main one first; checked here
   * @param source_map kept beside it, for people who debug it
   * @throws CORRAL_BUNDLE_TOO_LARGE, CORRAL_MANIFEST_INVALID, CORRAL_SCHEMA_INVALID, CORRAL_CAP_UNKNOWN, CORRAL_SERVICE_TAKEN
   */
  async deploy(tenant: TenantId, source: string, manifests: unknown, source_map?: string): Promise<readonly AgentVersion[]> {
    const { store, services, bundles } = this.#options;
    const bundle = checkBundle(source, manifests, (name) => this.tool(tenant, name));
    const { digest, versions } = versionsOf(bundle);
    services.mayServe(tenant, versions);
    await store.deploy({ digest, source, source_map }, versions);
    bundles.add(new LoadedBundle(digest, source, versions));
    await services.serve(tenant, versions);
    return versions;
  }

  /**
   * The agent that writes to a service for a person; deployed like any other, so that its runs are as well accounted for.
   * @throws CORRAL_AGENT_UNKNOWN, CORRAL_REQUEST_INVALID
   */
  async sender(tenant: TenantId, service: AgentName, handler: string): Promise<AgentVersion> {
    this.#options.services.mustHave(tenant, service, handler);
    const { source, manifest } = senderOf(service);
    const [version] = await this.deploy(tenant, source, [manifest]);
    return version as AgentVersion;
  }
}
