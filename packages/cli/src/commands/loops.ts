/** People's work on loops and drift: profiles of agents, marks on findings, proposed thresholds. */
import type { Command } from 'commander';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import { connect, hostFlags, print, type HostFlags } from '../connect.ts';
import { wholeNumber } from '../whole-number.ts';
import { printable, table } from '../screen/table.ts';
import { moment } from '../screen/time.ts';
import { inTenant } from './agents.ts';

type Profile = RouteAnswer<'showProfile'>;
type Tuning = RouteAnswer<'tuning'>;
interface Flags extends HostFlags {
  readonly tenant?: string;
  readonly reason: string;
}

export function loopCommands(program: Command): void {
  profileCommands(program);
  markCommands(program);
}

function profileCommands(program: Command): void {
  const profile = program.command('profile').description('what agents usually do; runs that differ from it are found to drift');
  hostFlags(profile.command('learn'))
    .description('learn it from approved runs; runs submitted from now on are judged by it')
    .argument('<agent>')
    .option('--runs <list>', 'the approved runs, with commas; by default the latest that completed and have nothing against them')
    .option('--last <number>', 'how many of the latest', '100')
    .requiredOption('-m, --reason <text>', 'why these runs are right; it is recorded')
    .option('--dry-run', 'only say what would be learned, and from which runs')
    .option('--tenant <name>', 'for hosts with several tenants')
    .addHelpText('after', `\nExample:\n  corral profile learn buyer --last 50 -m 'looked at all of them'`)
    .action(async (agent: string, flags: Flags & { readonly runs?: string; readonly last: string; readonly dryRun?: boolean }) => {
      const learned = await connect(flags).learnProfile({
        params: { agent },
        body: {
          reason: flags.reason,
          dryRun: flags.dryRun === true,
          last: wholeNumber(flags.last, '--last'),
          ...(flags.runs === undefined ? {} : { runs: flags.runs.split(',').map((run) => run.trim() as RunId) }),
          ...inTenant(flags),
        },
      });
      print(flags, learned, () =>
        [
          ...(flags.dryRun === true ? ['would be learned:'] : []),
          ...profileLines(learned.profile),
          ...learned.left_out.map(({ run, why }) => `left out: ${run}  ${why}`),
        ].join('\n'),
      );
    });
  hostFlags(profile.command('show'))
    .description('show it, and who had it learned from which runs')
    .argument('<agent>')
    .option('--tenant <name>', 'for hosts with several tenants')
    .addHelpText('after', `\nExample:\n  corral profile show buyer`)
    .action(async (agent: string, flags: Flags) => {
      const shown = await connect(flags).showProfile({ params: { agent }, query: inTenant(flags) });
      print(flags, shown, () => profileLines(shown).join('\n'));
    });
  hostFlags(profile.command('delete'))
    .description('delete it: no run is judged by it any more')
    .argument('<agent>')
    .requiredOption('-m, --reason <text>', 'reason; it is recorded')
    .option('--tenant <name>', 'for hosts with several tenants')
    .addHelpText('after', `\nExample:\n  corral profile delete buyer -m 'it does something else now'`)
    .action(async (agent: string, flags: Flags) => {
      const gone = await connect(flags).deleteProfile({ params: { agent }, query: { reason: flags.reason, ...inTenant(flags) } });
      print(flags, gone, () => `${gone.agent}  ${gone.deleted} deleted`);
    });
}

function markCommands(program: Command): void {
  hostFlags(program.command('mark'))
    .description('mark what the detectors found in a run as right or as a false alarm')
    .argument('<run>')
    .option('--detector <name>', 'only the finding of this detector: repeat, stuck, drift …')
    .option('--false-alarm', 'the finding was wrong: no step was needed')
    .option('--confirmed', 'the finding was right; without --detector also: the run was bad, and no profile learns from it')
    .requiredOption('-m, --reason <text>', 'reason; it is recorded')
    .addHelpText('after', `\nExample:\n  corral mark run_3k9x7m2p4q5r --false-alarm -m 'it lists the same shop for each order'`)
    .action(async (run: RunId, flags: Flags & MarkFlags) => {
      if ((flags.falseAlarm === true) === (flags.confirmed === true))
        throw new CorralError('CORRAL_USAGE', 'Give either --false-alarm or --confirmed.');
      const { items } = await connect(flags).markRun({
        params: { run },
        body: {
          verdict: flags.confirmed === true ? 'confirmed' : 'false_alarm',
          reason: flags.reason,
          ...(flags.detector === undefined ? {} : { detector: flags.detector }),
        },
      });
      print(flags, { items }, () => markTable(items).join('\n'));
    });

  hostFlags(program.command('marks'))
    .description('list marks, newest first')
    .option('--agent <name>', 'only of this agent')
    .option('--tenant <name>', 'only of this tenant')
    .addHelpText('after', `\nExample:\n  corral marks --agent buyer`)
    .action(async (flags: Flags & { readonly agent?: string }) => {
      const { items } = await connect(flags).listMarks({
        query: { ...inTenant(flags), ...(flags.agent === undefined ? {} : { agent: flags.agent }) },
      });
      print(flags, { items }, () => (items.length === 0 ? 'no marks' : markTable(items).join('\n')));
    });

  hostFlags(program.command('tune'))
    .description('propose thresholds that the marks support, for a person to put into the configuration')
    .option('--tenant <name>', 'for hosts with several tenants')
    .addHelpText('after', `\nExample:\n  corral tune`)
    .action(async (flags: Flags) => {
      const tuning = await connect(flags).tuning({ query: inTenant(flags) });
      print(flags, tuning, () => tuningLines(tuning).join('\n'));
    });
}

interface MarkFlags {
  readonly detector?: string;
  readonly falseAlarm?: boolean;
  readonly confirmed?: boolean;
}

const some = (list: readonly { readonly what: string; readonly runs: number }[], most = 3) =>
  list
    .slice(0, most)
    .map(({ what, runs }) => `${what} ${runs}`)
    .join(', ');

function profileLines(profile: Profile): string[] {
  const versions = [...new Set(profile.runs.map(({ version }) => version.slice(0, 19)))];
  const rows = profile.tools.flatMap(({ tool, runs, after, arguments: args }) => [
    [tool, String(runs), some(after), '', '', ''],
    ...args.map(({ name, origins, values, different }) => [
      '',
      '',
      '',
      name,
      some(origins),
      values.length === 0 ? `${different} different` : some(values),
    ]),
  ]);
  return [
    `${profile.agent}  ${profile.profile}  learned by ${profile.learned_by} at ${moment(profile.learned_at)} from ${profile.runs.length} ${profile.runs.length === 1 ? 'run' : 'runs'} of ${versions.join(', ')}: ${printable(profile.reason)}`,
    ...(profile.own ? [] : ['The latest version of the agent has no run among them: it begins with what the last one did.']),
    ...(rows.length === 0
      ? ['no calls']
      : table(
          [
            { title: 'TOOL' },
            { title: 'RUNS', align: 'right' },
            { title: 'AFTER', max: 50 },
            { title: 'ARGUMENT', max: 30 },
            { title: 'FROM', max: 40 },
            { title: 'VALUES', max: 50 },
          ],
          rows.map((row) => row.map((cell) => printable(cell))),
        )),
  ];
}

function markTable(items: RouteAnswer<'listMarks'>['items']): string[] {
  return table(
    [
      { title: 'RUN' },
      { title: 'AGENT', max: 30 },
      { title: 'DETECTOR' },
      { title: 'SURE', align: 'right' },
      { title: 'STEP' },
      { title: 'MARKED' },
      { title: 'BY' },
      { title: 'WHY', max: 50 },
    ],
    items.map((one) => [
      one.run,
      one.agent,
      one.detector === '' ? 'the run' : one.detector,
      one.detector === '' ? '' : `${Math.round(one.confidence * 100)}%`,
      one.step ?? '',
      one.verdict === 'confirmed' ? (one.detector === '' ? 'bad run' : 'confirmed') : 'false alarm',
      one.by,
      printable(one.reason),
    ]),
  );
}

function tuningLines({ tenant, changes, still, patch }: Tuning): string[] {
  if (changes.length === 0) return ['no change is proposed: no mark supports one'];
  const count = ({ length }: readonly string[], one: string, rest: string) =>
    length === 0 ? [] : [`${length} ${length === 1 ? one : `${one}s`} ${rest}`];
  return [
    ...changes.map(({ agent, detector, step, from, to, false_alarms, kept, lost }) => {
      const about = [
        ...count(false_alarms, 'false alarm', 'would not have been raised'),
        ...count(kept, 'confirmed one', 'still would'),
        ...count(lost, 'confirmed one', `would be missed (${lost.join(', ')})`),
      ];
      return `${detector}.${step} of ${agent ?? 'all agents'}: ${from} → ${to ?? 'never'}; ${about.join(', ')}`;
    }),
    ...(still.length === 0 ? [] : [`still a false alarm, because the layer of a tool overrides this one: ${still.join(', ')}`]),
    '',
    `Nothing was changed. To apply this, put it into the configuration as tenants.${tenant}.loops:`,
    JSON.stringify(patch, null, 2),
  ];
}
