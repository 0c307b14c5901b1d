/**
 * Every command of `corral`; the reference and the completions are generated from this. Commands are in groups, each a module that is
 * loaded when one of its commands is asked for: most need neither a host nor the bundler, which take longer to load than they to run.
 * The help of the program needs none of them: it is printed from `summaries.json`, which `npm run reference` writes.
 */
import { Command } from 'commander';
import { arrangeHelp, summarise } from './help.ts';
import { VERSION } from './version.ts';

export const EXIT_CODES = `
Exit codes:
  0  everything ended as it should
  1  a run ended otherwise, or something requested was not done
  2  wrong input: command line, file, agent, input, token
  3  the host cannot do it: unreachable, data folder, disk, walls, overloaded
  4  a bug in Corral
  124  the time of corral wait --timeout is over
  130, 143  interrupted by Ctrl-C or a signal; what ran in this process has ended, runs of a host go on`;

interface Group {
  readonly names: readonly string[];
  readonly load: () => Promise<(program: Command) => void>;
}

/** `names` are those of the commands that `load` gives; a test holds both together. */
export const GROUPS: readonly Group[] = [
  {
    names: ['run', 'demo', 'doctor'],
    load: async () => (await import('./commands/here.ts')).hereCommands,
  },
  {
    names: ['init', 'types', 'test'],
    load: async () => (await import('./commands/author.ts')).authorCommands,
  },
  {
    names: ['dev'],
    load: async () => (await import('./commands/dev.ts')).devCommand,
  },
  {
    names: ['up'],
    load: async () => (await import('./commands/up.ts')).upCommand,
  },
  {
    names: ['deploy', 'agents', 'alias', 'rollback'],
    load: async () => (await import('./commands/agents.ts')).agentCommands,
  },
  {
    names: ['submit', 'show', 'tree', 'why', 'story', 'calls', 'messages', 'journal', 'logs', 'release', 'resolve'],
    load: async () => (await import('./commands/runs.ts')).runCommands,
  },
  {
    names: ['ps'],
    load: async () => (await import('./commands/ps.ts')).psCommand,
  },
  {
    names: ['wait'],
    load: async () => (await import('./commands/wait.ts')).waitCommand,
  },
  {
    names: ['send'],
    load: async () => (await import('./commands/send.ts')).sendCommand,
  },
  {
    names: ['spend'],
    load: async () => (await import('./commands/spend.ts')).spendCommand,
  },
  {
    names: ['health'],
    load: async () => (await import('./commands/health.ts')).healthCommand,
  },
  {
    names: ['usage'],
    load: async () => (await import('./commands/usage.ts')).usageCommand,
  },
  {
    names: ['top'],
    load: async () => (await import('./commands/top.ts')).topCommand,
  },
  {
    names: ['pause', 'resume', 'cancel', 'kill', 'operations'],
    load: async () => (await import('./commands/operate.ts')).operateCommands,
  },
  {
    names: ['questions', 'answer'],
    load: async () => (await import('./commands/questions.ts')).questionCommands,
  },
  {
    names: ['claim', 'later', 'withdraw'],
    load: async () => (await import('./commands/looking.ts')).lookingCommands,
  },
  {
    names: ['approvals', 'approve', 'deny', 'quarantine', 'quarantines'],
    load: async () => (await import('./commands/approvals.ts')).approvalCommands,
  },
  {
    names: ['authority'],
    load: async () => (await import('./commands/authority.ts')).authorityCommand,
  },
  {
    names: ['revoke', 'context'],
    load: async () => (await import('./commands/governance.ts')).governanceCommands,
  },
  {
    names: ['profile', 'mark', 'marks', 'tune'],
    load: async () => (await import('./commands/loops.ts')).loopCommands,
  },
  {
    names: ['events'],
    load: async () => (await import('./commands/operate.ts')).eventsCommand,
  },
  {
    names: ['policy'],
    load: async () => (await import('./commands/policy.ts')).policyCommands,
  },
  {
    names: ['token', 'whoami', 'schedule', 'config'],
    load: async () => (await import('./commands/people.ts')).peopleCommands,
  },
  {
    names: ['secret'],
    load: async () => (await import('./commands/secrets.ts')).secretCommands,
  },
  {
    names: ['memory'],
    load: async () => (await import('./commands/memory.ts')).memoryCommands,
  },
  {
    names: ['mcp'],
    load: async () => (await import('./commands/mcp.ts')).mcpCommand,
  },
  {
    names: ['tools'],
    load: async () => (await import('./commands/tools.ts')).toolCommands,
  },
  {
    names: ['webhooks'],
    load: async () => (await import('./commands/webhooks.ts')).webhookCommands,
  },
  {
    names: ['verify', 'erase', 'gc', 'backup', 'restore'],
    load: async () => (await import('./commands/data.ts')).addDataCommands,
  },
  {
    names: ['replay', 'fork', 'diff', 'upgrade-check', 'upgrade'],
    load: async () => (await import('./commands/travel.ts')).addTravel,
  },
  {
    names: ['completion'],
    load: async () => (await import('./commands/completion.ts')).completionCommand,
  },
  {
    names: ['complete'],
    load: async () => (await import('./complete.ts')).completeCommand,
  },
];

/** The completions are generated from all commands. */
const NEED_ALL: ReadonlySet<string> = new Set(['completion', 'complete']);
/** Arguments that name a run; the option `--run` does so, too. */
const NAME_A_RUN: readonly string[] = ['run', 'other', 'of'];

/**
 * @param argv what was asked for: where it begins with the name of a command, only that command's group is loaded; where it names none,
 * the commands are there by name and cannot be run. Left out: all of them
 */
export async function createProgram(argv?: readonly string[]): Promise<Command> {
  const [asked = '', named = ''] = argv ?? [];
  const program = new Command('corral')
    .description('Runs other people’s AI agents safely.')
    .version(VERSION, '-v, --version', 'print the version')
    .addHelpText('after', EXIT_CODES)
    .exitOverride();
  if (asked === '--version' || asked === '-v') return program;
  const wanted = asked === 'help' ? named : asked;
  const groups = argv === undefined || NEED_ALL.has(asked) ? GROUPS : GROUPS.filter(({ names }) => names.includes(wanted));
  if (groups.length === 0) summarise(program);
  else for (const add of await Promise.all(groups.map(({ load }) => load()))) add(program);
  arrangeHelp(program);
  program.hook('preAction', async (_, command) => {
    const mayName = command.registeredArguments.some((one) => NAME_A_RUN.includes(one.name())) || command.opts()['run'] !== undefined;
    if (mayName) await (await import('./named-runs.ts')).nameRuns(command, NAME_A_RUN);
  });
  return program;
}
