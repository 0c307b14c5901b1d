/** The scoreboard for people: a table on the terminal, a table and a picture for the README. */
import { BOUNDS, JUDGED } from './judge.ts';
import type { Board, Row } from './board.ts';

/** The note on a table and a picture that were made with --lenient. */
const BUSY = 'the machine was busy, so times and memory were not judged, and show no bound that holds or does not';

const number = (value: number | null) => (value === null ? '–' : String(Math.round(value)));
const HEAD = ['guest', 'outcome', 'late', 'answer', 'gap other', 'gap own', 'block', 'kill', 'pause', 'host', 'cell'] as const;

const cells = ({ name, outcome, figures: f }: Row): string[] => [
  name,
  outcome,
  number(f.late_ms),
  number(f.answer_ms),
  number(f.gap_other_ms),
  number(f.gap_own_ms),
  number(f.block_ms),
  number(f.kill_ms),
  number(f.pause_ms),
  number(f.host_mib),
  number(f.cell_mib),
];

/** The machine, its load and the floor, a line each. */
function circumstances(board: Board): string[] {
  const { commit, machine, passes, seed, load, floor, gap_p99_ms } = board;
  const round = (value: number) => Math.round(value * 10) / 10;
  const one = (which: 'before' | 'after') => {
    const of = floor[which];
    return `${which}: gap ${round(of.gap_other_ms)} (p99 ${round(of.gap_p99_ms)}), block ${round(of.block_ms)}, ${round(of.overhead_ms)} from admission to the answer beside its CPU time`;
  };
  return [
    `commit ${commit}`,
    `${machine.cores} cores, ${machine.cpu}, ${machine.memory_gib} GiB, Node ${machine.node}; ${passes} ${passes === 1 ? 'pass' : 'passes'}, seed ${seed}`,
    `load of the machine: ${round(load.before)} before, ${round(load.median)} in the median, ${round(load.after)} after${board.lenient ? `; ${BUSY}` : ''}`,
    `floor, in ms, beside an honest guest: ${one('before')}; ${one('after')}`,
    `p99 of the gap over all guests, in ms: ${round(gap_p99_ms.other)} in the other tenant, ${round(gap_p99_ms.own)} in its own; at most ${BOUNDS.gap_p99_ms}`,
  ];
}

export function table(board: Board): string {
  const rows = [[...HEAD] as string[], ...board.rows.map(cells)];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  const line = (row: readonly string[]) =>
    row.map((text, i) => (i < 2 ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0))).join('  ');
  const failed = board.rows.filter((row) => row.faults.length > 0);
  return [
    ...rows.map(line),
    '',
    ...circumstances(board),
    '',
    `${board.held} of ${board.rows.length} held.`,
    ...failed.map(({ name, faults, alone }) => {
      const again = alone === undefined ? '' : alone.length === 0 ? ' (held alone on a fresh host)' : ` (alone: ${alone.join('; ')})`;
      return `  ${name}: ${faults.join('; ')}${again}`;
    }),
  ].join('\n');
}

/** The generated part of test/hostile/README.md. */
export function markdown(board: Board): string {
  const cut = (text: string) => text.replaceAll('|', '\\|').replaceAll('<', '\\<');
  const rows = board.rows.map((row) => {
    const [name, , ...figures] = cells(row);
    const held = row.faults.length === 0 ? 'held' : cut(row.faults.join('; '));
    return `| \`${name}\` | ${cut(row.does)} | \`${row.expected}\` | ${figures.join(' | ')} | ${held} |`;
  });
  return [
    ...circumstances(board).map((text) => `- ${text}`),
    `- ${board.held} of ${board.rows.length} guests held`,
    '',
    '![Longest gaps of the neighbours and longest blocks of the loop, by guest](scoreboard.svg)',
    '',
    `| guest | what it does | ends as | ${HEAD.slice(2).join(' | ')} | |`,
    `|---|---|---|${'--:|'.repeat(HEAD.length - 2)}---|`,
    ...rows,
  ].join('\n');
}

const ROW = 14;
const LEFT = 210;
const WIDTH = 560;
const TOP = 46;
const MOST_MS = 10_000;
const SERIES = [
  ['gap_other_ms', 'gap in another tenant', '#1f6feb'],
  ['gap_own_ms', 'gap in its own tenant', '#8250df'],
  ['block_ms', 'block of the loop', '#bf3989'],
  ['late_ms', 'past its limit', '#9a6700'],
] as const;

/** Milliseconds on a logarithmic scale, from 1 to MOST_MS. */
const x = (ms: number) => LEFT + (WIDTH * Math.log10(Math.min(MOST_MS, Math.max(1, ms)))) / Math.log10(MOST_MS);

export function picture(board: Board): string {
  const height = TOP + board.rows.length * ROW + 20;
  const text = (at: number, y: number, said: string, more = '') => `<text x="${at}" y="${y}" ${more}>${said}</text>`;
  const ticks = [1, 10, 50, 100, 250, 1000, MOST_MS].map(
    (ms) =>
      `<line x1="${x(ms)}" x2="${x(ms)}" y1="${TOP - 6}" y2="${height - 16}" stroke="${ms === JUDGED.gap_other_ms || ms === JUDGED.block_ms || ms === JUDGED.late_ms ? '#cf222e' : '#d0d7de'}" stroke-dasharray="${ms === 1 ? 'none' : '2 3'}"/>${text(x(ms), height - 4, `${ms} ms`, 'text-anchor="middle"')}`,
  );
  const legend = SERIES.map(
    ([, name, colour], i) => `<circle cx="${LEFT + i * 150}" cy="18" r="4" fill="${colour}"/>${text(LEFT + 8 + i * 150, 22, name)}`,
  );
  const rows = board.rows.map((row, i) => {
    const y = TOP + i * ROW;
    const dots = SERIES.map(([measure, , colour]) => {
      const value = row.figures[measure];
      return value === null ? '' : `<circle cx="${x(value).toFixed(1)}" cy="${y}" r="3" fill="${colour}" fill-opacity="0.8"/>`;
    });
    return `${text(LEFT - 10, y + 4, row.name, `text-anchor="end"${row.faults.length > 0 ? ' fill="#cf222e"' : ''}`)}${dots.join('')}`;
  });
  if (board.lenient) legend.push(text(LEFT - 10, 36, `${BUSY}.`));
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${LEFT + WIDTH + 40}" height="${height}" font-family="sans-serif" font-size="11">
<rect width="100%" height="100%" fill="#ffffff"/>
${[...legend, ...ticks, ...rows].join('\n')}
</svg>
`;
}
