/** The tools and services that agents of a tenant can be granted, and the deployment of bundles, which define the services. */
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

  /** A tenant's tool by name, or the tool that represents one of its services. */
  tool(tenant: string, name: string): Tool | undefined {
    const { services, tenants } = this.#options;
    return services.tool(tenant, name) ?? tenants.tool(tenant, name);
  }

  /** Maximum ceilings and budget of a tenant's service instances and forks. */
  most(tenant: string): TenantOptions['most'] {
    return this.#options.tenants.of(tenant)?.most;
  }

  /**
   * Stores a bundle for a tenant and offers the services in it. Deploying the same bundle again changes nothing.
   * @param manifests of its agents, the main one first; checked here
   * @param source_map stored with the bundle, for debugging
   * @throws CORRAL_BUNDLE_TOO_LARGE, CORRAL_MANIFEST_INVALID, CORRAL_SCHEMA_INVALID, CORRAL_CAP_UNKNOWN, CORRAL_SERVICE_TAKEN
   */
  async deploy(tenant: TenantId, source: string, manifests: unknown, source_map?: string): Promise<readonly AgentVersion[]> {
    const { store, services, bundles } = this.#options;
    const names = () => (this.#options.tenants.of(tenant)?.tools ?? []).map(({ name }) => name);
    const bundle = checkBundle(source, manifests, (name) => this.tool(tenant, name), names);
    const { digest, versions } = versionsOf(bundle);
    services.mayServe(tenant, versions);
    await store.deploy({ digest, source, source_map }, versions);
    bundles.add(new LoadedBundle(digest, source, versions));
    await services.serve(tenant, versions);
    return versions;
  }

  /**
   * The agent that writes to a service for a person. It is deployed like any other agent, so its runs leave the same evidence.
   * @throws CORRAL_AGENT_UNKNOWN, CORRAL_REQUEST_INVALID
   */
  async sender(tenant: TenantId, service: AgentName, handler: string): Promise<AgentVersion> {
    this.#options.services.mustHave(tenant, service, handler);
    const { source, manifest } = senderOf(service);
    const [version] = await this.deploy(tenant, source, [manifest]);
    return version as AgentVersion;
  }
}
