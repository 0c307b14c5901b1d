/** `corral ps`: the runs of a host, as a table for people or in a form for programs. */
import type { Command } from 'commander';
import { createLogUpdate } from 'log-update';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { Waiting } from '@corral/protocol/api/selector';
import { CorralError } from '@corral/protocol/errors';
import { RUN_ORDERS, type RunOrder } from '@corral/protocol/model/run-lists';
import { Outcome } from '@corral/protocol/model/outcome';
import { didYouMean } from '@corral/protocol/nearest';
import { hostFlags, hostOrFolder, type HostFlags, type Place } from '../connect.ts';
import { runsInFolder, type FolderPage, type FolderRun } from '../folder-runs.ts';
import { chargedText } from '../screen/amounts.ts';
import { stateColour, stateOf, type Summary } from '../screen/states.ts';
import { age, duration, printable, table, type Column } from '../screen/table.ts';
import { moment } from '../screen/time.ts';
import { selectorArguments, type SelectorFlags } from '../selector.ts';
import { inTenant } from './agents.ts';
import { wholeNumber } from '../whole-number.ts';

interface PsFlags extends HostFlags, SelectorFlags {
  readonly all?: boolean;
  readonly agent?: string;
  readonly ended?: string;
  readonly paused?: boolean;
  readonly search?: string;
  readonly tenant?: string;
  readonly sort?: string;
  readonly limit: string;
  readonly cursor?: string;
  readonly watch?: boolean;
  readonly output?: string;
}
type Page = RouteAnswer<'listRuns'> | FolderPage;
type Form = 'table' | 'wide' | 'json' | 'name';

export const FORMS: readonly Form[] = ['table', 'wide', 'json', 'name'];
export const ENDS: readonly string[] = Outcome.options.map((option) => option.shape.kind.value);
const EVERY_MS = 1_000;

export function psCommand(program: Command): void {
  hostFlags(program.command('ps'))
    .description('list runs that have not ended, newest first; of a host, or of a folder whose host is down')
    .option('-a, --all', 'also those that have ended')
    .option('--agent <name>', 'only of this agent')
    .option('--ended <how>', 'only those with this outcome: completed, killed, exceeded …')
    .option('--paused', 'only those that are paused')
    .option('--waiting <for>', `only those that wait for this: ${Waiting.options.join(', ')}`)
    .option('--holds <tool>', 'only those that hold this tool; of a host')
    .option('--older-than <time>', 'only those that were submitted at least this long ago: seconds, or 90s, 15m, 2h, 1d')
    .option('--since <when>', 'only those that had not ended by then: a time such as 2026-03-01T02:00Z, or an age such as 2h')
    .option('--until <when>', 'only those that were submitted before; with --since: under way at some moment between the two')
    .option('-q, --search <text>', 'part of an id, agent, principal or outcome')
    .option('--tenant <name>', 'only of this tenant')
    .option('--sort <by>', `largest or latest first, over all that match: ${RUN_ORDERS.join(', ')}; of a host`)
    .option('-n, --limit <number>', 'how many at most', '50')
    .option('--cursor <text>', 'continue after a page')
    .option('-w, --watch', 'show them again whenever something changed, until Ctrl-C')
    .option('-o, --output <form>', 'wide: all columns, nothing cut; json; name: only ids')
    .addHelpText(
      'after',
      `\nExamples:\n  corral ps --all --ended exceeded\n  corral ps --waiting resolution --older-than 15m\n  corral ps --all --since 2h --sort money\n  corral ps --all --since 2026-03-01T02:00Z --until 2026-03-01T02:20Z\n  corral ps --agent crawler -o name | xargs -n1 corral why`,
    )
    .action(async (flags: PsFlags) => {
      const form = formOf(flags);
      const place = await hostOrFolder(flags);
      if (flags.watch === true) return watched(() => listed(place, flags), form);
      const page = await listed(place, flags);
      process.stdout.write(`${shown(page, form, process.stdout.columns).join('\n')}\n`);
      if (page.items.length === 0 && form !== 'json') process.stderr.write(`${nothing(flags)}\n`);
      if ('data' in place && form !== 'json') process.stderr.write(`no host is up on ${place.data}; this is what the folder has\n`);
      if ('unreadable' in page && page.unreadable > 0)
        process.stderr.write(`${page.unreadable} not listed, because they cannot be read; \`corral verify\` says why\n`);
    });
}

/** @throws CORRAL_USAGE */
function formOf({ output, json }: PsFlags): Form {
  if (output === undefined) return json === true ? 'json' : 'table';
  const found = FORMS.find((one) => one === output);
  if (found !== undefined) return found;
  throw new CorralError('CORRAL_USAGE', `--output takes ${FORMS.join(', ')}, not ${output.slice(0, 60)}.${didYouMean(output, FORMS)}`);
}

function listed(place: Place, flags: PsFlags): Promise<Page> {
  const live = flags.all !== true && flags.ended === undefined;
  const now = Date.now();
  const query = {
    limit: wholeNumber(flags.limit, '--limit'),
    ...inTenant(flags),
    ...(flags.agent === undefined ? {} : { agent: flags.agent }),
    ...(flags.ended === undefined ? {} : { ended_as: endArgument(flags.ended) }),
    ...(flags.paused === true ? { control: 'paused' as const } : {}),
    ...selectorArguments(flags, now),
    ...(flags.search === undefined ? {} : { q: flags.search }),
    ...(flags.cursor === undefined ? {} : { cursor: flags.cursor }),
  };
  const sort = flags.sort === undefined ? undefined : sortArgument(flags.sort);
  if ('data' in place) {
    if (query.holds !== undefined)
      throw new CorralError('CORRAL_USAGE', '--holds needs a host; `corral authority RUN` says what a run holds.');
    if (sort !== undefined && sort !== 'created')
      throw new CorralError('CORRAL_USAGE', `--sort ${sort} needs a host: a folder has its runs in the order of their admission.`);
    return runsInFolder(place.data, { ...query, live }, now);
  }
  return place.client.listRuns({ query: { ...query, ...(sort === undefined ? {} : { sort }), ...(live ? { live: 'true' } : {}) } });
}

/** @throws CORRAL_USAGE */
function sortArgument(text: string): RunOrder {
  const found = RUN_ORDERS.find((one) => one === text);
  if (found !== undefined) return found;
  throw new CorralError('CORRAL_USAGE', `--sort takes ${RUN_ORDERS.join(', ')}, not ${text.slice(0, 60)}.${didYouMean(text, RUN_ORDERS)}`);
}

/** The beginning of an outcome's text, such as `exceeded` or `failed(CORRAL_STALLED)`. @throws CORRAL_USAGE */
function endArgument(text: string): string {
  const [kind = ''] = text.split('(', 1);
  if (kind !== '' && ENDS.some((end) => (text.includes('(') ? end === kind : end.startsWith(kind)))) return text;
  throw new CorralError('CORRAL_USAGE', `No run ends as ${text.slice(0, 60)}; runs end as ${ENDS.join(', ')}.${didYouMean(kind, ENDS)}`);
}

/** Said where a list is empty, so that nobody takes a filter for an answer. */
function nothing({ all, agent, ended, paused, waiting, holds, olderThan, since, until, search }: PsFlags): string {
  const filtered = [agent, ended, paused, waiting, holds, olderThan, since, until, search].some((one) => one !== undefined);
  if (all === true || ended !== undefined) return filtered ? 'no run matches' : 'no runs';
  return filtered ? 'no run that has not ended matches; --all looks at ended ones too' : 'no run is under way; --all lists ended ones too';
}

function shown(page: Page, form: Form, width: number | undefined): string[] {
  if (form === 'json') return [JSON.stringify(page, null, 2)];
  if (form === 'name') return page.items.map(({ run }) => run);
  const rows = runTable(page.items, form === 'wide' ? { wide: true } : { width });
  return page.next === null ? rows : [...rows, `more: --cursor ${page.next}`];
}

/** Lists again and again. A terminal shows the newest list in place; a pipe gets each list that differs from the one before. */
async function watched(list: () => Promise<Page>, form: Form): Promise<never> {
  const { stdout } = process;
  const draw = stdout.isTTY && form !== 'json' ? createLogUpdate(stdout) : undefined;
  for (let before = ''; ;) {
    const page = await list();
    const lines = shown(page, form, stdout.columns);
    if (draw === undefined) {
      // Only the age of a run grows all the time, so it is left out of the comparison.
      const now = JSON.stringify(page.items.map((item) => [item.run, stateOf(item), item.waiting_for, item.calls]));
      if (now !== before) stdout.write(`${before === '' || form === 'json' ? '' : '\n'}${lines.join('\n')}\n`);
      before = now;
    } else {
      const room = Math.max(2, (stdout.rows ?? 24) - 2);
      draw((lines.length > room ? [...lines.slice(0, room), `… and ${lines.length - room} more`] : lines).join('\n'));
    }
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
}

interface TableOptions {
  /** Columns of the screen; left out: any number. */
  readonly width?: number | undefined;
  /** All columns, and no cell is cut. */
  readonly wide?: boolean;
  /** Columns do not jump when a state or a time gets another length. */
  readonly steady?: boolean;
}

/** A run that was stopped waits for the person who lets it go on, whatever it waited for when it was. */
const waitsOn = (run: Summary | FolderRun): string =>
  ({ paused: 'a person: resume', quarantined: 'a person: lift' })[run.control as string] ?? printable(run.waiting_for);

export function runTable(items: readonly (Summary | FolderRun)[], { width, wide = false, steady = false }: TableOptions = {}): string[] {
  const now = Date.now();
  const least = (n: number) => (steady ? { least: n } : {});
  // Shown only if a run was charged: most hosts never need the column.
  const spends = items.some((run) => chargedText(run) !== '');
  const known = items.some((run) => run.calls !== null);
  const state = (text: string, row: number) => stateColour(text, items[row] as Summary | FolderRun);
  const columns: (Column & { readonly of: (run: Summary | FolderRun) => string; readonly if?: boolean })[] = [
    { title: 'RUN', of: (run) => run.run },
    { title: 'AGENT', max: 30, min: 14, middle: true, of: (run) => (run.key === null ? run.agent : `${run.agent} ${printable(run.key)}`) },
    { title: 'STATE', max: 34, min: 12, ...least(11), paint: state, of: stateOf },
    { title: 'AGE', align: 'right', ...least(3), of: (run) => age(now - run.created_at) },
    { title: 'WAITS ON', max: 40, min: 10, ...least(16), goes: 5, of: waitsOn },
    { title: 'CPU', align: 'right', ...least(8), goes: 4, if: known, of: (run) => (run.cpu_ms === null ? '' : duration(run.cpu_ms)) },
    { title: 'CALLS', align: 'right', ...least(5), goes: 3, if: known, of: (run) => String(run.calls ?? '') },
    { title: 'SPENT', max: 40, min: 10, goes: 6, if: spends, of: chargedText },
    { title: 'LEFT', align: 'right', goes: 2, if: known, of: (run) => (run.left === null ? '' : `${Math.round(run.left * 100)}%`) },
    { title: 'BY', max: 24, min: 12, goes: 1, of: (run) => run.principal.replace(/^run:/, '') },
    { title: 'MEMORY', if: wide, of: (run) => (run.ended_as === null ? run.residency : '') },
    { title: 'TENANT', if: wide, of: (run) => run.tenant },
    { title: 'VERSION', if: wide, of: (run) => run.version },
    { title: 'SUBMITTED', if: wide, of: (run) => moment(run.created_at) },
    { title: 'ENDED', if: wide, of: (run) => moment(run.ended_at) },
  ];
  const used = columns
    .filter((column) => column.if !== false)
    .map(({ max, ...column }) => (wide || max === undefined ? column : { ...column, max }));
  return table(
    used,
    items.map((run) => used.map((column) => column.of(run))),
    width,
  );
}
