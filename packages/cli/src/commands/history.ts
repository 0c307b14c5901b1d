/** Commands about what a run did, entry by entry: its journal and its log. */
import type { Command } from 'commander';
import { ApiError, type Client } from '@corral/protocol/api/client';
import type { Withheld } from '@corral/protocol/api/withheld';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import type { RunId } from '@corral/protocol/ids';
import { endText, linesWhereNamed } from '../authors.ts';
import { connect, type HostFlags } from '../connect.ts';
import { printableJson } from '@corral/protocol/printable';
import { Spoken } from '../screen/spoken.ts';
import { printable } from '../screen/table.ts';
import { clock } from '../screen/time.ts';
import { withheldText } from '../screen/withheld.ts';
import { runId } from '../ids.ts';
import { journal, type JournalFlags } from './journal.ts';

/** How long a follower waits before it connects again. */
const AGAIN_MS = 500;

/** @param one makes a command about one run */
export function historyCommands(one: (name: string, about: string, example: string) => Command): void {
  one('journal', 'print the journal of a run, an entry a line', 'corral journal run_3k9x7m2p4q5r --json')
    .option('--after <seq>', 'only entries after this one', '0')
    .addHelpText('after', '\nIf no host runs on --data, it is read from the folder itself.')
    .action(async (id: string, flags: JournalFlags) => {
      process.exitCode = await journal(runId(id), flags);
    });

  one('logs', 'print what a run logged and emitted, and the streams that it was given', 'corral logs -f run_3k9x7m2p4q5r')
    .option('-f, --follow', 'go on until it ends, with each piece of a stream as it comes')
    .action(async (id: RunId, flags: HostFlags & { readonly follow?: boolean }) => {
      const client = connect(flags);
      const lines = linesWhereNamed(client, id);
      const spoken = new Spoken((text) => process.stdout.write(text));
      let said = false;
      for await (const event of flags.follow === true ? followed(client, id) : toldBy(client, id)) {
        said = true;
        if (flags.json === true) process.stdout.write(`${printableJson(event)}\n`);
        else if (event.withheld !== undefined) spoken.line(`${clock(event.at)}  ${event.kind}  ${withheldText(event.withheld)}`);
        else if (event.kind === 'chunk') spoken.parts(`${clock(event.at)}  `, id, event.call, event.parts);
        else
          spoken.line(
            `${clock(event.at)}  ${printable(await lines(event.kind === 'log' ? `${event.level}  ${event.text}` : `${event.event}  ${JSON.stringify(event.data ?? null)}`))}`,
          );
      }
      spoken.pause();
      // A person who reads a log looks for the error at its end; programs read that from `corral show --json`.
      const shown = await client.showRun({ params: { run: id } });
      const { outcome, ended_at, ended_as } = shown;
      if (!said && flags.json !== true) process.stderr.write(`${id} has logged and emitted nothing${ended_at === null ? ' so far' : ''}\n`);
      if (flags.json !== true && outcome !== null && outcome.kind !== 'completed' && ended_at !== null)
        process.stdout.write(`${clock(ended_at)}  ${ended_as ?? ''}\n${await endText(client, shown)}\n`);
    });
}

/** A line of a log. Emits and logs have the form of their effects, and `id` is where they stand in the journal. */
type Told = { readonly id?: string; readonly at: number; readonly withheld?: Withheld } & (
  | { readonly kind: 'log'; readonly level: string; readonly text: string }
  | { readonly kind: 'emit'; readonly event: string; readonly data?: unknown }
  | { readonly kind: 'chunk'; readonly call: number; readonly offset: number; readonly parts: readonly unknown[] }
);

/** Follows a run until it has ended, from where it was when the connection, or the host, goes away. */
async function* followed(client: Client, run: RunId): AsyncGenerator<Told> {
  for (let last: string | undefined; ;) {
    try {
      for await (const { run: _, ...event } of client.followRun(run, { last })) {
        last = event.id;
        if (event.kind === 'ended') return;
        if (event.kind === 'chunk') yield event;
        else if (event.kind === 'emitted') yield { ...event, kind: 'emit' };
        else yield { ...event, kind: 'log' };
      }
    } catch (error) {
      // A host that is gone or has just started comes back; a refusal, and a host that was never there, do not change.
      if (last === undefined || (error instanceof ApiError && error.status < 500)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

/** Reads the journal up to now. */
async function* toldBy(client: Client, run: RunId): AsyncGenerator<Told> {
  for await (const { at, delivery, effects, withheld } of entries(client, run)) {
    const more = withheld === undefined ? {} : { withheld };
    const chunk = delivery as { readonly kind?: unknown; readonly id: number; readonly offset: number; readonly parts: unknown[] } | null;
    if (chunk?.kind === 'chunk') yield { at, kind: 'chunk', call: chunk.id, offset: chunk.offset, parts: chunk.parts, ...more };
    for (const effect of (effects ?? []) as unknown as Told[])
      if (effect.kind === 'log' || effect.kind === 'emit') yield { ...effect, at, ...more };
  }
}

async function* entries(client: Client, run: RunId) {
  for (let after: number | null = 0; after !== null;) {
    const { items, next }: RouteAnswer<'runJournal'> = await client.runJournal({ params: { run }, query: { after } });
    yield* items;
    after = next;
  }
}
