/** `corral replay RUN`: does a run again from its journal, crank by crank, with no effect leaving. */
import { differenceText } from '@corral/protocol/difference';
import { CorralError } from '@corral/protocol/errors';
import type { Entry } from '@corral/protocol/run';
import { isCrank, type TrialDifference, type TrialStep } from '@corral/supervisor';
import { EXIT } from '../failure.ts';
import { bundlesOf, runId, wholeNumber, withLaboratory, withReading } from '../folder.ts';
import { cpuText, entryLines, entryTitle, fit, paint, screenWidth } from '../screen/entries.ts';
import { inspect } from './inspect.ts';
import { entryJson, parsed, titleOf } from './journal.ts';

export interface ReplayOptions {
  readonly data: string;
  readonly to?: string;
  readonly inspect?: boolean | string;
  readonly json?: boolean;
}

export async function replay(run: string, options: ReplayOptions): Promise<number> {
  const id = runId(run);
  const to = options.to === undefined ? undefined : wholeNumber(options.to, '--to');
  return withReading(options.data, async (store) => {
    const stored = await store.run(id);
    if (stored === undefined) throw new CorralError('CORRAL_RUN_UNKNOWN', `There is no run ${id} in ${options.data}.`);
    const entries = (await store.journal(id)).filter(({ seq }) => to === undefined || seq <= to);
    if (options.inspect !== undefined && options.inspect !== false)
      return inspect(store, stored, entries, options.inspect === true ? undefined : options.inspect);
    return withLaboratory(async (laboratory, image) => {
      const { node, v8, icu } = await laboratory.runtime();
      const steps = new Map<number, TrialStep>();
      const began = entries[0]?.at ?? 0;
      const { record } = stored;
      const live = options.json !== true;
      const now = { image, node, v8, icu };
      if (live) {
        const same = node === record.header.node && image === record.header.image;
        const where = same
          ? `on Node ${node}, as recorded`
          : `on Node ${node}, image ${short(image)}; recorded on Node ${record.header.node}, image ${short(record.header.image)}`;
        process.stdout.write(`${titleOf(stored)}\n${paint('dim', `replayed ${where}; nothing leaves`)}\n${entryTitle(true)}\n`);
      }
      // Lines are printed as they come; entries of the host stand between the cranks where they stood.
      const shown = entries[Symbol.iterator]();
      const show = (until: number) => {
        for (let next = shown.next(); next.done !== true; next = shown.next()) {
          const entry = next.value;
          const step = steps.get(entry.seq);
          if (live)
            process.stdout.write(
              `${entryLines(entry, began, step === undefined ? null : { cpu_us: step.cpu_us, matched: step.difference === undefined }).join('\n')}\n`,
            );
          if (entry.seq >= until) return;
        }
      };
      const result = await laboratory.trial({
        record,
        entries,
        bundle: bundlesOf(store),
        onStep: (step) => {
          steps.set(step.crank, step);
          show(step.crank);
        },
      });
      const { difference } = result;
      if (!live) {
        const cranks = entries
          .filter(({ seq }) => difference === undefined || seq <= difference.crank)
          .map((entry) => ({ ...entryJson(entry), replayed: stepJson(entry, steps.get(entry.seq)) }));
        process.stdout.write(
          `${JSON.stringify({ run: id, agent: record.agent, version: record.version, recorded: record.header, replayed: now, matches: difference === undefined, difference, cranks }, null, 2)}\n`,
        );
      } else if (difference === undefined) {
        show(Number.POSITIVE_INFINITY);
        process.stdout.write(`${paint('green', '✓')} ${count(result.cranks)} replayed the same, in ${cpuText(result.cpu_us)} of CPU\n`);
      } else {
        process.stdout.write(`${differenceLines(difference).join('\n')}\n`);
      }
      return difference === undefined ? EXIT.ok : EXIT.outcome;
    });
  });
}

export const count = (cranks: number): string => `${cranks} ${cranks === 1 ? 'crank' : 'cranks'}`;
export const short = (digest: string): string => `${digest.slice(0, 15)}…`;

/** Where a replay parted from its journal, and a likely reason where there is one. */
function differenceLines(difference: TrialDifference): string[] {
  const width = screenWidth();
  const { crank, kind, expected, seen } = difference;
  const what =
    kind === 'fault'
      ? 'did not come back'
      : `effect ${difference.index + 1} is ${{ different: 'another', missing: 'missing', extra: 'one too many' }[kind]}`;
  const lines = [`${paint('red', '✗')} crank ${paint('bold', String(crank))}: ${what}`];
  lines.push(`  ${paint('green', 'recorded')}  ${fit(expected, width - 12)}`, `  ${paint('red', 'replayed')}  ${fit(seen, width - 12)}`);
  lines.push(paint('dim', '  why that can be: “When a replay differs” in docs/time-travel.md'));
  return lines;
}

/** The same on one line. */
export function differenceLine({ crank, kind, seen, ...rest }: TrialDifference): string {
  const change = kind === 'different' ? changeOf(parsed(rest.expected), parsed(seen), '') : undefined;
  if (change !== undefined) return `crank ${crank}, effect ${rest.index + 1}: ${change}`;
  return kind === 'fault' ? `crank ${crank} did not come back: ${seen}` : `crank ${crank}: ${differenceText({ ...rest, kind, seen })}`;
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
