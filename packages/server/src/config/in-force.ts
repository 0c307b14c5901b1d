import type { LoadedConfig } from './load.ts';

/** The configuration in force; asked for at each use, since a new one may be swapped in. */
export type InForce = () => LoadedConfig;
