/** The memories of a configuration, as tools, which agents reach as `kv:NAME`, `files:NAME` or `memory:NAME`. */
import { MEMORY } from '@corral/protocol/limits-memory';
import type { MemoryStore } from '@corral/protocol/ports/memory';
import type { Tool } from '@corral/protocol/ports/tool';
import { memoryTools } from '@corral/tools/memory/tools';
import type { Config } from './schema.ts';
import { rolesIn } from './secret-callers.ts';

export function memoryToolsOf(config: Pick<Config, 'memory' | 'tenants' | 'policies'>, store: () => MemoryStore | undefined): Tool[] {
  const roles = rolesIn(config);
  return Object.entries(config.memory).flatMap(([name, { limits, ...said }]) =>
    memoryTools(
      { ...said, name, value_bytes: limits.value_bytes },
      {
        store,
        roles,
        bounds(tenant) {
          const of = Object.hasOwn(config.tenants, tenant) ? config.tenants[tenant as never] : undefined;
          const { bytes = MEMORY.memory_tenant_bytes.default, entries = MEMORY.memory_tenant_entries.default } = of?.memory ?? {};
          return { bytes: limits.bytes, entries: limits.entries, tenant_bytes: bytes, tenant_entries: entries };
        },
      },
    ),
  );
}
