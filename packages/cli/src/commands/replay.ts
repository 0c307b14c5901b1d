/** `corral replay RUN`: repeats a run from its journal, crank by crank, without any effect leaving. */
import type { Client } from '@corral/protocol/api/client';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { Entry, RunHeader } from '@corral/protocol/model/run';
import { isCrank, overrunStack, trialDifferenceText, type TrialDifference, type TrialStep } from '@corral/supervisor';
import { hostOrFolder, type HostFlags } from '../connect.ts';
import { evidenceOf, type Evidence, type Shown } from '../evidence.ts';
import { EXIT } from '../failure.ts';
import { authorsLines, bundlesOf, runId, withLaboratory, withReading } from '../folder.ts';
import { wholeNumber } from '../whole-number.ts';
import { cpuText, entryLines, entryTitle, fit, paint, screenWidth } from '../screen/entries.ts';
import { stackBy } from '../stack.ts';
import { inspect } from './inspect.ts';
import { entryJson, parsed, titleOf } from './journal.ts';

export interface ReplayOptions extends HostFlags {
  readonly to?: string;
  readonly inspect?: boolean | string;
}

/** The result of a replay, by a host or in this process. */
interface Done {
  readonly cranks: number;
  readonly cpu_us: number;
  readonly difference: TrialDifference | undefined;
  /** Where the agent used up its CPU time, if the run ended so. */
  readonly computed_at: string | undefined;
}

export async function replay(run: string, options: ReplayOptions): Promise<number> {
  const id = runId(run);
  const to = options.to === undefined ? undefined : wholeNumber(options.to, '--to');
  const place = await hostOrFolder(options);
  const inspecting = options.inspect !== undefined && options.inspect !== false;
  if ('client' in place) {
    if (inspecting) throw new CorralError('CORRAL_USAGE', '--inspect needs a data folder: name one with --data on which no host runs.');
    return replayedBy(place.client, id, to, options);
  }
  return withReading(place.data, async (store) => {
    const stored = await store.run(id);
    if (stored === undefined) throw new CorralError('CORRAL_RUN_UNKNOWN', `There is no run ${id} in ${place.data}.`);
    const entries = (await store.journal(id)).filter(({ seq }) => to === undefined || seq <= to);
    if (inspecting) return inspect(store, stored, entries, options.inspect === true ? undefined : options.inspect);
    return withLaboratory(async (laboratory, image) => {
      const { node, v8, icu } = await laboratory.runtime();
      const shown = new Showing({ stored, entries, authors: await authorsLines(store, stored) }, { image, node, v8, icu }, options);
      const result = await laboratory.trial({
        record: stored.record,
        entries,
        bundle: bundlesOf(store),
        onStep: (step) => shown.step(step),
      });
      const again = () => overrunStack(stored.record, entries, bundlesOf(store), (trial) => laboratory.trial(trial));
      // The replay is whole without it.
      const computed_at = result.difference === undefined ? await again().catch(() => undefined) : undefined;
      return shown.end({ ...result, computed_at });
    });
  });
}

/** Replays on a host, in a cell of its own. */
async function replayedBy(client: Client, id: RunId, to: number | undefined, options: ReplayOptions): Promise<number> {
  const { stored, entries, authors } = await evidenceOf({ client }, id);
  const { replayed, steps, difference, computed_at, ...done } = await client.replayRun({
    params: { run: id },
    body: to === undefined ? {} : { to },
  });
  const upTo = entries.filter(({ seq }) => to === undefined || seq <= to);
  const where = difference === null ? undefined : (difference as TrialDifference);
  const shown = new Showing({ stored, entries: upTo, authors }, replayed, options);
  for (const { crank, cpu_us, matched, effects } of steps)
    shown.step({ crank, cpu_us, effects: JSON.stringify(effects ?? null), difference: matched ? undefined : where });
  return shown.end({ ...done, difference: where, computed_at: computed_at ?? undefined });
}

/** Prints a replay crank by crank, with the host's entries between the cranks as in the journal. */
class Showing {
  readonly #stored: Shown;
  readonly #entries: readonly Entry[];
  readonly #authors: Evidence['authors'];
  readonly #next: Iterator<Entry>;
  readonly #now: Omit<RunHeader, 'seed'>;
  readonly #steps = new Map<number, TrialStep>();
  readonly #live: boolean;

  constructor({ stored, entries, authors }: Evidence, now: Omit<RunHeader, 'seed'>, { json }: ReplayOptions) {
    this.#stored = stored;
    this.#entries = entries;
    this.#authors = authors;
    this.#next = entries[Symbol.iterator]();
    this.#now = now;
    this.#live = json !== true;
    if (!this.#live) return;
    const { header } = stored.record;
    const { node, image } = now;
    const same = node === header.node && image === header.image;
    const where = same
      ? `on Node ${node}, as recorded`
      : `on Node ${node}, image ${short(image)}; recorded on Node ${header.node}, image ${short(header.image)}`;
    process.stdout.write(`${titleOf(stored)}\n${paint('dim', `replayed ${where}; nothing leaves`)}\n${entryTitle(true)}\n`);
  }

  step(step: TrialStep): void {
    this.#steps.set(step.crank, step);
    this.#show(step.crank);
  }

  /** @returns the exit code */
  end({ cranks, cpu_us, difference, computed_at }: Done): number {
    const { record } = this.#stored;
    const place = computed_at === undefined ? undefined : stackBy(this.#authors, computed_at);
    if (!this.#live) {
      const shown = this.#entries
        .filter(({ seq }) => difference === undefined || seq <= difference.crank)
        .map((entry) => ({ ...entryJson(entry), replayed: stepJson(entry, this.#steps.get(entry.seq)) }));
      process.stdout.write(
        `${JSON.stringify({ run: record.id, agent: record.agent, version: this.#stored.version, recorded: record.header, replayed: this.#now, matches: difference === undefined, difference, computed_at: place, cranks: shown }, null, 2)}\n`,
      );
    } else if (difference === undefined) {
      this.#show(Number.POSITIVE_INFINITY);
      process.stdout.write(`${paint('green', '✓')} ${count(cranks)} replayed the same, in ${cpuText(cpu_us)} of CPU\n`);
      if (place !== undefined) process.stdout.write(`${computedLines(place).join('\n')}\n`);
    } else process.stdout.write(`${differenceLines(difference).join('\n')}\n`);
    return difference === undefined ? EXIT.ok : EXIT.outcome;
  }

  #show(until: number): void {
    if (!this.#live) return;
    const began = this.#entries[0]?.at ?? 0;
    for (let next = this.#next.next(); next.done !== true; next = this.#next.next()) {
      const entry = next.value;
      const step = this.#steps.get(entry.seq);
      const again = step === undefined ? null : { cpu_us: step.cpu_us, matched: step.difference === undefined };
      process.stdout.write(`${entryLines(entry, began, again, this.#authors).join('\n')}\n`);
      if (entry.seq >= until) return;
    }
  }
}

export const count = (cranks: number): string => `${cranks} ${cranks === 1 ? 'crank' : 'cranks'}`;
export const short = (digest: string): string => `${digest.slice(0, 15)}…`;

/** Where a replay differed from its journal, with a likely cause if one is known. */
function differenceLines(difference: TrialDifference): string[] {
  const width = screenWidth();
  const { crank, kind, expected, seen } = difference;
  const what =
    kind === 'fault'
      ? 'did not return'
      : `effect ${difference.index + 1} is ${{ different: 'another', missing: 'missing', extra: 'one too many' }[kind]}`;
  const lines = [`${paint('red', '✗')} crank ${paint('bold', String(crank))}: ${what}`];
  lines.push(`  ${paint('green', 'recorded')}  ${fit(expected, width - 12)}`, `  ${paint('red', 'replayed')}  ${fit(seen, width - 12)}`);
  lines.push(paint('dim', '  possible causes: “When a replay differs” in docs/time-travel.md'));
  return lines;
}

/** The lines of the author's files where the crank that ended the run computed. */
const computedLines = (place: string): string[] => [
  'the crank that ended the run was made again, and computed here when its CPU time was used up:',
  ...place.split('\n').map((line) => `  ${fit(line.trim(), screenWidth() - 2)}`),
];

/** The same on one line. */
export function differenceLine(difference: TrialDifference): string {
  const { crank, index, kind, expected, seen } = difference;
  const change = kind === 'different' ? changeOf(parsed(expected), parsed(seen), '') : undefined;
  if (change !== undefined) return `crank ${crank}, effect ${index + 1}: ${change}`;
  return trialDifferenceText(difference);
}

/** The first member in which two effects differ: `timer.ms: 50 became 60`. */
function changeOf(before: unknown, after: unknown, path: string): string | undefined {
  if (!isObject(before) || !isObject(after)) {
    if (typeof before === 'string' && path === '') return undefined;
    return before === after ? undefined : `${path}: ${JSON.stringify(before) ?? 'nothing'} became ${JSON.stringify(after) ?? 'nothing'}`;
  }
  const root = path === '' && typeof before['kind'] === 'string' && before['kind'] === after['kind'] ? before['kind'] : path;
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const change = changeOf(before[name], after[name], root === '' ? name : `${root}.${name}`);
    if (change !== undefined) return change;
  }
  return undefined;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

function stepJson(entry: Entry, step: TrialStep | undefined): unknown {
  if (!isCrank(entry) || step === undefined) return undefined;
  const { cpu_us, difference, effects } = step;
  return difference === undefined ? { matched: true, cpu_us } : { matched: false, cpu_us, effects: parsed(effects) };
}
