/** At the end of a simulated world, replays every journal from its entries and compares the effects. */
import type { Delivery } from '@corral/protocol/wire/delivery';
import { withheld } from '@corral/protocol/wire/withheld';
import type { FaultKind } from '@corral/protocol/wire/frame';
import { canonical } from '@corral/protocol/json';
import type { SqliteCore } from '@corral/store/sqlite/core';
import { Anomaly, Guest } from './guest.ts';
import type { Oracle } from './oracle.ts';

export function replayAll(core: SqliteCore, oracle: Oracle): void {
  for (const { record, seq } of oracle.runs.values()) {
    const entries = core.journal(record.id);
    if (entries.length !== seq) oracle.broken(`7: the journal of ${record.id} has ${entries.length} entries; ${seq} became durable`);
    let guest = new Guest();
    for (const entry of entries) {
      if (entry.delivery === undefined || entry.effects === undefined) continue;
      const delivery = JSON.parse(withheld(entry.delivery)) as Delivery;
      try {
        const { effects, fault } = guest.crank(delivery);
        const [expected, seen] = [canonical(JSON.parse(entry.effects)), canonical(effects)];
        if (fault === (undefined satisfies FaultKind | undefined) && expected !== seen)
          oracle.broken(`5: entry ${entry.seq} of ${record.id} says ${expected}, and replay makes ${seen}`);
      } catch (error) {
        if (!(error instanceof Anomaly)) throw error;
        oracle.broken(`5: in entry ${entry.seq} of ${record.id}, ${error.message}`);
      }
      if (entry.event?.kind === 'checkpoint') guest = new Guest();
    }
  }
}
