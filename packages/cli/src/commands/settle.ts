/** `resolve`, `release`, `approve` and `deny` by filter: selects calls or runs, reports the result of each, and has a dry run. */
import type { Command } from 'commander';
import type { RouteAnswer, RouteRequest } from '@corral/protocol/api/routes';
import { CorralError } from '@corral/protocol/errors';
import { connect, print, type HostFlags } from '../connect.ts';
import { EXIT } from '../failure.ts';
import { selectorArguments, type SelectorFlags } from '../selector.ts';
import { printable, table } from '../screen/table.ts';

export interface ManyFlags extends HostFlags, SelectorFlags {
  readonly tenant?: string;
  readonly agent?: string;
  readonly agentVersion?: string;
  readonly tool?: string;
  readonly shape?: string;
  readonly all?: boolean;
  readonly dryRun?: boolean;
}

type Body = RouteRequest<'settleMany'>['body'];
type Result = RouteAnswer<'settleMany'>;

export function manyFlags(command: Command): Command {
  return command
    .option('--all', 'instead of one: all that you may settle, or all that match the filters below')
    .option('--agent <name>', 'of this agent')
    .option('--agent-version <digest>', 'of this version')
    .option('--tenant <name>', 'of this tenant')
    .option('--tool <name>', 'only calls to this tool')
    .option('--waiting <for>', 'of runs that wait for this')
    .option('--older-than <time>', 'of runs that were submitted at least this long ago: seconds, or 90s, 15m, 2h, 1d')
    .option('--dry-run', 'only say which');
}

/** Whether a filter was given instead of one run. @throws CORRAL_USAGE if both were given, or neither */
export function isMany(run: string | undefined, flags: ManyFlags): boolean {
  const filters = [flags.all, flags.agent, flags.agentVersion, flags.tenant, flags.tool, flags.shape, flags.waiting, flags.olderThan];
  const many = filters.some((one) => one !== undefined);
  if (many === (run !== undefined) || (!many && flags.dryRun === true))
    throw new CorralError(
      'CORRAL_USAGE',
      'Name one run, or select with --all, --agent, --agent-version, --tenant, --tool, --shape, --waiting or --older-than.',
    );
  return many;
}

export async function settleMany(
  flags: ManyFlags,
  act: Body['act'],
  reason: string,
  more: Pick<Body, 'value' | 'only'> = {},
): Promise<void> {
  const result = await settled(flags, act, reason, flags.dryRun ?? false, more);
  print(flags, result, () => lines(result).join('\n'));
  if (result.refused.length > 0) process.exitCode = EXIT.outcome;
}

/** Asks a host to settle what the filters of a command mean, or in a dry run which that is. */
export function settled(
  flags: Pick<ManyFlags, keyof HostFlags | keyof SelectorFlags | 'tenant' | 'agent' | 'agentVersion' | 'tool' | 'shape'>,
  act: Body['act'],
  reason: string,
  dryRun: boolean,
  more: Pick<Body, 'value' | 'only'> = {},
): Promise<Result> {
  const { agent, agentVersion, tenant, tool, shape } = flags;
  const where = {
    ...selectorArguments(flags, Date.now()),
    ...(agent === undefined ? {} : { agent }),
    ...(agentVersion === undefined ? {} : { version: agentVersion as never }),
    ...(tenant === undefined ? {} : { tenant: tenant as never }),
  };
  const { CORRAL_PROOF = '' } = process.env;
  const proof = act === 'approve' && !dryRun && CORRAL_PROOF !== '' ? { proof: CORRAL_PROOF } : {};
  const calls = { ...proof, ...(tool === undefined ? {} : { tool }), ...(shape === undefined ? {} : { shape }) };
  return connect(flags).settleMany({ body: { act, where, reason, dryRun, ...calls, ...more } });
}

/**
 * The only call of a run whose result is unknown.
 * @throws CORRAL_RUN_STATE if there is none, CORRAL_USAGE if there are several
 */
export async function onlyUnknown(run: string, flags: HostFlags): Promise<number> {
  const { matched } = await settled({ ...flags, waiting: 'resolution' }, 'fail', 'to find the only one', true);
  return onlyOf(
    'resolve',
    run,
    matched.flatMap((one) => (one.run === run && one.call !== null ? [{ call: one.call, tool: one.tool ?? '' }] : [])),
  );
}

/** Words about the calls that a command could mean: if there is none, and if there are several. */
const MEANT = {
  approve: ['waits for people', 'wait'],
  deny: ['waits for people', 'wait'],
  claim: ['waits for people', 'wait'],
  later: ['waits for people', 'wait'],
  answer: ['is a question that waits for an answer', 'are questions'],
  resolve: ['waits for a resolution', 'have an unknown result'],
} as const;

/** The only one of a run's calls, for a command that was given none. @throws CORRAL_RUN_STATE if there is none, CORRAL_USAGE if there are several */
export function onlyOf(
  command: keyof typeof MEANT,
  run: string,
  calls: readonly { readonly call: number; readonly tool: string }[],
): number {
  const [first, second] = calls;
  const [one, several] = MEANT[command];
  if (first === undefined) throw new CorralError('CORRAL_RUN_STATE', `No call of ${run} ${one}.`);
  if (second === undefined) return first.call;
  const named = calls.map(({ call, tool }) => `${call} (${tool})`).join(', ');
  throw new CorralError(
    'CORRAL_USAGE',
    `Several calls of ${run} ${several}: ${named}. Name one: corral ${command} ${run} ${first.call}${command === 'answer' ? ' VALUE' : ''}.`,
  );
}

function lines({ act, dryRun, matched, done, refused }: Result): string[] {
  if (matched.length === 0) return ['nothing waits for this'];
  const row = ({ run, call, tool }: Result['matched'][number], said: string) => [run, call === null ? '' : String(call), tool ?? '', said];
  const rows = dryRun
    ? matched.map((one) => row(one, `would ${act}`))
    : [...done.map((one) => row(one, act)), ...refused.map((one) => row(one, `not done: ${one.code} ${printable(one.detail)}`))];
  return table([{ title: 'RUN' }, { title: 'CALL' }, { title: 'TOOL' }, { title: 'RESULT' }], rows);
}
