/**
 * What agents usually do: where the host finds the profiles that their runs are judged by, and how the calls of a run are read from
 * its journal so that a profile can learn them. Both take the same path as the living run did.
 */
import { RunDetectors } from '@corral/broker/ledger/detectors';
import type { Profile, ProfiledCall } from '@corral/policy/detection/profile';
import { Purse } from '@corral/policy/capability/purse';
import type { Delivery } from '@corral/protocol/wire/delivery';
import type { Effect } from '@corral/protocol/wire/effect';
import type { Entry, RunRecord } from '@corral/protocol/model/run';

export interface Profiles {
  /** The profile that a run of the agent begins with now. */
  readonly current: (tenant: string, agent: string) => string | undefined;
  /** Undefined where it was deleted. */
  readonly get: (id: string) => Profile | undefined;
}

/** Reads the calls of a run that were carried out, entry by entry. */
export class ProfileTrainer {
  readonly calls: ProfiledCall[] = [];
  readonly #watch = new RunDetectors(undefined, ({ tool, input, origins }) =>
    this.calls.push({ tool, input, ...(origins === undefined ? {} : { origins }) }),
  );
  readonly #purse: Purse;

  constructor(record: RunRecord) {
    this.#purse = new Purse(record.budget);
  }

  take({ seq, at, delivery, effects, decisions }: Entry): void {
    if (delivery === undefined || effects === undefined) return;
    this.#watch.delivered(JSON.parse(delivery) as Delivery, seq, this.#purse);
    const byId = new Map(decisions.map((decision) => [decision.id, decision]));
    for (const effect of JSON.parse(effects) as Effect[])
      this.#watch.asked(effect, 'id' in effect && effect.kind !== 'abort' ? byId.get(effect.id) : undefined, at, seq);
    this.#watch.settle();
  }
}
