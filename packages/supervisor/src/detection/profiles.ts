/**
 * Profiles of what agents usually do: the port by which the host finds them, and the reader that takes the calls of a run from its journal
 * so that a profile can learn them. The reader uses the same detectors as the live run, so both see the same calls.
 */
import { RunDetectors } from '@corral/broker/ledger/detectors';
import type { Profile, ProfiledCall } from '@corral/policy/detection/profile';
import { Purse } from '@corral/policy/capability/purse';
import type { Delivery } from '@corral/protocol/wire/delivery';
import { decisionOn, type Effect } from '@corral/protocol/wire/effect';
import type { Entry, RunRecord } from '@corral/protocol/model/run';

export interface Profiles {
  /** Id of the profile with which new runs of the agent are compared. */
  readonly current: (tenant: string, agent: string) => string | undefined;
  /** Undefined if the profile was deleted. */
  readonly get: (id: string) => Profile | undefined;
}

/** Collects the calls of a run that were carried out, from its journal entries. */
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
    for (const effect of JSON.parse(effects) as Effect[]) this.#watch.asked(effect, decisionOn(effect, byId), at, seq);
    this.#watch.settle();
  }
}
