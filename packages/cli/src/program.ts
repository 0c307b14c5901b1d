/** Every command of `corral`; the reference and the completions are generated from this. */
import { Command } from 'commander';
import { agentCommands } from './commands/agents.ts';
import { approvalCommands } from './commands/approvals.ts';
import { authorityCommand } from './commands/authority.ts';
import { authorCommands } from './commands/author.ts';
import { completionCommand } from './commands/completion.ts';
import { addDataCommands } from './commands/data.ts';
import { demo } from './commands/demo.ts';
import { devCommand } from './commands/dev.ts';
import { doctor } from './commands/doctor.ts';
import { loopCommands } from './commands/loops.ts';
import { eventsCommand, operateCommands } from './commands/operate.ts';
import { policyCommands } from './commands/policy.ts';
import { peopleCommands } from './commands/people.ts';
import { governanceCommands } from './commands/governance.ts';
import { runFile } from './commands/run.ts';
import { runCommands } from './commands/runs.ts';
import { sendCommand } from './commands/send.ts';
import { spendCommand } from './commands/spend.ts';
import { topCommand } from './commands/top.ts';
import { addTravel } from './commands/travel.ts';
import { upCommand } from './commands/up.ts';
import { webhookCommands } from './commands/webhooks.ts';

export const EXIT_CODES = `
Exit codes:
  0  everything ended as it should
  1  a run ended otherwise, or something requested was not done
  2  wrong input: command line, file, agent, input, token
  3  the host cannot do it: unreachable, data folder, disk, walls, overloaded
  4  a bug in Corral
  130, 143  interrupted by Ctrl-C or a signal; nothing is left running`;

export function createProgram(): Command {
  const program = new Command('corral')
    .description('Runs other people’s AI agents safely.')
    .addHelpText('after', EXIT_CODES)
    .showHelpAfterError('(see corral --help)')
    .exitOverride();

  program
    .command('run')
    .description('run one agent in this process, without a server')
    .argument('<file>', 'the module whose default export is the agent')
    .option('--input <json>', 'the agent’s input, or @FILE to read it from a file', '{}')
    .option('--read <folder>', 'offer fs.read and fs.list below this folder')
    .option('--write <folder>', 'offer fs.write below this folder')
    .option('--data <folder>', 'data folder; without it, the run is deleted at the end')
    .option('--policy <file>', 'policies in Cedar, or “default” for the default pack; approvals are asked for on the terminal')
    .option('--json', 'print one JSON document')
    .addHelpText('after', `\nExample:\n  corral run examples/hello.ts --input '{"name":"Ada"}'`)
    .action(async (file: string, options: Parameters<typeof runFile>[1]) => {
      process.exitCode = await runFile(file, options);
    });

  program
    .command('demo')
    .description('run the example fleet: a crew at work beside agents that misbehave')
    .option('--once', 'do not wait at the end (there is nothing to wait for yet)')
    .option('--json', 'print one JSON document')
    .option('--out <folder>', 'where the crew writes its report', 'corral-report')
    .addHelpText('after', `\nExample:\n  corral demo --json | jq '.runs[] | select(.ok | not)'`)
    .action(async (options: Parameters<typeof demo>[0]) => {
      process.exitCode = await demo(options);
    });

  program
    .command('doctor')
    .description('say which walls this machine has, what is missing, and whether its Redis takes hints')
    .option('--config <file>', 'the configuration that names a Redis (else corral.config.ts here, if there is one)')
    .option('--json', 'print one JSON document')
    .addHelpText('after', '\nExample:\n  corral doctor')
    .action(async (options: Parameters<typeof doctor>[0]) => {
      process.exitCode = await doctor(options);
    });

  authorCommands(program);
  devCommand(program);
  upCommand(program);
  agentCommands(program);
  runCommands(program);
  sendCommand(program);
  spendCommand(program);
  topCommand(program);
  operateCommands(program);
  approvalCommands(program);
  authorityCommand(program);
  governanceCommands(program);
  loopCommands(program);
  eventsCommand(program);
  policyCommands(program);
  peopleCommands(program);
  webhookCommands(program);
  addDataCommands(program);
  addTravel(program);
  completionCommand(program);
  return program;
}
