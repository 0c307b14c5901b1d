/** `corral policy`: policies are checked, tried and compared here, before they decide anything. */
import type { Command } from 'commander';
import type { RunId } from '@corral/protocol/ids';
import { connect, dataFolder, folderAlone, hostFlags, print, type HostFlags } from '../connect.ts';
import { EXIT } from '../failure.ts';
import { runId, wholeNumber, withStore } from '../folder.ts';
import { decisionLines } from './approvals.ts';

interface Flags {
  readonly config?: string;
  readonly tenant?: string;
  readonly json?: boolean;
}

const FILES = 'Cedar files; the word `default` is the pack that comes with Corral';
const ours = (command: Command): Command =>
  command.option('--config <file>', 'whose tools the policies are about').option('--json', 'print JSON');

export function policyCommands(program: Command): void {
  const policy = program.command('policy').description('check, try and compare policies');

  ours(policy.command('check'))
    .description('check policies against the tools of a configuration: each fault with its file and line')
    .argument('<files...>', FILES)
    .option('--tenant <name>', 'whose tools, where there are several')
    .addHelpText('after', '\nExample:\n  corral policy check policies/*.cedar --config corral.config.ts')
    .action(async (files: string[], flags: Flags) => {
      const { checkFiles } = await import('@corral/server/config/rehearsal');
      const { problems, policies, text } = await checkFiles(files, flags.config, process.env, flags.tenant);
      print(flags, { policies, problems }, () => text);
      if (problems.some(({ severity }) => severity === 'error')) process.exitCode = EXIT.input;
    });

  ours(policy.command('test'))
    .description('run cases against policies: those of the configuration, or of files')
    .argument('<cases>', 'a JSON list of cases')
    .argument('[files...]', FILES)
    .option('--tenant <name>', 'whose tools and policies, where there are several')
    .addHelpText('after', '\nExample:\n  corral policy test cases.json --config corral.config.ts')
    .action(async (cases: string, files: string[], flags: Flags) => {
      const { tryCases } = await import('@corral/server/config/rehearsal');
      const { results, text } = await tryCases(cases, files, flags.config, process.env, flags.tenant);
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
        const explained = await withStore(data, (store) => explainCrank(store, runId(run), crank, files, flags.config, process.env));
        print(flags, explained.calls, () => explained.text);
        return;
      }
      const { decisions } = await connect(flags).whyRun({ params: { run: run as RunId } });
      const here = decisions.filter((one) => one.crank === crank);
      print(flags, here, () => (here.length === 0 ? `No policy decided in crank ${crank} of ${run}.` : decisionLines(here).join('\n')));
    });

  for (const [name, against, about] of [
    ['shadow', 'recorded', 'say what a candidate would have decided differently from what was decided, over recorded journals'],
    ['backtest', 'in force', 'the same, beside what the policies of the configuration decide about the same calls today'],
  ] as const) {
    ours(policy.command(name))
      .description(about)
      .argument('<files...>', FILES)
      .option('--data <folder>', 'the journals: a data folder on which no host runs')
      .addHelpText('after', `\nExample:\n  corral policy ${name} policies/next.cedar --config corral.config.ts --data backup/`)
      .action(async (files: string[], flags: Flags & { readonly data?: string }) => {
        const { compareRecorded } = await import('@corral/server/config/rehearsal');
        const { comparison, text } = await withStore(dataFolder(flags), (store) =>
          compareRecorded(store, against, files, flags.config, process.env),
        );
        print(flags, comparison, () => text);
      });
  }
}
