/** `corral diff RUN RUN`: the first crank at which two runs differ, both sides next to each other. */
import { firstDifferenceOf, type Difference } from '@corral/protocol/wire/difference';
import type { RunId } from '@corral/protocol/ids';
import { canonical } from '@corral/protocol/json';
import { outcomeText } from '@corral/protocol/model/outcome-text';
import type { Delivery } from '@corral/protocol/wire/delivery';
import { isCrank, type Segment } from '@corral/supervisor';
import { printableJson } from '@corral/protocol/printable';
import { hostOrFolder, type HostFlags } from '../connect.ts';
import { evidenceOf, type Shown } from '../evidence.ts';
import { EXIT } from '../failure.ts';
import { runId } from '../ids.ts';
import { column, deliveryText, effectLines, fit, paint, screenWidth } from '../screen/entries.ts';
import { entryJson, titleOf } from './journal.ts';

type Crank = Segment['cranks'][number];

interface Parting {
  /** How many cranks are the same. */
  readonly common: number;
  readonly left: Crank | undefined;
  readonly right: Crank | undefined;
  /** Where they first differ: in the delivery, or in the effects. */
  readonly where: 'delivery' | 'effects' | 'end';
  readonly difference: Difference | undefined;
}

export async function diff(left: string, right: string, flags: HostFlags): Promise<number> {
  const { json } = flags;
  const ids = [runId(left), runId(right)] as const;
  const place = await hostOrFolder(flags);
  const sideOfRun = async (id: RunId) => {
    const { stored, entries } = await evidenceOf(place, id);
    return { stored, cranks: entries.filter(isCrank) };
  };
  const a = await sideOfRun(ids[0]);
  const b = await sideOfRun(ids[1]);
  const parting = partingOf(a.cranks, b.cranks);
  const ends = [a, b].map(({ stored }) => ends_(stored));
  const same = parting === undefined && ends[0] === ends[1];
  if (json === true) {
    const side = (crank: Crank | undefined) => (crank === undefined ? null : entryJson(crank));
    const at = parting && {
      common: parting.common,
      where: parting.where,
      difference: parting.difference,
      left: side(parting.left),
      right: side(parting.right),
    };
    process.stdout.write(`${printableJson({ left: ids[0], right: ids[1], same, ends, ...at }, 2)}\n`);
    return same ? EXIT.ok : EXIT.outcome;
  }
  const lines = [
    `${paint('red', '<')} ${titleOf(a.stored)}`,
    `${paint('green', '>')} ${titleOf(b.stored)}`,
    ...headDifferences(a.stored, b.stored),
  ];
  if (parting === undefined) {
    const cranks = `all ${a.cranks.length} cranks are the same`;
    lines.push(same ? `${paint('green', '✓')} ${cranks}, and so is the end` : `${cranks}, but not the end: ${ends.join(' and ')}`);
  } else lines.push(...sideBySide(parting));
  process.stdout.write(`${lines.join('\n')}\n`);
  return same ? EXIT.ok : EXIT.outcome;
}

function partingOf(left: readonly Crank[], right: readonly Crank[]): Parting | undefined {
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const a = left[i];
    const b = right[i];
    if (a === undefined || b === undefined) return { common: i, left: a, right: b, where: 'end', difference: undefined };
    if (givenOf(a.delivery) !== givenOf(b.delivery)) return { common: i, left: a, right: b, where: 'delivery', difference: undefined };
    const difference = firstDifferenceOf(a.effects, b.effects);
    if (difference !== undefined) return { common: i, left: a, right: b, where: 'effects', difference };
  }
  return undefined;
}

/** A delivery without what differs between any two runs: its time, and ids of runs. */
function givenOf(text: string): string {
  const delivery = JSON.parse(text) as Delivery;
  const given = { ...delivery, at: undefined, run: undefined, spent: undefined };
  return canonical(delivery.kind === 'message' ? { ...given, from: delivery.from.agent } : given);
}

const ends_ = ({ status }: Shown): string => (status.outcome === undefined ? status.lifecycle : outcomeText(status.outcome));

/** Differences between the starting points of two runs. */
function headDifferences(left: Shown, right: Shown): string[] {
  const [a, b] = [left.record, right.record];
  const lines: string[] = [];
  const note = (what: string, one: string, other: string) => {
    if (one !== other) lines.push(paint('dim', `  ${what}: ${fit(one, 60)} and ${fit(other, 60)}`));
  };
  note('agent', a.agent, b.agent);
  note('version', left.version, right.version);
  note('input', canonical(a.input), canonical(b.input));
  note('node', a.header.node, b.header.node);
  if (a.header.seed !== b.header.seed) lines.push(paint('dim', '  their random seeds differ'));
  return lines;
}

function sideBySide({ common, left, right, where, difference }: Parting): string[] {
  const half = Math.max(20, Math.floor((screenWidth() - 3) / 2));
  const what = {
    delivery: 'they were given different things',
    effects: `they asked for different things, first in effect ${(difference?.index ?? 0) + 1}`,
    end: 'one of them goes on',
  }[where];
  const same =
    common === 0
      ? 'they differ from the first crank on: '
      : `the first ${common === 1 ? 'crank is' : `${common} cranks are`} the same; then `;
  const lines = [same + what];
  const sides = [sideOf(left), sideOf(right)] as const;
  for (let i = 0; i < Math.max(sides[0].length, sides[1].length); i++) {
    const [a = '', b = ''] = [sides[0][i], sides[1][i]];
    const mark =
      i === 0 ? where === 'delivery' : i > (difference?.index ?? (where === 'effects' ? 0 : Number.POSITIVE_INFINITY)) && a !== b;
    const [l, r] = [column(a, half), column(b, half)];
    lines.push(`${mark ? paint('red', l) : l} ${paint('dim', '│')} ${mark ? paint('green', r) : r}`.trimEnd());
  }
  return lines;
}

function sideOf(crank: Crank | undefined): string[] {
  if (crank === undefined) return ['no more cranks'];
  return [`${crank.seq}  ${deliveryText(crank.delivery)}`, ...effectLines(crank.effects, crank.decisions).map(({ text }) => `→ ${text}`)];
}
