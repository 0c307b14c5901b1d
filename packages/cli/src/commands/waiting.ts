/** Lists of what waits for people, calls or questions: all of it, or a page. */
import type { Command } from 'commander';
import type { Client } from '@corral/protocol/api/client';
import type { RouteRequest } from '@corral/protocol/api/routes';
import type { RunId } from '@corral/protocol/ids';
import { connect, print, type HostFlags } from '../connect.ts';
import { runId } from '../ids.ts';
import { printable } from '../screen/table.ts';
import { wholeNumber } from '../whole-number.ts';
import { inTenant } from './agents.ts';

export interface WaitingFlags extends HostFlags {
  readonly tenant?: string;
  readonly limit?: string;
  readonly cursor?: string;
  readonly run?: string;
  readonly later?: boolean;
}

interface Page<T> {
  readonly items: T[];
  next: string | null;
  /** Those that the reader has put off, if they are left out. */
  later?: number | undefined;
  damaged?: { run: RunId; detail: string }[] | undefined;
}

/** Items that one request lists when all are listed. */
const PAGE = 200;

export const waitingFlags = (command: Command, what: 'calls' | 'questions'): Command =>
  command
    .option('--tenant <name>', 'only of this tenant')
    .option('-n, --limit <number>', `length of a page; without it, all ${what} are listed`)
    .option('--cursor <text>', 'continue after a page')
    .option('--run <run>', 'only of this run')
    .option('--later', 'with those that you have put off');

/** A page if a limit was given, else all pages as one. */
export async function waiting<T>(
  flags: WaitingFlags,
  list: (client: Client, query: RouteRequest<'listQuestions'>['query']) => Promise<Page<T>>,
): Promise<Page<T>> {
  const client = connect(flags);
  const query = {
    ...inTenant(flags),
    limit: flags.limit === undefined ? PAGE : wholeNumber(flags.limit, '--limit'),
    ...(flags.run === undefined ? {} : { run: runId(flags.run) }),
    later: flags.later === true ? ('true' as const) : ('false' as const),
  };
  const ask = (cursor: string | undefined) => list(client, { ...query, ...(cursor === undefined ? {} : { cursor }) });
  const page = await ask(flags.cursor);
  while (flags.limit === undefined && page.next !== null) {
    const { items, next, damaged = [], later = 0 } = await ask(page.next);
    page.items.push(...items);
    if (later > 0) page.later = (page.later ?? 0) + later;
    page.damaged = [...(page.damaged ?? []), ...damaged];
    page.next = next;
  }
  return page;
}

export function printWaiting<T>(flags: HostFlags, page: Page<T>, lines: (items: readonly T[]) => readonly string[]): void {
  const { items, next, damaged = [], later = 0 } = page;
  const more = [...(later === 0 ? [] : [`${later} that you have put off: --later`]), ...(next === null ? [] : [`more: --cursor ${next}`])];
  print(flags, items, () => [...(items.length === 0 ? ['nothing waits'] : lines(items)), ...more].join('\n'));
  // A list that is incomplete says so on stderr, also if a program reads it.
  if (flags.json === true) for (const line of more) process.stderr.write(`${line}\n`);
  for (const { run, detail } of damaged) process.stderr.write(`${run} waits for a person and cannot be read: ${printable(detail)}\n`);
}
