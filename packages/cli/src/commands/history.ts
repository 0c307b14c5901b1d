/** Commands about what a run did, entry by entry: its journal and its log. */
import type { Command } from 'commander';
import type { Client } from '@corral/protocol/api/client';
import type { RunId } from '@corral/protocol/ids';
import { endText, linesWhereNamed } from '../authors.ts';
import { connect, type HostFlags } from '../connect.ts';
import { printable } from '../screen/table.ts';
import { clock } from '../screen/time.ts';
import { runId } from '../ids.ts';
import { journal, type JournalFlags } from './journal.ts';

/** How long a request waits for more of a journal. */
const WAIT_MS = 30_000;

/** @param one makes a command about one run */
export function historyCommands(one: (name: string, about: string, example: string) => Command): void {
  one('journal', 'print the journal of a run, an entry a line', 'corral journal run_3k9x7m2p4q5r --json')
    .option('--after <seq>', 'only entries after this one', '0')
    .addHelpText('after', '\nIf no host runs on --data, it is read from the folder itself.')
    .action(async (id: string, flags: JournalFlags) => {
      process.exitCode = await journal(runId(id), flags);
    });

  one('logs', 'print what a run logged and emitted', 'corral logs -f run_3k9x7m2p4q5r')
    .option('-f, --follow', 'go on until it ends')
    .action(async (id: RunId, flags: HostFlags & { readonly follow?: boolean }) => {
      const client = connect(flags);
      const lines = linesWhereNamed(client, id);
      let said = false;
      for await (const entry of entries(client, id, 0, flags.follow === true)) {
        for (const effect of (entry.effects ?? []) as unknown as Said[]) {
          if (effect.kind !== 'log' && effect.kind !== 'emit') continue;
          said = true;
          const text =
            effect.kind === 'log' ? `${effect.level}  ${effect.text}` : `${effect.event}  ${JSON.stringify(effect.data ?? null)}`;
          process.stdout.write(
            flags.json === true
              ? `${JSON.stringify({ at: entry.at, ...effect })}\n`
              : `${clock(entry.at)}  ${printable(await lines(text))}\n`,
          );
        }
      }
      // A person who reads a log looks for the error at its end; programs read that from `corral show --json`.
      const shown = await client.showRun({ params: { run: id } });
      const { outcome, ended_at, ended_as } = shown;
      if (!said && flags.json !== true) process.stderr.write(`${id} has logged and emitted nothing${ended_at === null ? ' so far' : ''}\n`);
      if (flags.json !== true && outcome !== null && outcome.kind !== 'completed' && ended_at !== null)
        process.stdout.write(`${clock(ended_at)}  ${ended_as ?? ''}\n${await endText(client, shown)}\n`);
    });
}

interface Said {
  readonly kind: string;
  readonly level?: string;
  readonly text?: string;
  readonly event?: string;
  readonly data?: unknown;
}

async function* entries(client: Client, run: RunId, after: number, follow: boolean) {
  let from = after;
  for (;;) {
    const { items, next } = await client.runJournal({ params: { run }, query: { after: from, ...(follow ? { wait_ms: WAIT_MS } : {}) } });
    yield* items;
    from = items.at(-1)?.seq ?? from;
    if (next !== null) continue;
    if (!follow || (await client.showRun({ params: { run } })).ended_as !== null) {
      if (!follow) return;
      // Entries that were written between the last page and the end.
      const rest = await client.runJournal({ params: { run }, query: { after: from } });
      yield* rest.items;
      return;
    }
  }
}
