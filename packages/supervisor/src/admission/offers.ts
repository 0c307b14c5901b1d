/** The tools and services that agents of a tenant can be granted, and the deployment of bundles, which define the services. */
import { CorralError } from '@corral/protocol/errors';
import type { AgentName, Digest, TenantId } from '@corral/protocol/ids';
import type { AgentVersion } from '@corral/protocol/model/manifest';
import type { Store } from '@corral/protocol/ports/store';
import type { Tool } from '@corral/protocol/ports/tool';
import { checkBundle, versionsOf } from './admission.ts';
import { LoadedBundle, type Bundles } from './bundles.ts';
import { senderOf } from './sender.ts';
import { instanceId, type Services } from './services.ts';
import { contextOf } from '../offline/context.ts';
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

  /** Tools of a tenant by the source that agents name to ask for all of them: `mcp:crm`, `kv:notes`. @see Tenants.toolsFrom */
  from(tenant: string, source: string): readonly Tool[] {
    return this.#options.tenants.toolsFrom(tenant, source);
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
    const bundle = checkBundle(source, manifests, (name) => this.tool(tenant, name) ?? this.from(tenant, name)[0], names);
    const { digest, versions } = versionsOf(bundle);
    services.mayServe(tenant, versions);
    await store.deploy({ digest, source, source_map }, versions);
    bundles.add(new LoadedBundle(digest, source, versions));
    await services.serve(tenant, versions);
    return versions;
  }

  /**
   * The agent that writes to a service for a person. It is deployed like any other agent, so its runs leave the same evidence.
   * @param key of the instance that is written to
   * @throws CORRAL_AGENT_UNKNOWN, CORRAL_REQUEST_INVALID
   */
  async sender(tenant: TenantId, service: AgentName, handler: string, key?: string): Promise<AgentVersion> {
    this.#options.services.mustHave(tenant, service, handler);
    if (key !== undefined) await this.#mustKnow(tenant, service, handler, key);
    const { source, manifest } = senderOf(service);
    const [version] = await this.deploy(tenant, source, [manifest]);
    return version as AgentVersion;
  }

  /**
   * A service that is deployed again is that of new instances; those that exist stay on their version.
   * @throws CORRAL_REQUEST_INVALID if an instance exists whose version lacks the handler
   */
  async #mustKnow(tenant: TenantId, service: AgentName, handler: string, key: string): Promise<void> {
    const { store } = this.#options;
    const run = await store.instance(instanceId(tenant, service, key));
    const stored = run === undefined ? undefined : await store.run(run);
    if (stored === undefined || stored.status.lifecycle === 'ended') return;
    const { id, version } = stored.record;
    const lacks = async (one: string) => {
      const on = (await store.version(one as Digest))?.manifest.service?.on;
      return on !== undefined && !Object.hasOwn(on, handler);
    };
    if (!(await lacks(version))) return;
    const moved = (await contextOf(store, id, Number.POSITIVE_INFINITY)).findLast((change) => change.kind === 'version');
    const now = moved?.kind === 'version' ? moved.to : version;
    if (!(await lacks(now))) return;
    throw new CorralError(
      'CORRAL_REQUEST_INVALID',
      `${service} has the handler ${handler} in its newest version, but its instance for this key (${id}) is at an older one, ${now.slice(0, 15)}…, which lacks it. \`corral upgrade ${id} FILE\` moves the instance.`,
    );
  }
}
