/** Operations on runs: pause, resume, cancel, kill, by run, agent, version, tenant or all. */
import type { Command } from 'commander';
import { ACT_NAMES, type ActName } from '@corral/protocol/api/acts';
import { itemsOf } from '@corral/protocol/api/client';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { EVENT_KINDS } from '@corral/protocol/api/event-kinds';
import { CorralError } from '@corral/protocol/errors';
import { didYouMean } from '@corral/protocol/nearest';
import { printableJson } from '@corral/protocol/printable';
import { connect, hostFlags, print, type HostFlags } from '../connect.ts';
import { EXIT } from '../failure.ts';
import { duration, printable, table } from '../screen/table.ts';
import { clock, exact, moment } from '../screen/time.ts';
import { selectorArguments, timeArgument, type SelectorFlags } from '../selector.ts';
import { wholeNumber } from '../whole-number.ts';
import { inTenant } from './agents.ts';

const VERBS = {
  pause: 'stop runs at once, in the middle of a crank; paused time does not count',
  resume: 'resume paused runs',
  cancel: 'ask runs to stop; they have a grace period to clean up',
  kill: 'end runs now, with their children; their grants are revoked',
} as const;
type Verb = keyof typeof VERBS;
const EXAMPLES: Readonly<Record<Verb, string>> = {
  pause: "--agent crawler -m 'it hammers the shop'",
  resume: "--agent crawler -m 'the shop agreed to more requests'",
  cancel: "--agent crawler -m 'its report is no longer needed'",
  kill: "--agent crawler -m 'it hammers the shop'",
};
/** Cancel and kill always reach descendants. */
const FAMILY: Partial<Record<Verb, string>> = {
  pause: 'also all descendants of the runs',
  resume: 'also descendants that were paused by pausing the same run with --family',
};
type Result = RouteAnswer<'operate'>;

export interface TargetFlags extends SelectorFlags {
  readonly by?: string;
  readonly agent?: string;
  readonly agentVersion?: string;
  readonly tenant?: string;
  readonly all?: boolean;
}
interface Flags extends HostFlags, TargetFlags {
  readonly preview?: string;
  readonly reason: string;
  readonly dryRun?: boolean;
  readonly family?: boolean;
}

export function operateCommands(program: Command): void {
  for (const [verb, about] of Object.entries(VERBS) as [Verb, string][]) {
    const command = hostFlags(program.command(verb))
      .description(about)
      .argument('[run]', 'one run')
      .option('--agent <name>', 'all runs of an agent')
      .option('--agent-version <digest>', 'all runs of a version')
      .option('--tenant <name>', 'all runs of a tenant; with --agent or --agent-version, those in it')
      .option('--all', 'all runs you may operate')
      .option('--by <principal>', 'all runs that this principal submitted, such as token:ana')
      .option('--waiting <for>', 'all runs that wait for this')
      .option('--holds <tool>', 'all runs that hold this tool')
      .option('--older-than <time>', 'all runs that were submitted at least this long ago: seconds, or 90s, 15m, 2h, 1d')
      .option('--preview <text>', 'the preview that a dry run printed: says what was beyond it; resume is refused if other runs match now')
      .requiredOption('-m, --reason <text>', 'reason; it is recorded')
      .option('--dry-run', 'only say which runs')
      .addHelpText('after', `\nExample:\n  corral ${verb} ${EXAMPLES[verb]}`)
      .action(async (run: string | undefined, flags: Flags) => {
        const client = connect(flags);
        const body = {
          operation: verb,
          target: targetOf(run, flags),
          reason: flags.reason,
          ...(flags.family === true ? { family: true } : {}),
        };
        // The host lets many runs go on only for who says which.
        const isBlind = verb === 'resume' && run === undefined && flags.preview === undefined && flags.dryRun !== true;
        const preview = isBlind ? (await client.operate({ body: { ...body, dryRun: true } })).preview : flags.preview;
        const result = await client.operate({
          body: { ...body, dryRun: flags.dryRun === true, ...(preview === undefined ? {} : { preview }) },
        });
        print(flags, result, () => receipts(result));
        if (result.refused.length > 0) process.exitCode = EXIT.outcome;
      });
    const reach = FAMILY[verb];
    if (reach !== undefined) command.option('--family', reach);
  }

  hostFlags(program.command('operations'))
    .description('list what was done to this host and its runs, by whom and why, and requests that were refused; newest first')
    .option('--by <principal>', 'only by this principal, such as token:ana')
    .option('--what <list>', 'only these, with commas: kill,quarantine,apply-config')
    .option('--on <text>', 'only with this in their target: a run, an agent, a tool')
    .option('--since <when>', 'only after: a time such as 2026-03-01T02:00Z, or an age such as 2h')
    .option('--tenant <name>', 'only of this tenant')
    .option('-n, --limit <number>', 'how many at most', '20')
    .option('--wide', 'nothing cut')
    .addHelpText('after', `\nExamples:\n  corral operations -n 5\n  corral operations --what kill,pause,quarantine,lift --since 2h --wide`)
    .action(async (flags: OperationsFlags) => {
      const items = await operationsOf(flags);
      const cut = flags.wide === true ? {} : { max: 50 };
      print(flags, items, () =>
        table(
          [
            { title: 'AT' },
            { title: 'WHAT' },
            { title: 'TARGET', ...cut },
            { title: 'RUNS', align: 'right' },
            { title: 'BY' },
            { title: 'WHY', ...cut },
          ],
          items.map((one) => [moment(one.at), one.operation, targetText(one.target), String(one.receipts.length), one.by, one.reason]),
        ).join('\n'),
      );
    });
}

interface OperationsFlags extends HostFlags {
  readonly limit: string;
  readonly by?: string;
  readonly what?: string;
  readonly on?: string;
  readonly since?: string;
  readonly tenant?: string;
  readonly wide?: boolean;
}
type Done = RouteAnswer<'listOperations'>['items'][number];

/** Acts that a page of the host's list has where their targets are looked at here. */
const OPERATIONS_PAGE = 200;

/** The newest that fit. Targets are looked at here, page by page, until there are enough. */
async function operationsOf(flags: OperationsFlags): Promise<readonly Done[]> {
  const { by, on, what, since } = flags;
  const limit = wholeNumber(flags.limit, '--limit');
  const client = connect(flags);
  const query = {
    limit: on === undefined ? limit : OPERATIONS_PAGE,
    ...inTenant(flags),
    ...(by === undefined ? {} : { by }),
    ...(what === undefined ? {} : { operation: [...namesIn('--what', what, ACT_NAMES)] as ActName[] }),
    ...(since === undefined ? {} : { since: timeArgument('--since', since, Date.now()) }),
  };
  const found: Done[] = [];
  for await (const one of itemsOf((at) => client.listOperations({ query: { ...query, ...at } }))) {
    if (found.length >= limit) break;
    if (on === undefined || targetText(one.target).includes(on)) found.push(one);
    if (found.length >= limit) break;
  }
  return found;
}

/** Gives `run_… call 2`, `agent crawler`: the names in a target. */
function targetText(target: unknown): string {
  if (typeof target !== 'object' || target === null) return JSON.stringify(target);
  const named = new Map<string, unknown>(Object.entries(target));
  const word = (value: unknown) => printable(typeof value === 'string' ? value : JSON.stringify(value));
  const [run, kind, name] = ['run', 'kind', 'name'].map((key) => named.get(key));
  const first = run !== undefined ? [word(run)] : kind !== undefined && name !== undefined ? [word(kind), word(name)] : [];
  const taken = run !== undefined ? ['run'] : first.length > 0 ? ['kind', 'name'] : [];
  const rest = [...named].filter(([key]) => !taken.includes(key)).flatMap(([key, value]) => (value === true ? [key] : [key, word(value)]));
  return [...first, ...rest].join(' ');
}

/** `corral events`: reconnects and resumes after the last event whenever the connection ends. */
export function eventsCommand(program: Command): void {
  hostFlags(program.command('events'))
    .description('follow what happens on a host')
    .option('--run <run>', 'only of this run')
    .option('--agent <name>', 'only of this agent')
    .option('--kinds <list>', 'only these kinds, with commas: run.ended,run.paused')
    .addHelpText('after', `\nExample:\n  corral events --kinds run.ended --json`)
    .action(async (flags: HostFlags & { readonly run?: string; readonly agent?: string; readonly kinds?: string }) => {
      const client = connect(flags);
      const query = {
        ...(flags.run === undefined ? {} : { run: flags.run as never }),
        ...(flags.agent === undefined ? {} : { agent: flags.agent }),
        ...(flags.kinds === undefined ? {} : { kinds: namesIn('--kinds', flags.kinds, EVENT_KINDS).join(',') }),
      };
      let last: string | undefined;
      for (;;) {
        for await (const event of client.follow(query, { last })) {
          if (event.kind === 'reset') {
            process.stderr.write('some events were missed\n');
            last = undefined;
            continue;
          }
          last = event.id;
          const { at, kind, run, agent, data } = event;
          const text = `${clock(at)}  ${kind}  ${run ?? ''}  ${agent ?? ''}  ${JSON.stringify(data)}`;
          process.stdout.write(`${flags.json === true ? printableJson(event) : printable(text)}\n`);
        }
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
    });
}

const AGAIN_MS = 500;

/** @throws CORRAL_USAGE */
function namesIn(option: string, text: string, known: readonly string[]): readonly string[] {
  const names = text.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !known.includes(name));
  if (unknown === undefined) return names;
  throw new CorralError(
    'CORRAL_USAGE',
    `${option} knows no ${unknown.slice(0, 60)}.${didYouMean(unknown, known)} It takes ${known.join(', ')}.`,
  );
}

/** @throws CORRAL_USAGE if none or more than one is named */
export function targetOf(run: string | undefined, flags: TargetFlags) {
  const tenant = flags.tenant === undefined ? {} : { tenant: flags.tenant as never };
  const named = [run, flags.agent, flags.agentVersion, flags.all === true ? 'all' : undefined].filter((one) => one !== undefined);
  const conditions = { ...selectorArguments(flags, Date.now()), ...(flags.by === undefined ? {} : { principal: flags.by }) };
  const isFiltered = Object.keys(conditions).length > 0;
  if (named.length > 1 || (named.length === 0 && flags.tenant === undefined && !isFiltered) || (run !== undefined && isFiltered))
    throw new CorralError(
      'CORRAL_USAGE',
      'Name one thing: a run, --agent, --agent-version, --tenant or --all; or conditions: --by, --waiting, --holds, --older-than, with --agent, --agent-version and --tenant.',
    );
  if (isFiltered) {
    const version = flags.agentVersion === undefined ? {} : { version: flags.agentVersion as never };
    return { where: { ...conditions, ...tenant, ...version, ...(flags.agent === undefined ? {} : { agent: flags.agent }) } };
  }
  if (run !== undefined) return { run: run as never };
  if (flags.agent !== undefined) return { agent: flags.agent as never, ...tenant };
  if (flags.agentVersion !== undefined) return { version: flags.agentVersion as never, ...tenant };
  return flags.all === true ? { all: true as const } : { tenant: flags.tenant as never };
}

function takenFrom({ node, until }: NonNullable<Result['receipts'][number]['fenced']>): string {
  const late = until === undefined ? '' : `, which may send calls that were durable before until ${exact(until)}`;
  return `taken from node ${node}${late}`;
}

function previewText({ matched, operation, preview, refused }: Result): string {
  const not = refused.map(({ run, code, detail }) => `${run}  not: ${code} ${detail}`);
  if (matched.length === 0) return ['no run', ...not].join('\n');
  const seen = preview === undefined ? [] : [`to act on what you see here: --preview ${preview}`];
  return [`would ${operation}:`, ...matched.map((run) => `  ${run}`), ...not, ...seen].join('\n');
}

/** Runs that matched and that its preview had not shown. */
function beyondText({ beyond, operation }: Result): string[] {
  if (beyond === undefined) return [];
  if (beyond === null) return ['the host does not know that preview any more, so it cannot say what was beyond it'];
  return beyond.map((run) => `${run}  was beyond the preview${operation === 'revoke' ? ', and keeps it' : ''}`);
}

export function receipts(result: Result): string {
  const { receipts: done, refused, operation, dryRun } = result;
  if (dryRun) return previewText(result);
  const flat = (all: Result['receipts']): Result['receipts'] => all.flatMap((one) => [one, ...flat(one.children)]);
  const rows = flat(done).map((one) => [
    one.run,
    one.operation,
    duration(one.latency_ms),
    one.cell_killed ? 'cell killed' : '',
    // A run that goes on loses neither.
    ...(operation === 'resume'
      ? ['', '']
      : [
          `${one.grants_revoked} ${one.grants_revoked === 1 ? 'grant' : 'grants'} revoked`,
          `${one.calls_aborted} ${one.calls_aborted === 1 ? 'call' : 'calls'} aborted`,
        ]),
    one.calls_unknown.length === 0 ? '' : `of unknown result: ${one.calls_unknown.join(', ')}`,
    one.fenced === undefined ? '' : takenFrom(one.fenced),
  ]);
  const lines = table(
    [{ title: 'RUN' }, { title: '' }, { title: 'TOOK', align: 'right' }, ...Array.from({ length: 5 }, () => ({ title: '' }))],
    rows,
  );
  return [
    ...(rows.length === 0 ? ['no run'] : lines),
    ...flat(done).flatMap(({ run, not_reached = [] }) =>
      not_reached.map((child) => `${child}  not reached: another node holds it; it ends with ${run}`),
    ),
    ...beyondText(result),
    ...refused.map(({ run, code, detail }) => `${run}  not done: ${code} ${detail}`),
  ].join('\n');
}
