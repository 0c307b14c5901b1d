/**
 * Decides which runs share a cell. A household is the runs that may be in one process: all of a tenant, those of one of its agents, or a
 * single run. If the code of one of them takes the process over, it can read the others and act as them. Programs that agents make at run time
 * (`spawn.code`) are therefore in households of their own: nobody has read them, and a stranger's words may have shaped them, so an operating
 * system's wall stands between a program and the run that made it.
 */
import type { TenantId } from '@corral/protocol/ids';

/** The runs that may share a cell with a run: all of its tenant, those of its agent, or none. */
export type Isolation = 'tenant' | 'agent' | 'run';

declare const household: unique symbol;
/** A tenant's id, and after a space what narrows it: an agent, a run, a run that is apart, programs, or programs of an agent. */
export type Household = string & { readonly [household]: true };

const APART = 'apart';

interface Member {
  readonly id: string;
  readonly tenant: TenantId;
  readonly agent: string;
  /** Set for a run of a program. */
  readonly program?: object;
}

/** @param isApart the run has a cell of its own for now, whatever the isolation of its agent */
export function householdOf({ id, tenant, agent, program }: Member, isolation: Isolation, isApart = false): Household {
  if (isApart) return `${tenant} ${APART} ${id}` as Household;
  if (isolation === 'run') return `${tenant} run ${id}` as Household;
  if (program !== undefined) return `${tenant} programs${isolation === 'agent' ? ` ${agent}` : ''}` as Household;
  return (isolation === 'agent' ? `${tenant} agent ${agent}` : tenant) as Household;
}

/** Whether only one run may be in a cell of this household. */
export const isOfOneRun = (of: Household): boolean => of.split(' ', 2)[1] === 'run' || isApart(of);

/** Whether the household is a run that would be in a cell with others, and has one of its own for now. */
export const isApart = (of: Household): boolean => of.split(' ', 2)[1] === APART;

/** Tenants' ids have no spaces. */
export const tenantOf = (of: Household): TenantId => of.split(' ', 1)[0] as TenantId;

/** The time of a household in a cell. A cell gets one household, and is never given to another. */
export class Tenure {
  #household: Household | undefined;
  #tenant: TenantId | undefined;
  #crankedSince: number | undefined;
  #retiring = false;

  /** The runs that may be in the cell; undefined before that, and for a cell that the host borrowed. */
  get household(): Household | undefined {
    return this.#household;
  }

  get tenant(): TenantId | undefined {
    return this.#tenant;
  }

  /** When the first crank was completed in the cell; undefined before that. */
  get crankedSince(): number | undefined {
    return this.#crankedSince;
  }

  /** The cell gets no more work, and is killed once it has none. */
  get retiring(): boolean {
    return this.#retiring;
  }

  begin(household: Household | undefined): void {
    this.#household = household;
    this.#tenant = household && tenantOf(household);
  }

  cranked(now: () => number): void {
    this.#crankedSince ??= now();
  }

  retire(): void {
    this.#retiring = true;
  }
}
