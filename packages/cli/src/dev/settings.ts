/** The part of a host's configuration that `corral dev` lives by: one tenant, as `corral up` would have it. */
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CorralError } from '@corral/protocol/errors';
import type { TenantId } from '@corral/protocol/ids';
import type { Tool } from '@corral/protocol/ports/tool';
import type { LoadedConfig } from '@corral/server/config/load';
import type { TenantOptions } from '@corral/supervisor';
import type { MemoryPlace } from '../host.ts';
import { toStderr } from '../tool-reports.ts';
import { withFakes, type Fakes } from './tools.ts';

export interface DevFlags {
  readonly config?: string;
  readonly tenant?: string;
  readonly read?: string;
  readonly write?: string;
}

export interface DevSettings {
  readonly tenant: TenantId;
  readonly options: TenantOptions;
  readonly loaded: LoadedConfig;
  /** Lines about its guards, as `corral up` prints them. */
  readonly guards: readonly { readonly text: string; readonly bare: boolean }[];
  /** The files that it was made of. */
  readonly files: readonly string[];
}

/**
 * @param file undefined: what holds on a host without a configuration
 * @throws CORRAL_CONFIG_INVALID, CORRAL_POLICY_INVALID, CORRAL_TENANT_UNKNOWN, CORRAL_USAGE
 */
export async function settingsOf(file: string | undefined, flags: DevFlags, fakes: Fakes, memory: MemoryPlace): Promise<DevSettings> {
  const { loadConfig } = await import('@corral/server/config/load');
  const { guardLines, guardsOf } = await import('@corral/server/config/guards');
  const { read, write } = flags;
  const files = { ...(read === undefined ? {} : { read: resolve(read) }), ...(write === undefined ? {} : { write: resolve(write) }) };
  // A tool in a file's place is there before the policies are checked against the tools.
  const loaded = await loadConfig(file, process.env, {
    tell: toStderr,
    secrets: 'noted',
    files,
    memory: () => memory.store,
    replace: (tools: readonly Tool[]) => withFakes(tools, fakes, file !== undefined),
  });
  try {
    const names = Object.keys(loaded.tenants);
    const tenant = flags.tenant ?? (names.length === 1 ? names[0] : names.find((name) => name === 'local'));
    const options = tenant === undefined ? undefined : loaded.tenants[tenant];
    if (tenant === undefined || options === undefined)
      throw new CorralError(
        'CORRAL_TENANT_UNKNOWN',
        `Say which tenant of ${file ?? 'the configuration'}, with --tenant: ${names.join(', ')}.`,
      );
    const { code, policies } = loaded.kept;
    return {
      tenant: tenant as TenantId,
      options,
      loaded,
      guards: guardLines(guardsOf(loaded.config).filter((guard) => guard.tenant === tenant)),
      files: file === undefined ? [] : [resolve(file), ...Object.keys(code).map((url) => fileURLToPath(url)), ...Object.keys(policies)],
    };
  } catch (error) {
    await loaded.close(0);
    throw error;
  }
}
