/** `corral policy`: policies are checked, tried and compared here, before they decide anything. */
import type { Command } from 'commander';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import type { RunId } from '@corral/protocol/ids';
import { configHere, connect, dataFolder, folderAlone, hostFlags, print, type HostFlags } from '../connect.ts';
import { EXIT } from '../failure.ts';
import { runId, wholeNumber, withReading } from '../folder.ts';
import { printable } from '../screen/table.ts';
import { inTenant } from './agents.ts';
import { decisionLines } from './approvals.ts';

type Shadow = RouteAnswer<'policyShadow'>['items'][number];

/** Differences that are printed. */
const SHOWN = 20;

interface Flags {
  readonly config?: string;
  readonly tenant?: string;
  readonly json?: boolean;
}

const FILES = 'Cedar files; the word `default` is the pack that comes with Corral';
const ours = (command: Command): Command =>
  command
    .option('--config <file>', 'whose tools the policies are about (else corral.config.ts here, if there is one)')
    .option('--json', 'print JSON');

export function policyCommands(program: Command): void {
  const policy = program.command('policy').description('check, try and compare policies');

  ours(policy.command('check'))
    .description('check policies against the tools of a configuration: each fault with its file and line')
    .argument('<files...>', FILES)
    .option('--tenant <name>', 'whose tools, where there are several')
    .addHelpText('after', '\nExample:\n  corral policy check policies/*.cedar')
    .action(async (files: string[], flags: Flags) => {
      const { checkFiles } = await import('@corral/server/config/rehearsal');
      const { problems, policies, text } = await checkFiles(files, configHere(flags.config), process.env, flags.tenant);
      print(flags, { policies, problems }, () => text);
      if (problems.some(({ severity }) => severity === 'error')) process.exitCode = EXIT.input;
    });

  ours(policy.command('test'))
    .description('run cases against policies: those of the configuration, or of files')
    .argument('<cases>', 'a JSON list of cases')
    .argument('[files...]', FILES)
    .option('--tenant <name>', 'whose tools and policies, where there are several')
    .addHelpText('after', '\nExample:\n  corral policy test cases.json')
    .action(async (cases: string, files: string[], flags: Flags) => {
      const { tryCases } = await import('@corral/server/config/rehearsal');
      const { results, text } = await tryCases(cases, files, configHere(flags.config), process.env, flags.tenant);
      print(flags, results, () => text);
      if (results.some(({ passed }) => !passed)) process.exitCode = EXIT.outcome;
    });

  hostFlags(policy.command('why'))
    .description('explain the decisions of one crank')
    .argument('<run>')
    .argument('<crank>', 'entry of the journal, as `corral why` says')
    .argument('[files...]', `${FILES}; instead of those of --config`)
    .option('--config <file>', 'on a folder without a host: take the decision apart by the policies of this configuration')
    .addHelpText('after', '\nExample:\n  corral policy why run_3k9x7m2p4q5r 4')
    .action(async (run: string, text: string, files: string[], flags: HostFlags & Flags) => {
      const crank = wholeNumber(text, 'CRANK');
      const data = await folderAlone(flags);
      if (data !== undefined) {
        const { explainCrank } = await import('@corral/server/config/rehearsal');
        const explained = await withReading(data, (store) =>
          explainCrank(store, runId(run), crank, files, configHere(flags.config), process.env),
        );
        print(flags, explained.calls, () => explained.text);
        return;
      }
      const { decisions } = await connect(flags).whyRun({ params: { run: run as RunId } });
      const here = decisions.filter((one) => one.crank === crank);
      print(flags, here, () => (here.length === 0 ? `No policy decided in crank ${crank} of ${run}.` : decisionLines(here).join('\n')));
    });

  hostFlags(policy.command('shadow'))
    .description(
      'without files, what a host’s candidate policies would have decided otherwise so far; with files, the same over recorded journals',
    )
    .argument('[files...]', `${FILES}: put to what was recorded, in a data folder on which no host runs`)
    .option('--tenant <name>', 'only of this tenant')
    .option('--config <file>', 'of files: whose tools they are about')
    .addHelpText(
      'after',
      '\nExample:\n  corral policy shadow\n  corral policy shadow policies/next.cedar --config corral.config.ts --data backup/',
    )
    .action(async (files: string[], flags: HostFlags & Flags) => {
      if (files.length > 0) return compare('recorded', files, flags);
      const { items } = await connect(flags).policyShadow({ query: inTenant(flags) });
      print(flags, items, () => items.flatMap((one) => shadowLines(one)).join('\n') || NO_SHADOW);
    });

  ours(policy.command('backtest'))
    .description('what a candidate would decide differently from the policies of the configuration, over recorded journals')
    .argument('<files...>', FILES)
    .option('--data <folder>', 'the journals: a data folder on which no host runs')
    .addHelpText('after', '\nExample:\n  corral policy backtest policies/next.cedar --config corral.config.ts --data backup/')
    .action((files: string[], flags: HostFlags & Flags) => compare('in force', files, flags));
}

const NO_SHADOW = 'No candidate runs here; name one in the configuration: policies: { files: […], shadow: [FILE] }.';

async function compare(against: 'recorded' | 'in force', files: string[], flags: HostFlags & Flags): Promise<void> {
  const { compareRecorded } = await import('@corral/server/config/rehearsal');
  const { comparison, text } = await withReading(dataFolder(flags), (store) =>
    compareRecorded(store, against, files, configHere(flags.config), process.env),
  );
  print(flags, comparison, () => text);
}

function shadowLines({ tenant, candidate, since, decisions, differing, dropped, changes, examples }: Shadow): string[] {
  const missed = dropped === 0 ? '' : `; ${dropped} were left out, since the host was busy`;
  return [
    `${tenant}: ${candidate.slice(0, 19)} beside the policies in force since ${new Date(since).toISOString().slice(0, 19)}`,
    `${differing} of ${decisions} decisions would differ${missed}`,
    ...Object.entries(changes).map(([change, count]) => `  ${count} × ${change}`),
    ...examples.slice(0, SHOWN).map(({ origin, action, agent, person, was, would, rules, would_rules }) => {
      const why = [...new Set([...would_rules, ...rules])];
      return printable(
        `  ${origin}: ${action} by ${agent} for ${person}: ${was} → ${would}${why.length === 0 ? '' : ` (${why.join(', ')})`}`,
      );
    }),
  ];
}
