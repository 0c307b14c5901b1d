/** How a host loads its configuration, each time that it does. */
import type { FrontStore } from '@corral/protocol/ports/front';
import { metaOf } from '@corral/store/front';
import { programs, type CellGroups, type Walls } from '@corral/supervisor';
import { loadConfig, type LoadedConfig, type LoadOptions } from './load.ts';
import { pinsIn } from './pins.ts';

export interface LoaderOptions {
  readonly options: Pick<LoadOptions, 'sources' | 'files' | 'resolveHost'> & {
    readonly config?: string | undefined;
    readonly env: Readonly<Record<string, string | undefined>>;
  };
  /** The data folder. */
  readonly data: string;
  /** Gives undefined while the host is being built. */
  readonly db: () => FrontStore | undefined;
  readonly walls: Walls;
  readonly groups: CellGroups | undefined;
  readonly accounts: LoadOptions['accounts'];
  readonly logins: LoadOptions['logins'];
  readonly memory: LoadOptions['memory'];
  readonly alarm: NonNullable<LoadOptions['alarm']>;
  readonly tell: NonNullable<LoadOptions['tell']>;
}

export function loaderOf({
  options,
  data,
  db,
  walls,
  groups,
  accounts,
  logins,
  memory,
  alarm,
  tell,
}: LoaderOptions): (more: LoadOptions) => Promise<LoadedConfig> {
  const always: LoadOptions = {
    alarm,
    accounts,
    logins,
    memory,
    tell,
    pins: pinsIn(db, (name) => metaOf(data, name)),
    programs: programs({ walls, groups, path: options.env['PATH'] ?? '' }),
    sources: options.sources,
    resolveHost: options.resolveHost,
    isolation: (tenant) => ((db()?.registry.deployers(tenant) ?? 0) > 1 ? 'agent' : 'tenant'),
    ...(options.files === undefined ? {} : { files: options.files }),
  };
  return (more) => loadConfig(options.config, options.env, { ...always, ...more });
}
