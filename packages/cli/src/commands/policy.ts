/** `corral policy`: checks, tries and compares policies before they are in force. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { FrontStore } from '@corral/protocol/ports/front';
import type { Command } from 'commander';
import { CorralError } from '@corral/protocol/errors';
import type { Archived } from '@corral/server/config/rehearsal';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import type { RunId } from '@corral/protocol/ids';
import { configHere, connect, dataFolder, folderAlone, hostFlags, print, type HostFlags } from '../connect.ts';
import { EXIT } from '../failure.ts';
import { runId, withReading } from '../folder.ts';
import { wholeNumber } from '../whole-number.ts';
import { printable } from '../screen/table.ts';
import { moment } from '../screen/time.ts';
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
    .option('--config <file>', 'the configuration whose tools the policies are about (by default corral.config.ts here, if there is one)')
    .option('--json', 'print JSON');

export function policyCommands(program: Command): void {
  const policy = program.command('policy').description('check, test and compare policies');
  trialCommands(policy);
  recordCommands(policy);
  comparisonCommands(policy);
}

function trialCommands(policy: Command): void {
  ours(policy.command('check'))
    .description('check policies against the tools of a configuration: each fault with its file and line')
    .argument('[files...]', `${FILES}; by default those of the configuration`)
    .option('--tenant <name>', 'tenant whose tools and policies are used, if there are several')
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
    .option('--tenant <name>', 'tenant whose tools and policies are used, if there are several')
    .addHelpText('after', '\nExample:\n  corral policy test cases.json')
    .action(async (cases: string, files: string[], flags: Flags) => {
      const { tryCases } = await import('@corral/server/config/rehearsal');
      const { results, text } = await tryCases(cases, files, configHere(flags.config), process.env, flags.tenant);
      print(flags, results, () => text);
      if (results.some(({ passed }) => !passed)) process.exitCode = EXIT.outcome;
    });
}

function recordCommands(policy: Command): void {
  hostFlags(policy.command('why'))
    .description('explain the decisions of one crank')
    .argument('<run>')
    .argument('<crank>', 'entry of the journal, from `corral why`')
    .argument('[files...]', `${FILES}; instead of those that decided`)
    .option(
      '--config <file>',
      'on a folder without a host: the configuration for tools and people, and for policies if those that decided were not kept',
    )
    .addHelpText('after', '\nExample:\n  corral policy why run_3k9x7m2p4q5r 4')
    .action(async (run: string, text: string, files: string[], flags: HostFlags & Flags) => {
      const crank = wholeNumber(text, 'CRANK');
      const data = await folderAlone(flags);
      if (data !== undefined) {
        const { explainCrank } = await import('@corral/server/config/rehearsal');
        const archived = await archivedIn(data);
        const explained = await withReading(data, (store) =>
          explainCrank(store, runId(run), crank, files, configHere(flags.config), process.env, archived),
        );
        print(flags, explained.calls, () => explained.text);
        return;
      }
      const { decisions } = await connect(flags).whyRun({ params: { run: run as RunId } });
      const here = decisions.filter((one) => one.crank === crank);
      print(flags, here, () => (here.length === 0 ? `No policy decided in crank ${crank} of ${run}.` : decisionLines(here).join('\n')));
    });

  hostFlags(policy.command('show'))
    .description('print the texts of policies that are or were in force, with who applied them')
    .argument('<version>', 'sha256:…, from decisions and `corral why`; the first characters are enough')
    .option('--tenant <name>', 'only if this tenant had them')
    .addHelpText('after', '\nExample:\n  corral policy show sha256:9270ab31')
    .action(async (version: string, flags: HostFlags & Flags) => {
      const shown = await connect(flags).showPolicies({ params: { version }, query: inTenant(flags) });
      print(flags, shown, () =>
        [
          shown.version,
          ...shown.moves.map((move) => moveLine(move)),
          ...shown.files.flatMap(({ file, digest, text }) => ['', `// ${file}  ${digest}`, text]),
        ].join('\n'),
      );
    });

  hostFlags(policy.command('history'))
    .description('list which policies tenants had, newest first, with who applied them and why')
    .option('--tenant <name>', 'only of this tenant')
    .addHelpText('after', '\nExample:\n  corral policy history')
    .action(async (flags: HostFlags & Flags) => {
      const { items } = await connect(flags).listPolicies({ query: inTenant(flags) });
      print(flags, items, () => items.map((move) => moveLine(move)).join('\n') || 'No tenant has or had policies.');
    });
}

function comparisonCommands(policy: Command): void {
  hostFlags(policy.command('shadow'))
    .description(
      'without files: where a host’s candidate policies have decided differently so far; with files: the same over recorded journals',
    )
    .argument('[files...]', `${FILES}: evaluated for recorded calls, in a data folder on which no host runs`)
    .option('--tenant <name>', 'only of this tenant')
    .option('--config <file>', 'with files: tenant whose tools they are about')
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
    .description('where a candidate would decide differently from the policies of the configuration, over recorded journals')
    .argument('<files...>', FILES)
    .option('--data <folder>', 'the journals: a data folder on which no host runs')
    .addHelpText('after', '\nExample:\n  corral policy backtest policies/next.cedar --config corral.config.ts --data backup/')
    .action((files: string[], flags: HostFlags & Flags) => compare('in force', files, flags));
}

const NOT_KEPT: ReadonlySet<string> = new Set(['CORRAL_VERSION_UNKNOWN', 'CORRAL_DATA_UNUSABLE']);

/** Texts of policies that a host of the folder kept; none if no host ever ran there. */
async function archivedIn(data: string): Promise<Archived | undefined> {
  if (!existsSync(join(data, 'front.db'))) return undefined;
  const [{ SqliteFront }, { realRandom }] = await Promise.all([import('@corral/store/front'), import('@corral/supervisor')]);
  return (version) => {
    let db: FrontStore | undefined;
    try {
      db = new SqliteFront(data, realRandom);
      return db.archive.policies(version, undefined).files;
    } catch (error) {
      // Not kept, or in a snapshot that cannot be opened for writing: the configuration's own policies are used.
      if (error instanceof CorralError && NOT_KEPT.has(error.code)) return undefined;
      throw error;
    } finally {
      db?.close();
    }
  };
}

const moveLine = ({ tenant, version, at, by, reason }: RouteAnswer<'listPolicies'>['items'][number]) =>
  printable(`${moment(at)}  ${tenant}  ${version?.slice(0, 19) ?? 'none'}  ${by}  ${reason}`);

const NO_SHADOW = 'No candidate runs here; name one in the configuration: policies: { files: […], shadow: [FILE] }.';

async function compare(against: 'recorded' | 'in force', files: string[], flags: HostFlags & Flags): Promise<void> {
  const { compareRecorded } = await import('@corral/server/config/rehearsal');
  const { comparison, text } = await withReading(dataFolder(flags), (store) =>
    compareRecorded(store, against, files, configHere(flags.config), process.env),
  );
  print(flags, comparison, () => text);
}

function shadowLines({ tenant, candidate, since, decisions, differing, dropped, changes, examples }: Shadow): string[] {
  const missed = dropped === 0 ? '' : `; ${dropped} were left out because the host was busy`;
  return [
    `${tenant}: ${candidate.slice(0, 19)} beside the policies in force since ${moment(since)}`,
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
