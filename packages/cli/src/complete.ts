/**
 * `corral complete -- WORDS`: what the last of the words may become, one candidate a line, each with a note after a tab. The completions
 * of the shells ask it for names that only a host knows.
 */
import type { Command, Option } from 'commander';
import type { Client } from '@corral/protocol/api/client';
import { Waiting } from '@corral/protocol/api/selector';
import { EVENT_KINDS } from '@corral/protocol/api/event-kinds';
import { printable } from '@corral/protocol/printable';
import { hostOrFolder, type HostFlags, type Place } from './connect.ts';
import { ENDS, FORMS } from './commands/ps.ts';
import { stateOf } from './screen/states.ts';
import { runsInFolder } from './folder-runs.ts';

interface Candidate {
  readonly value: string;
  readonly note?: string;
}
type Names = (place: Place, before: readonly string[], word: string, signal: AbortSignal) => Promise<readonly Candidate[]>;

/** The shell completes names of files itself. */
export const FILES = ':files';
const MOST = 50;
/** A person who presses Tab waits no longer than this for a host. */
const PATIENCE_MS = 2_000;
/** A shell puts a candidate on the line as it is, so one with a sign that means something to shells is left out. */
const WORD = /^[\w@.:/,=+-]+$/;
/** Commands that do nothing with runs that have ended. */
const LIVE: ReadonlySet<string> = new Set(['pause', 'resume', 'cancel', 'kill', 'wait', 'approve', 'deny', 'release', 'resolve']);

const fixed =
  (values: readonly string[]): Names =>
  () =>
    Promise.resolve(values.map((value) => ({ value })));

/** Candidates by the name of an argument or an option. */
const NAMES: Readonly<Record<string, Names>> = {
  run: (place, before, word, signal) => runs(place, LIVE.has(before[0] ?? ''), word, signal),
  other: (place, _, word, signal) => runs(place, false, word, signal),
  of: async (place, _, word, signal) => [...(await agents(place, word, signal)), ...(await runs(place, false, word, signal))],
  agent: (place, _, word, signal) => agents(place, word, signal),
  alias: (place, before, _, signal) => aliases(place, before[1], signal),
  shell: fixed(['bash', 'zsh', 'fish']),
  ended: fixed(ENDS),
  output: fixed(FORMS),
  waiting: fixed(Waiting.options),
  kinds: fixed(EVENT_KINDS),
};
/** Arguments that are neither a name above nor a file. */
const FREE: ReadonlySet<string> = new Set(['call', 'crank', 'key', 'handler', 'message', 'name', 'grant', 'token', 'schedule', 'version']);

export function completeCommand(program: Command): void {
  program
    .command('complete', { hidden: true })
    .description('say what the last of these words may become; the completion of a shell asks this')
    .argument('[words...]')
    .action(async (words: readonly string[]) => {
      // A shell that completes a line has no place for an error.
      const found = await candidates(program, words).catch(() => []);
      for (const { value, note } of found)
        if (WORD.test(value)) process.stdout.write(`${value}${note === undefined ? '' : `\t${printable(note)}`}\n`);
    });
}

async function candidates(program: Command, words: readonly string[]): Promise<readonly Candidate[]> {
  const word = words.at(-1) ?? '';
  const { command, before, option, flags } = readLine(program, words.slice(0, -1));
  const begins = ({ value }: Candidate) => value.startsWith(word);
  if (option === undefined && word.startsWith('-'))
    return [...command.options.map(({ long, description }) => ({ value: long ?? '', note: description })), { value: '--help' }].filter(
      begins,
    );
  const at = before.length - depth(command);
  if (option === undefined && command.commands.length > 0 && at === 0) {
    const listed = command.commands.filter((one) => one.name() !== 'complete');
    return listed.map((one) => ({ value: one.name(), note: one.description() })).filter(begins);
  }
  const last = command.registeredArguments.at(-1);
  const argument = command.registeredArguments[at] ?? (last?.variadic === true ? last : undefined);
  const name = option?.attributeName() ?? argument?.name();
  if (name === undefined) return [];
  const names = NAMES[name];
  if (names === undefined) return option === undefined && FREE.has(name) ? [] : [{ value: FILES }];
  const found = await names(await hostOrFolder(flags), before, word, AbortSignal.timeout(PATIENCE_MS));
  return found.filter(begins);
}

interface Line {
  readonly command: Command;
  /** Words that are neither options nor their values, those of the command itself included. */
  readonly before: readonly string[];
  /** The option whose value is the word to complete. */
  readonly option: Option | undefined;
  readonly flags: HostFlags;
}

function readLine(program: Command, words: readonly string[]): Line {
  const flags: Record<string, string> = {};
  const before: string[] = [];
  let command = program;
  let option: Option | undefined;
  for (const word of words) {
    if (option !== undefined) {
      flags[option.attributeName()] = word;
      option = undefined;
    } else if (word.startsWith('-')) {
      const [name, value] = word.split('=', 2);
      const found = command.options.find(({ long, short }) => name === long || name === short);
      if (found?.required !== true && found?.optional !== true) continue;
      if (value === undefined) option = found;
      else flags[found.attributeName()] = value;
    } else {
      command = command.commands.find((one) => before.length === depth(command) && one.name() === word) ?? command;
      before.push(word);
    }
  }
  const { data, url, token } = flags;
  const host = {
    ...(data === undefined ? {} : { data }),
    ...(url === undefined ? {} : { url }),
    ...(token === undefined ? {} : { token }),
  };
  return { command, before, option, flags: host };
}

const depth = (command: Command): number => (command.parent === null ? 0 : 1 + depth(command.parent));

/** The newest runs. A word that does not begin like a whole id is completed as the rest of one. */
async function runs(place: Place, live: boolean, word: string, signal: AbortSignal): Promise<readonly Candidate[]> {
  const named = (run: string) => (word === '' || 'run_'.startsWith(word) || /^(?:run_|@)/.test(word) ? run : run.slice('run_'.length));
  const last = { value: '@last', note: 'the run that you submitted last' };
  if ('data' in place) {
    const { items } = await runsInFolder(place.data, { live, limit: MOST }, Date.now());
    return [last, ...items.map((item) => ({ value: named(item.run), note: `${item.agent}  ${stateOf(item)}` }))];
  }
  const text = word.replace(/^run_/, '');
  const query = { limit: MOST, ...(live ? { live: 'true' } : {}), ...(text === '' || text.startsWith('@') ? {} : { q: text }) };
  const { items } = await place.client.listRuns({ query }, { signal });
  return [last, ...items.map((item) => ({ value: named(item.run), note: `${item.agent}  ${stateOf(item)}` }))];
}

type Listed = Awaited<ReturnType<Client['listAgents']>>['items'];

async function listed(place: Place, word: string, signal: AbortSignal): Promise<Listed> {
  if ('data' in place) return [];
  return (await place.client.listAgents({ query: { limit: 500, ...(word === '' ? {} : { q: word }) } }, { signal })).items;
}

/** Names of agents; and after an `@`, their aliases. */
async function agents(place: Place, word: string, signal: AbortSignal): Promise<readonly Candidate[]> {
  const [name = ''] = word.split('@', 1);
  const found = await listed(place, name, signal);
  return word.includes('@')
    ? found.flatMap(({ agent, aliases: all }) =>
        all.map(({ alias, version }) => ({ value: `${agent}@${alias}`, note: version.slice(0, 19) })),
      )
    : found.map(({ agent, purpose }) => ({ value: agent, note: purpose }));
}

async function aliases(place: Place, agent: string | undefined, signal: AbortSignal): Promise<readonly Candidate[]> {
  const found = (await listed(place, agent ?? '', signal)).filter((one) => agent === undefined || one.agent === agent);
  return [...new Set(found.flatMap((one) => one.aliases.map(({ alias }) => alias)))].map((value) => ({ value }));
}
