/** `corral journal RUN`: what a run was given, what it asked for, what was decided. */
import { CorralError } from '@corral/protocol/errors';
import { outcomeText } from '@corral/protocol/outcome';
import type { Entry } from '@corral/protocol/run';
import type { StoredRun } from '@corral/protocol/store';
import { EXIT } from '../failure.ts';
import { runId, wholeNumber, withReading } from '../folder.ts';
import { entryLines, entryTitle, paint } from '../screen/entries.ts';

export interface JournalOptions {
  readonly data: string;
  readonly from?: string;
  readonly json?: boolean;
}

export async function journal(run: string, { data, from, json }: JournalOptions): Promise<number> {
  const id = runId(run);
  const after = from === undefined ? 0 : wholeNumber(from, '--from') - 1;
  const { stored, entries } = await withReading(data, async (store) => ({
    stored: await store.run(id),
    entries: await store.journal(id, after),
  }));
  if (stored === undefined) throw new CorralError('CORRAL_RUN_UNKNOWN', `There is no run ${id} in ${data}.`);
  if (json === true) {
    const { record, status } = stored;
    process.stdout.write(`${JSON.stringify({ run: id, record, status, entries: entries.map((entry) => entryJson(entry)) }, null, 2)}\n`);
    return EXIT.ok;
  }
  const lines = [titleOf(stored), entryTitle(false)];
  const began = entries[0]?.at ?? 0;
  for (const entry of entries) lines.push(...entryLines(entry, began, undefined));
  process.stdout.write(`${lines.join('\n')}\n`);
  return EXIT.ok;
}

/** `run_…  hello  completed`, and where it comes from. */
export function titleOf({ record, status }: StoredRun): string {
  const state =
    status.outcome !== undefined
      ? paint(status.outcome.kind === 'completed' ? 'green' : 'red', outcomeText(status.outcome))
      : `${status.control === 'none' ? status.lifecycle : status.control}${status.waiting === 'nothing' ? '' : `, waits for ${status.waiting}`}`;
  const origin = record.origin === undefined ? '' : paint('dim', `  forked from ${record.origin.run} at crank ${record.origin.at}`);
  return `${paint('bold', record.id)}  ${record.agent}  ${state}${origin}`;
}

/** An entry for machines: delivery and effects as the values they are. */
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
