/** The help of the whole program: commands by what people come to do, examples, and `corral help COMMAND`. */
import { Help, type Command } from 'commander';
import { CorralError } from '@corral/protocol/errors';
import { didYouMean } from '@corral/protocol/nearest';
import summaries from './summaries.json' with { type: 'json' };

/** Commands by group, in the order in which the help and the reference list them. */
const GROUPS: Readonly<Record<string, readonly string[]>> = {
  'Write an agent': ['init', 'dev', 'run', 'test', 'types', 'demo'],
  'Host and agents': ['up', 'doctor', 'health', 'deploy', 'agents', 'alias', 'rollback', 'config', 'tools', 'schedule', 'webhooks', 'mcp'],
  Runs: ['submit', 'send', 'wait', 'ps', 'top', 'show', 'tree', 'events', 'spend', 'usage'],
  'What a run did': ['why', 'story', 'logs', 'calls', 'messages', 'journal', 'context', 'authority'],
  'Stop and settle': ['pause', 'resume', 'cancel', 'kill', 'revoke', 'quarantine', 'quarantines', 'release', 'resolve', 'operations'],
  'Approvals and policies': [
    'approvals',
    'approve',
    'deny',
    'withdraw',
    'claim',
    'later',
    'questions',
    'answer',
    'policy',
    'profile',
    'mark',
    'marks',
    'tune',
  ],
  'Time travel': ['replay', 'fork', 'diff', 'upgrade-check', 'upgrade'],
  'Data and evidence': ['memory', 'verify', 'erase', 'gc', 'backup', 'restore'],
  'People and this command': ['token', 'secret', 'whoami', 'completion', 'help'],
};
/** Group of commands that the table lacks; a test sees to it that there are none. */
export const OTHERS = 'Others';

const EXAMPLES = `
Examples:
  corral init my-agent                                   an agent, its test, a configuration, a first policy
  corral dev agents/buyer.ts --input @agents/order.json  in that folder: run the agent, and see each of its effects
  corral up                                              start a host here
  corral deploy agents/buyer.ts --alias prod             give it the agent
  corral submit buyer@prod --input @agents/order.json --wait
  corral why @last                                       what the run that you submitted last is doing

A run is named by its id, by the beginning of it with or without run_, or by @last, which is the one that you submitted last.`;

/** A command in the help of the program. */
export interface Summary {
  readonly name: string;
  readonly usage: string;
  readonly about: string;
}

/** Written by `npm run reference`. */
export const SUMMARIES: readonly Summary[] = summaries;

/** @param program with all commands */
export function summariesOf(program: Command): Summary[] {
  const help = program.createHelp();
  return help
    .visibleCommands(program)
    .filter((command) => command.name() !== HELP)
    .map((command) => ({
      name: command.name(),
      usage: help.subcommandTerm(command),
      about: help.subcommandDescription(command),
    }));
}

/** Adds all commands by name, for the help and for what was misspelt; none of them is loaded. */
export function summarise(program: Command): void {
  const usages = new Map(SUMMARIES.map(({ name, usage }) => [name, usage]));
  for (const { name, about } of SUMMARIES) program.command(name).description(about);
  program.configureHelp({ subcommandTerm: (command) => usages.get(command.name()) ?? new Help().subcommandTerm(command) });
}

const HELP = 'help';

/** Groups the commands, and gives each its own hint where it is used wrongly. */
export function arrangeHelp(program: Command): void {
  program.helpCommand(false);
  program
    .command(HELP)
    .description('show the help of a command')
    .argument('[command...]', 'such as submit, or token create')
    .addHelpText('after', '\nExample:\n  corral help token create')
    .action((names: readonly string[]) => commandNamed(program, names).outputHelp());
  const order = Object.values(GROUPS).flat();
  const groupOf = (name: string) => Object.entries(GROUPS).find(([, names]) => names.includes(name))?.[0] ?? OTHERS;
  const at = (command: Command) => (order.includes(command.name()) ? order.indexOf(command.name()) : order.length);
  (program.commands as Command[]).sort((a, b) => at(a) - at(b));
  for (const command of program.commands) command.helpGroup(`${groupOf(command.name())}:`);
  hints(program, 'corral');
  program.addHelpText('after', EXAMPLES);
}

/** Names that people type for commands that are called otherwise. */
const MEANT: ReadonlyMap<string, string> = new Map([
  ['stop', 'pause, which can be resumed, or kill'],
  ['abort', 'cancel or kill'],
  ['terminate', 'kill'],
  ['continue', 'resume'],
  ['start', 'up for a host, or submit for a run'],
  ['serve', 'up'],
  ['list', 'ps for runs, or agents'],
  ['ls', 'ps for runs, or agents'],
  ['runs', 'ps'],
  ['status', 'ps for all runs, or why for one'],
  ['log', 'logs'],
  ['inspect', 'show, or journal'],
  ['explain', 'why'],
  ['delete', 'erase'],
  ['rm', 'erase'],
  ['invoke', 'submit'],
]);

/** A wrong use in the form of all other failures: a code, a sentence, what to do. */
function inOneStyle(text: string): string {
  const [, said = text] = /^error: ([^]*)$/u.exec(text) ?? [];
  const [, unknown] = /^unknown command '([^']*)'/u.exec(said) ?? [];
  const meant = unknown === undefined ? undefined : MEANT.get(unknown);
  const sentence =
    meant === undefined
      ? said.replace(/\n\((Did you mean [^]*\?)\)\n?$/u, '. $1\n')
      : `unknown command '${unknown}'. You may mean ${meant}.\n`;
  return `CORRAL_USAGE ${sentence}`;
}

function hints(command: Command, name: string): void {
  command.showHelpAfterError(`(see ${name} --help)`);
  command.configureOutput({ outputError: (text, write) => write(text.startsWith('error: ') ? inOneStyle(text) : text) });
  for (const option of command.options) if (option.mandatory) option.description += ' (required)';
  for (const one of command.commands) hints(one, `${name} ${one.name()}`);
}

/** @throws CORRAL_USAGE */
function commandNamed(program: Command, names: readonly string[]): Command {
  let command = program;
  for (const [i, name] of names.entries()) {
    const next = command.commands.find((one) => one.name() === name);
    if (next === undefined) {
      const known = command.commands.map((one) => one.name());
      const path = ['corral', ...names.slice(0, i)].join(' ');
      const meant = command === program ? MEANT.get(name) : undefined;
      const other = meant === undefined ? didYouMean(name, known) : ` You may mean ${meant}.`;
      throw new CorralError('CORRAL_USAGE', `${path} has no command ${name.slice(0, 60)}.${other}`);
    }
    command = next;
  }
  return command;
}
