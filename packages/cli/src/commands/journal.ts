/** `corral journal RUN`: deliveries, effects and decisions of a run. */
import { CorralError } from '@corral/protocol/errors';
import { outcomeText } from '@corral/protocol/model/outcome-text';
import type { RunId } from '@corral/protocol/ids';
import type { Entry } from '@corral/protocol/model/run';
import { printableJson } from '@corral/protocol/printable';
import { hostOrFolder, type HostFlags } from '../connect.ts';
import { evidenceOf, pagesBy, type Shown, type ShownEntry } from '../evidence.ts';
import { EXIT } from '../failure.ts';

import { entryLines, entryTitle, paint } from '../screen/entries.ts';
import { withheldText } from '../screen/withheld.ts';

export interface JournalFlags extends HostFlags {
  /** Only entries after this one. */
  readonly after: string;
}

export async function journal(id: RunId, flags: JournalFlags): Promise<number> {
  const after = Number(flags.after);
  if (!Number.isSafeInteger(after) || after < 0)
    throw new CorralError('CORRAL_USAGE', `--after takes the number of an entry, not ${flags.after}.`);
  const place = await hostOrFolder(flags);
  if (flags.json === true && 'client' in place) {
    // Printed one by one as they arrive, because a journal may be long.
    for await (const entry of pagesBy(place.client, id, after)) process.stdout.write(`${printableJson(entry)}\n`);
    return EXIT.ok;
  }
  const { stored, entries, authors } = await evidenceOf(place, id, after);
  if (flags.json === true) {
    const { record, status } = stored;
    process.stdout.write(`${printableJson({ run: id, record, status, entries: entries.map((entry) => entryJson(entry)) }, 2)}\n`);
    return EXIT.ok;
  }
  const lines = [titleOf(stored), entryTitle(false)];
  const began = entries[0]?.at ?? 0;
  for (const entry of entries) lines.push(...entryLines(entry, began, undefined, authors));
  lines.push(...withheldLines(entries));
  process.stdout.write(`${lines.join('\n')}\n`);
  return EXIT.ok;
}

/** Why entries are there without their content, said once for each reason. */
function withheldLines(entries: readonly ShownEntry[]): string[] {
  const texts = entries.flatMap(({ withheld }) => (withheld === undefined ? [] : [withheldText(withheld)]));
  return [...new Set(texts)].map((text) => paint('yellow', text));
}

/** Gives `run_…  hello  completed`, and the origin of a fork. */
export function titleOf({ record, status }: Shown): string {
  const state =
    status.outcome !== undefined
      ? paint(status.outcome.kind === 'completed' ? 'green' : 'red', outcomeText(status.outcome))
      : `${status.control === 'none' ? status.lifecycle : status.control}${status.waiting === 'nothing' ? '' : `, waits for ${status.waiting}`}`;
  const origin = record.origin === undefined ? '' : paint('dim', `  forked from ${record.origin.run} at crank ${record.origin.at}`);
  return `${paint('bold', record.id)}  ${record.agent}  ${state}${origin}`;
}

/** An entry for programs: delivery and effects as parsed JSON. */
export function entryJson({ seq, at, delivery, effects, decisions, event, cpu_us }: Entry): Record<string, unknown> {
  return { crank: seq, at, delivery: parsed(delivery), effects: parsed(effects), decisions, event, cpu_us };
}

export function parsed(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
