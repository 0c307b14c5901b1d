/** What a host is made of: its powers, its tenants and its ceilings. */
import type { CellLauncher, Clock, Random, WakeUps } from '@corral/protocol/ports/machine';
import type { Store } from '@corral/protocol/ports/store';
import type { People } from './governance/people.ts';
import type { Profiles } from './detection/profiles.ts';
import type { ResidenceLimits } from './runs/residency.ts';
import type { TenantOptions } from './tenants.ts';

export interface SupervisorOptions {
  readonly store: Store;
  readonly launcher: CellLauncher;
  readonly clock: Clock;
  readonly random: Random;
  /** Carries hints that a run may have something to do; without it, they stay in this process. Closed with the host. */
  readonly wakeUps?: WakeUps;
  readonly tenants: Readonly<Record<string, TenantOptions>>;
  /** Digest of the sandbox image. */
  readonly image: string;
  /** Cores of the machine; one of them is kept free of cranks that compute for long. */
  readonly cores: number;
  readonly maxCells?: number;
  readonly cellsPerTenant?: number;
  readonly spares?: number;
  /** How long a run that was frozen in a crank keeps its cell. */
  readonly pause_grace_ms?: number;
  /** How long people have to decide about a call. */
  readonly approval_ms?: number;
  /** How long runs may have something to do, and no crank be completed, before this host says that it is stalled. */
  readonly no_progress_ms?: number;
  /** When runs leave memory; what is left out takes its default. */
  readonly residency?: Partial<ResidenceLimits>;
  readonly cell_idle_ms?: number;
  /** Resident memory of one cell before idle isolates are given up, and then the cell itself. */
  readonly cell_memory_mib?: number;
  /** What agents usually do, as people approved it; without it, nobody is judged for drift. */
  readonly profiles?: Profiles;
  /** Who stands behind the names of those who act; without it, each name is a person. */
  readonly people?: People;
}
