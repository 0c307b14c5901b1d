/**
 * Denials that stop more than their call: the run is paused, or its agent version is quarantined in its tenant. This part does only what
 * must hold before the crank is committed; the other runs of the version are stopped once the commit is durable (stops.ts).
 */
import type { Consequence } from '@corral/broker/effects/batch';
import type { RunId } from '@corral/protocol/ids';
import type { Clock } from '@corral/protocol/ports/machine';
import type { Quarantines } from '../control/quarantine.ts';
import type { Run } from '../runs/run.ts';
import type { Transitions } from '../events/transitions.ts';
import type { Stop } from '@corral/broker/effects/batch';

export interface ConsequencesOptions {
  readonly clock: Clock;
  readonly quarantines: Quarantines;
  readonly runs: ReadonlyMap<RunId, Run>;
  readonly transitions: Transitions;
}

export class Consequences {
  readonly #options: ConsequencesOptions;

  constructor(options: ConsequencesOptions) {
    this.#options = options;
  }

  /**
   * Applies the gravest consequence of a crank's denials. A quarantine covers the version in its tenant alone, since the policies of one
   * tenant do not concern another. The run is stopped when this returns; the commit of the crank makes that durable.
   * @param ending the crank ends the run, so only the version may need to be stopped
   * @returns what the commit has to contain, and what to do once it is kept or refused; undefined if nothing is stopped
   */
  follow(id: RunId, consequences: readonly Consequence[], ending: boolean): Stop | undefined {
    const { clock, quarantines, runs, transitions } = this.#options;
    const run = runs.get(id);
    const gravest = consequences.find(({ kind }) => kind === 'quarantine') ?? consequences[0];
    if (run === undefined || gravest === undefined) return undefined;
    const { kind, rules, spent } = gravest;
    const [by, reason] = spent === undefined ? ['policy', `refused by ${rules.join(', ')}`] : ['budget', spent];
    const { version } = run.ledger;
    const against = { kind: 'version' as const, tenant: run.tenant, name: version, by, reason, at: clock.now() };
    const quarantine = kind === 'quarantine' && quarantines.stand(against) ? against : undefined;
    const control = kind === 'quarantine' ? 'quarantined' : 'paused';
    const stops = !ending && run.control === 'none';
    if (stops) {
      run.stop(control);
      run.tick(clock.monotonic());
    }
    return {
      event: stops ? { kind: 'control', control, by, reason } : undefined,
      quarantine,
      kept: () => {
        if (kind === 'pause' && stops) transitions.observers.tell({ kind: 'paused', run: id, by, reason });
        if (quarantine === undefined) return;
        quarantines.settled(quarantine);
        transitions.consequences.onQuarantine.emit(quarantine, id);
      },
      refused: () => quarantine && quarantines.withdraw(quarantine),
    };
  }
}
