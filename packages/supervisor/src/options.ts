/** Settings of a host, and the ports that it uses. */
import type { Slice } from '@corral/broker/bus';
import type { RunId } from '@corral/protocol/ids';
import type { RunRecord } from '@corral/protocol/model/run';
import type { CellLauncher, Clock, Random, WakeUps } from '@corral/protocol/ports/machine';
import type { Store } from '@corral/protocol/ports/store';
import type { People } from './governance/people.ts';
import type { Profiles } from './detection/profiles.ts';
import type { NodeOptions } from './runs/membership.ts';
import type { ResidencyLimits } from './runs/residency.ts';
import type { TenantOptions } from './tenants.ts';

export interface SupervisorOptions {
  readonly store: Store;
  /** Name and lease of this host among the nodes of its store; left out if no other host uses the store. */
  readonly node?: NodeOptions;
  readonly launcher: CellLauncher;
  readonly clock: Clock;
  readonly random: Random;
  /** Carries hints that a run may have something to do; without it, hints stay in this process. Closed with the host. */
  readonly wakeUps?: WakeUps;
  readonly tenants: Readonly<Record<string, TenantOptions>>;
  /** Digest of the sandbox image. */
  readonly image: string;
  /** Cores of the machine; one of them is kept free of long cranks. */
  readonly cores: number;
  readonly maxCells?: number;
  readonly cellsPerTenant?: number;
  readonly spares?: number;
  /** How long a run that was paused within a crank keeps its cell. */
  readonly pause_grace_ms?: number;
  /** Time that people have to decide about a call. */
  readonly approval_ms?: number;
  /** Time without a completed crank, while runs have something to do, after which this host reports that it is stalled. */
  readonly no_progress_ms?: number;
  /** Limits by which runs leave memory; the default applies to those that are left out. */
  readonly residency?: Partial<ResidencyLimits>;
  readonly cell_idle_ms?: number;
  /** Isolates that a cell may hold in advance. */
  readonly spareIsolates?: number;
  /** Resident memory of a cell above which its idle isolates are disposed of, and then the cell itself is killed. */
  readonly cell_memory_mib?: number;
  /** Heap of this process that is free for runs, in bytes, by which the memory that they take in it is bounded; without it, it is not. */
  readonly heap_bytes?: number;
  /** Shares of the heap for runs of one tenant, and of all. Percent. */
  readonly tenant_heap_percent?: number;
  readonly runs_heap_percent?: number;
  /** Profiles of what agents usually do, approved by people; without them, runs are not checked for drift. */
  readonly profiles?: Profiles;
  /** The people behind the names of principals; without it, each name counts as a person. */
  readonly people?: People;
  /** The span of a call as `traceparent`, for tools whose grant says that they are told; without it, none is. */
  readonly traceparent?: ((record: RunRecord, call: number) => string) | undefined;
  /** The size of the next slice in which a crank is decided; without it, only the time limits a slice. */
  readonly slice?: (run: RunId) => Slice;
}
