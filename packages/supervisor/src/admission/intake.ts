/**
 * The checks that every new run must pass, whether it begins as a job or as a fork of another run. A host checks against what it has in
 * memory; the command line makes the same checks on a folder on which no host is running.
 */
import { Accounts, type SpendBounds } from '@corral/broker/accounts/accounts';
import { CorralError } from '@corral/protocol/errors';
import type { Identity } from '@corral/protocol/model/identity';
import type { AgentName, PrincipalId, TenantId } from '@corral/protocol/ids';
import type { Clock } from '@corral/protocol/ports/machine';
import type { RunRecord } from '@corral/protocol/model/run';
import type { Store } from '@corral/protocol/ports/store';
import type { AgentBreakers } from '../detection/agent-breakers.ts';
import { Quarantines } from '../control/quarantine.ts';

/** A run that is to be admitted. */
export interface Newcomer {
  readonly tenant: TenantId;
  readonly agent: AgentName;
  readonly version: string;
  readonly principal: PrincipalId;
  readonly who?: Identity | undefined;
}

export interface IntakeParts {
  readonly store: Pick<Store, 'full'>;
  readonly clock: Pick<Clock, 'now'>;
  readonly quarantines: Pick<Quarantines, 'mustNotStand'>;
  readonly accounts: Pick<Accounts, 'mustHaveLeft'>;
  /** Whether the host is shutting down and refuses new work. */
  readonly stopping?: () => boolean;
  /** Circuit breakers of agent versions. Only a host has them, since they are kept in its memory. */
  readonly breakers?: Pick<AgentBreakers, 'refusal' | 'neverBegan'>;
}

export class Intake {
  readonly #parts: IntakeParts;

  constructor(parts: IntakeParts) {
    this.#parts = parts;
  }

  /** @throws CORRAL_STOPPING, CORRAL_DISK_FULL, CORRAL_QUARANTINED, CORRAL_SPEND_EXCEEDED */
  mustTake(newcomer: Newcomer): void {
    const { store, clock, quarantines, accounts, stopping } = this.#parts;
    if (stopping?.() === true) throw new CorralError('CORRAL_STOPPING', 'This host is shutting down and takes no new work.');
    // Refused before the disk is quite full, because the runs that were accepted need space to go on.
    if (store.full === true)
      throw new CorralError('CORRAL_DISK_FULL', 'The disk of this host is full: no new work is taken until there is space.');
    quarantines.mustNotStand(newcomer, newcomer.version);
    accounts.mustHaveLeft(newcomer, clock.now());
  }

  /**
   * Stores a run, unless the breaker of its version refuses it. The breaker is asked last, because a half-open breaker lets a limited
   * number of runs through and counts this one; if the store refuses the run, the breaker gets its trial back.
   * @throws CORRAL_AGENT_RESTS and errors of the store
   */
  async writeDown(run: Pick<RunRecord, 'id' | 'tenant' | 'version'>, write: () => Promise<void>): Promise<void> {
    const { breakers } = this.#parts;
    const rests = breakers?.refusal(run);
    if (rests !== undefined) throw new CorralError('CORRAL_AGENT_RESTS', rests);
    try {
      await write();
    } catch (error) {
      breakers?.neverBegan(run);
      throw error;
    }
  }
}

/** The accounts of a folder on which no host is running. */
export async function accountsOf(store: Store, clock: Pick<Clock, 'now'>, spend: (tenant: TenantId) => SpendBounds | undefined) {
  const accounts = new Accounts(spend);
  await accounts.load(store, clock.now());
  return accounts;
}

/** The intake of a folder on which no host is running. */
export async function intakeOf(
  store: Store,
  clock: Pick<Clock, 'now'>,
  spend: (tenant: TenantId) => SpendBounds | undefined,
): Promise<Intake> {
  const quarantines = new Quarantines(store);
  await quarantines.follow();
  return new Intake({ store, clock, quarantines, accounts: await accountsOf(store, clock, spend) });
}
