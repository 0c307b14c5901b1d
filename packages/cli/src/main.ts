#!/usr/bin/env node
/** The `corral` command. */
import { Command } from 'commander';
import { addDataCommands } from './commands/data.ts';
import { demo } from './commands/demo.ts';
import { doctor } from './commands/doctor.ts';
import { runFile } from './commands/run.ts';
import { addTravel } from './commands/travel.ts';
import { EXIT, report } from './failure.ts';

const EXIT_CODES = `
Exit codes:
  0  everything ended as it should
  1  a run ended otherwise
  2  what was handed in is wrong: command line, file, agent, input
  3  the host cannot: data folder, disk, walls
  4  a bug in Corral
  130, 143  interrupted by Ctrl-C or a signal; nothing is left running`;

const program = new Command('corral')
  .description('Runs other people’s AI agents safely.')
  .addHelpText('after', EXIT_CODES)
  .showHelpAfterError('(see corral --help)')
  .exitOverride();

program
  .command('run')
  .description('run one agent, here and now, with no server')
  .argument('<file>', 'the module whose default export is the agent')
  .option('--input <json>', 'the agent’s input, or @FILE to read it from a file', '{}')
  .option('--read <folder>', 'offer fs.read and fs.list below this folder')
  .option('--write <folder>', 'offer fs.write below this folder')
  .option('--data <folder>', 'where the run is kept; without it, it is forgotten at the end')
  .option('--json', 'print one JSON document')
  .addHelpText('after', `\nExample:\n  corral run examples/hello.ts --input '{"name":"Ada"}'`)
  .action(async (file: string, options: Parameters<typeof runFile>[1]) => {
    process.exitCode = await runFile(file, options);
  });

program
  .command('demo')
  .description('run the example fleet: a crew at work beside agents that misbehave')
  .option('--once', 'do not wait for anything at the end (there is nothing to wait for yet)')
  .option('--json', 'print one JSON document')
  .option('--out <folder>', 'where the crew writes its report', 'corral-report')
  .addHelpText('after', `\nExample:\n  corral demo --json | jq '.runs[] | select(.ok | not)'`)
  .action(async (options: Parameters<typeof demo>[0]) => {
    process.exitCode = await demo(options);
  });

program
  .command('doctor')
  .description('say which walls stand on this machine, and what is missing')
  .option('--json', 'print one JSON document')
  .addHelpText('after', '\nExample:\n  corral doctor')
  .action(async (options: Parameters<typeof doctor>[0]) => {
    process.exitCode = await doctor(options);
  });

addDataCommands(program);
addTravel(program);

// Whoever reads us may stop reading: `corral demo --json | head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? EXIT.ok : EXIT.bug));

const json = process.argv.includes('--json');
try {
  await program.parseAsync();
} catch (error) {
  const { code, exitCode } = error as { code?: string; exitCode?: number };
  // commander has said it already
  if (code?.startsWith('commander.') === true) process.exitCode = exitCode === 0 ? EXIT.ok : EXIT.input;
  else process.exitCode = report(error, json);
}
