/** Cache of deployed bundles; the least recently used are evicted first. */
import { CorralError } from '@corral/protocol/errors';
import type { Digest } from '@corral/protocol/ids';
import type { AgentManifest, AgentVersion } from '@corral/protocol/model/manifest';
import type { Store } from '@corral/protocol/ports/store';

export class LoadedBundle {
  readonly digest: Digest;
  readonly source: string;
  readonly agents: ReadonlyMap<string, AgentVersion>;

  constructor(digest: Digest, source: string, versions: readonly AgentVersion[]) {
    this.digest = digest;
    this.source = source;
    this.agents = new Map(versions.map((version) => [version.manifest.name as string, version]));
  }

  /** @throws CORRAL_AGENT_UNKNOWN */
  agent(name: string): AgentManifest {
    const version = this.agents.get(name);
    if (version === undefined) throw new CorralError('CORRAL_AGENT_UNKNOWN', `The bundle ${this.digest} defines no agent ${name}.`);
    return version.manifest;
  }
}

/** Number of bundles in the cache. */
const BUNDLES = 256;

export class Bundles {
  readonly #store: Store;
  readonly #loaded = new Map<string, LoadedBundle>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** An agent of a bundle; undefined if the bundle is not in the cache or has no such agent. */
  agent(bundle: string, name: string): AgentVersion | undefined {
    return this.#loaded.get(bundle)?.agents.get(name);
  }

  add(bundle: LoadedBundle): LoadedBundle {
    this.#loaded.delete(bundle.digest);
    this.#loaded.set(bundle.digest, bundle);
    if (this.#loaded.size > BUNDLES) {
      const [oldest] = this.#loaded.keys();
      if (oldest !== undefined) this.#loaded.delete(oldest);
    }
    return bundle;
  }

  /** @throws CORRAL_AGENT_UNKNOWN if the store does not have the bundle, or no longer has it */
  async load(digest: Digest): Promise<LoadedBundle> {
    const known = this.#loaded.get(digest);
    if (known !== undefined) return this.add(known);
    const [source, versions] = await Promise.all([this.#store.bundle(digest), this.#store.agents(digest)]);
    if (source === undefined) throw new CorralError('CORRAL_AGENT_UNKNOWN', `The bundle ${digest} is not on this host.`);
    return this.add(new LoadedBundle(digest, source, versions));
  }
}
