/** Commands that need no host of others: `corral run`, `corral demo`, `corral doctor`. Each one's module is loaded when it is asked for. */
import type { Command } from 'commander';
import { answerFlags } from '../answer-flags.ts';
import type { DemoOptions } from './demo.ts';
import type { DoctorOptions } from './doctor.ts';
import type { RunOptions } from './run.ts';

export function hereCommands(program: Command): void {
  answerFlags(program.command('run'))
    .description('run one agent in this process, without a server')
    .argument('<file>', 'the module whose default export is the agent')
    .option('--input <json>', 'the agent’s input, or @FILE to read it from a file', '{}')
    .option('--read <folder>', 'offer fs.read and fs.list below this folder')
    .option('--write <folder>', 'offer fs.write below this folder')
    .option('--data <folder>', 'data folder; without it, the run is deleted at the end')
    .option('--policy <file>', 'policies in Cedar, or “default” for the default pack; approvals are asked for on the terminal')
    .option('--json', 'print one JSON document')
    .addHelpText('after', `\nExample:\n  corral run examples/hello.ts --input '{"name":"Ada"}'`)
    .action(async (file: string, options: RunOptions) => {
      const { runFile } = await import('./run.ts');
      process.exitCode = await runFile(file, options);
    });

  program
    .command('demo')
    .description('start a host whose agent you attack from a page; with --once, run the example fleet beside agents that misbehave')
    .option('--once', 'run the example fleet, and end with 0 if every run ended as its example says')
    .option('--json', 'print one JSON document; implies --once')
    .option('--out <folder>', 'where the crew writes its report (by default corral-report); implies --once')
    .addHelpText('after', `\nExample:\n  corral demo --json | jq '.runs[] | select(.ok | not)'`)
    .action(async (options: DemoOptions & { readonly once?: boolean }) => {
      const isOnce = options.once === true || options.json === true || options.out !== undefined;
      process.exitCode = isOnce ? await (await import('./demo.ts')).demo(options) : await (await import('../scene/scene.ts')).scene();
    });

  program
    .command('doctor')
    .description('say whether agents run on this machine, which walls it has, what is missing, and what is known against its versions')
    .option('--config <file>', 'the configuration that names a Redis (else corral.config.ts here, if there is one)')
    .option('--json', 'print one JSON document')
    .option('--strict', 'end with 1 if a line is marked ✗, published flaws and missing walls included')
    .addHelpText(
      'after',
      `
Exit codes:
  0  agents run here; lines marked ✗ do not change the code
  1  with --strict: agents run here, and a line is marked ✗
  3  agents do not run here: Node, the sandbox image or a cell fails

Example:
  corral doctor --strict`,
    )
    .action(async (options: DoctorOptions) => {
      const { doctor } = await import('./doctor.ts');
      process.exitCode = await doctor(options);
    });
}
