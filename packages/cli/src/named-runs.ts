/**
 * Short names of runs on a command line: the beginning of an id, with or without `run_`, and `@last`. They become whole ids before
 * a command begins, so that no command has to know about them.
 */
import type { Command } from 'commander';
import type { Client } from '@corral/protocol/api/client';
import { CorralError } from '@corral/protocol/errors';
import { RunId } from '@corral/protocol/ids';
import type { SqliteStore } from '@corral/store/sqlite';
import { allIds } from './folder-runs.ts';
import { withReading } from './folder.ts';
import { connect, hostOrFolder, type HostFlags } from './connect.ts';
import { runsOf } from './run-pages.ts';

const LAST = '@last';
/** Name of the arguments that take a run or an agent. */
const RUN_OR_AGENT = 'of';
/** The beginning of an id. Two characters are too few to tell runs apart, and may be a typing error. */
const SHORT = /^(?:run_)?([0-9a-hjkmnp-tv-z]{3,12})$/;
/** Runs that one request or read looks at. */
const PAGE = 200;
/** Ids that the message about an ambiguous name lists. */
const LISTED = 4;

/**
 * Makes whole ids of the short names in the arguments of a command, and in its option `--run`.
 * @param names of the arguments that name a run
 */
export async function nameRuns(command: Command, names: readonly string[]): Promise<void> {
  const flags = command.optsWithGlobals<HostFlags & { readonly run?: string }>();
  const { registeredArguments, processedArgs } = command;
  for (const [i, argument] of registeredArguments.entries()) {
    const text: unknown = processedArgs[i];
    if (!names.includes(argument.name()) || (argument.name() === RUN_OR_AGENT && (await isAgent(text, flags)))) continue;
    processedArgs[i] = await wholeId(text, flags);
  }
  if (flags.run !== undefined) command.setOptionValue('run', await wholeId(flags.run, flags));
}

/** Whether a name that could also be the beginning of an id is that of an agent. */
async function isAgent(text: unknown, flags: HostFlags): Promise<boolean> {
  if (typeof text !== 'string' || /^(?:run_|@)/.test(text)) return false;
  if (!SHORT.test(text)) return true;
  const { items } = await connect(flags).listAgents({ query: { q: text, limit: PAGE } });
  return items.some(({ agent }) => agent === text);
}

/**
 * @returns the text as it is if it has not the form of a short name
 * @throws CORRAL_RUN_UNKNOWN, CORRAL_USAGE if several runs have this name
 */
async function wholeId(text: unknown, flags: HostFlags): Promise<unknown> {
  if (typeof text !== 'string' || RunId.safeParse(text).success) return text;
  if (text.startsWith('@') && text !== LAST)
    throw new CorralError('CORRAL_USAGE', `${text.slice(0, 60)} names no run; ${LAST} is the one that you submitted last.`);
  const [, begins] = SHORT.exec(text) ?? [];
  if (text !== LAST && begins === undefined) return text;
  const place = await hostOrFolder(flags);
  if (begins === undefined) return 'client' in place ? lastAt(place.client) : withReading(place.data, lastOf);
  const id = `run_${begins}`;
  return oneOf(
    id,
    'client' in place ? await beginningAt(place.client, id) : await withReading(place.data, (store) => beginningIn(store, id)),
  );
}

function oneOf(begins: string, [first, ...others]: readonly RunId[]): RunId {
  if (first === undefined) throw new CorralError('CORRAL_RUN_UNKNOWN', `There is no run whose id begins with ${begins}.`);
  if (others.length === 0) return first;
  const listed = [first, ...others].slice(0, LISTED).join(', ');
  const more = others.length >= LISTED ? ' and more' : '';
  throw new CorralError('CORRAL_USAGE', `Several runs have an id that begins with ${begins}: ${listed}${more}.`);
}

/** Enough of the runs whose ids begin with the text to see whether there is one. */
async function beginningAt(client: Client, begins: string): Promise<RunId[]> {
  const found: RunId[] = [];
  for await (const { run } of runsOf(client, { q: begins, limit: PAGE })) {
    if (run.startsWith(begins)) found.push(run);
    if (found.length > LISTED) break;
  }
  return found;
}

/** The newest run that the caller submitted: on a host of many people, the newest of all may be somebody else's. */
async function lastAt(client: Client): Promise<RunId> {
  const { principal } = await client.whoAmI({});
  for await (const one of runsOf(client, { q: principal.slice(0, 100), limit: PAGE })) if (one.principal === principal) return one.run;
  throw new CorralError('CORRAL_RUN_UNKNOWN', `${LAST} is the run that you submitted last, and ${principal} submitted none here.`);
}

const beginningIn = async (store: SqliteStore, begins: string): Promise<RunId[]> =>
  (await allIds(store)).filter((run) => run.startsWith(begins));

/** The newest run of a folder without a parent. */
async function lastOf(store: SqliteStore): Promise<RunId> {
  const ids = await allIds(store);
  for (let end = ids.length; end > 0; end -= PAGE) {
    const runs = await store.runs({ among: ids.slice(Math.max(0, end - PAGE), end) });
    const newest = runs.findLast(({ record }) => record.parent === undefined);
    if (newest !== undefined) return newest.record.id;
  }
  throw new CorralError('CORRAL_RUN_UNKNOWN', `${LAST} is the newest run of this folder, and it has none.`);
}
