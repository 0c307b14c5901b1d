/** Journals in the form in which cells replay them. */
import { MACHINE } from '@corral/protocol/limits';
import type { Entry } from '@corral/protocol/model/run';
import type { ReplayPage } from '@corral/protocol/ports/store';
import type { ReplayPayload } from '@corral/protocol/wire/frame';
import { withheld } from '@corral/protocol/wire/withheld';

const { replay_entries, replay_bytes, replay_cpu_ms } = MACHINE;

/**
 * As much of a journal as a cell replays at a time. Entries without a crank were written by the host and are skipped: the isolate
 * does not see them.
 */
export function replayPage(entries: Iterable<Entry>, after: number): ReplayPage {
  const cranks: ReplayPayload['cranks'][number][] = [];
  let last = after;
  let bytes = 0;
  let cpu = 0;
  let count = 0;
  // There may be more; whether there is, the next page says.
  let more = false;
  for (const { seq, delivery, effects, cpu_us } of entries) {
    last = seq;
    count += 1;
    if (delivery !== undefined && effects !== undefined) {
      cranks.push({ crank: seq, delivery: withheld(delivery), effects, cpu_us });
      bytes += delivery.length + effects.length;
      cpu += cpu_us;
    }
    if (count < replay_entries.default && bytes < replay_bytes.default && cpu < replay_cpu_ms.default * 1000) continue;
    more = true;
    break;
  }
  return { text: JSON.stringify({ cranks } satisfies ReplayPayload), last, cranks: cranks.length, cpu_us: cpu, more };
}
