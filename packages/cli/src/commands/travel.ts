/** Commands on journals: showing, replaying, forking, upgrading; at a running host, or on a data folder. */
import type { Command } from 'commander';
import { dataOption, hostFlags } from '../connect.ts';
import type { diff } from './diff.ts';
import type { forkRun } from './fork.ts';
import type { replay } from './replay.ts';
import type { upgrade, upgradeCheck } from './upgrade.ts';

const EXIT_0_1 = (zero: string, one: string) => `\nExit codes:\n  0  ${zero}\n  1  ${one}\n  others as in corral --help`;

/** A command on a data folder. */
function verb(program: Command, usage: string, description: string): Command {
  const [name = usage, ...args] = usage.split(' ');
  const command = program.command(name).description(description);
  for (const arg of args) command.argument(arg);
  return command.addOption(dataOption('where the runs are kept')).option('--json', 'print one JSON document');
}

/** A command at a host, or on a data folder on which no host runs. */
function atHost(program: Command, usage: string, description: string): Command {
  const [name = usage, ...args] = usage.split(' ');
  const command = program.command(name).description(description);
  for (const arg of args) command.argument(arg);
  return hostFlags(command);
}

/** Options for tools, for commands that let a run go on in this process. */
function going(command: Command): Command {
  return command
    .option('--config <file>', 'offer the tools of this configuration, under its policies')
    .option('--read <folder>', 'offer fs.read and fs.list below this folder')
    .option('--write <folder>', 'offer fs.write below this folder');
}

export function addTravel(program: Command): void {
  atHost(program, 'replay <run>', 'repeat a run from its journal, without any effect leaving')
    .option('--to <crank>', 'stop after this crank')
    .option('--inspect [address]', 'run the agent in plain Node for a debugger to attach to (127.0.0.1:9229)')
    .addHelpText(
      'after',
      `\nExample:\n  corral replay run_0123456789ab --to 12 --data ./runs\n${EXIT_0_1('every crank did the same', 'a crank did something else')}`,
    )
    .action(async (run: string, options: Parameters<typeof replay>[1]) => {
      const does = await import('./replay.ts');
      process.exitCode = await does.replay(run, options);
    });

  going(atHost(program, 'fork <run>', 'start a new run with the beginning of another one'))
    .requiredOption('--at <crank>', 'the first crank that may differ; everything before it is kept')
    .option('--input <json>', 'another input, or @FILE to read it from a file; only with --at 1')
    .option('-m, --reason <text>', 'reason; a host records it with the operation')
    .option('--no-go', 'only store it; it goes on when a host next opens the folder')
    .addHelpText(
      'after',
      `\nExample:\n  corral fork run_0123456789ab --at 1 --input '{"name":"Ada"}' --data ./runs\n${EXIT_0_1('the fork completed, or was stored', 'it ended otherwise, or waits for a person')}`,
    )
    .action(async (run: string, options: Parameters<typeof forkRun>[1]) => {
      const does = await import('./fork.ts');
      process.exitCode = await does.forkRun(run, options);
    });

  atHost(program, 'diff <run> <other>', 'show the first crank at which two runs differ')
    .addHelpText(
      'after',
      `\nExample:\n  corral diff run_0123456789ab run_ba9876543210 --data ./runs\n${EXIT_0_1('they are the same', 'they differ')}`,
    )
    .action(async (left: string, right: string, options: Parameters<typeof diff>[2]) => {
      const does = await import('./diff.ts');
      process.exitCode = await does.diff(left, right, options);
    });

  verb(program, 'upgrade-check <agent> [file]', 'replay the waiting and recent runs of an agent on another version of it')
    .option('--runtime', 'on the same version, but with the current Node and image')
    .option('--recent <runs>', 'how many ended runs to try', '20')
    .addHelpText(
      'after',
      `\nExample:\n  corral upgrade-check hello hello-2.ts --data ./runs\n${EXIT_0_1('all would do the same', 'some would not')}`,
    )
    .action(async (agent: string, file: string | undefined, options: Parameters<typeof upgradeCheck>[2]) => {
      const does = await import('./upgrade.ts');
      process.exitCode = await does.upgradeCheck(agent, file, options);
    });

  going(atHost(program, 'upgrade <run> <file>', 'move a run to another version of its agent, if it replays the same on it'))
    .option('--go', 'if no host runs on --data: run it in this process, to its end')
    .addHelpText(
      'after',
      `
At a host FILE is deployed first, as by corral deploy; instead of a file, an alias or sha256:… names a version that is deployed.

Examples:
  corral upgrade run_0123456789ab hello-2.ts --data ./runs
  corral upgrade run_0123456789ab latest`,
    )
    .action(async (run: string, file: string, options: Parameters<typeof upgrade>[2]) => {
      const does = await import('./upgrade.ts');
      process.exitCode = await does.upgrade(run, file, options);
    });
}
