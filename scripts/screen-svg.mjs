/**
 * Makes docs/screen.svg: runs the demo on a terminal of its own, and draws the moment when most of it is to be seen.
 * Linux only (it needs script(1)). `node scripts/screen-svg.mjs`
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const COLUMNS = 112;
const ROWS = 32;

const frames = framesOf(record());
const best = frames.toSorted((a, b) => interest(b) - interest(a))[0];
if (best === undefined) throw new Error('The demo drew nothing.');
writeFileSync(join(ROOT, 'docs/screen.svg'), draw(best));

function record() {
  const folder = mkdtempSync(join(tmpdir(), 'corral-screen-'));
  try {
    const demo = `stty cols ${COLUMNS} rows ${ROWS}; node packages/cli/src/main.ts demo --out ${join(folder, 'report')}`;
    const { status, stderr } = spawnSync('script', ['-qec', demo, join(folder, 'typescript')], { cwd: ROOT, encoding: 'utf8' });
    if (status !== 0) throw new Error(`The demo ended with ${status}. ${stderr}`);
    return readFileSync(join(folder, 'typescript'), 'utf8');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What the terminal shows after each redraw: lines of cells, each a character and how it is painted. */
function framesOf(text) {
  const frames = [];
  let lines = [];
  let [row, column, style] = [0, 0, ''];
  // oxlint-disable-next-line no-control-regex -- this is what a terminal is told
  for (const [token, parameter, command] of text.matchAll(/\u001b\[\??([\d;]*)([A-Za-z])|[^]/gu)) {
    const count = Number(parameter || 1);
    if (command === undefined) {
      if (token === '\n') row += 1;
      else if (token === '\r') column = 0;
      else if (token >= ' ') {
        lines[row] ??= [];
        lines[row][column++] = { character: token, style };
      }
    } else if (command === 'A') row = Math.max(0, row - count);
    else if (command === 'B') row += count;
    else if (command === 'G') column = count - 1;
    else if (command === 'K') lines[row] = parameter === '2' ? [] : (lines[row] ?? []).slice(0, column);
    else if (command === 'J') lines = lines.slice(0, row + 1);
    else if (command === 'm') style = { 1: 'bold', 2: 'dim', 31: 'red', 32: 'green' }[parameter] ?? '';
    else if (command === 'l' && token.includes('?2026')) frames.push(lines.map((line) => [...(line ?? [])]));
  }
  return frames.map((frame) => frame.slice(frame.findLastIndex((line) => textOf(line).startsWith(' CORRAL'))));
}

/** The crew at work, with children and with the zoo beside it, some of which has ended already. */
function interest(frame) {
  const rows = frame.map(textOf);
  const has = (pattern) => rows.filter((line) => pattern.test(line)).length;
  if (rows.length > ROWS || has(/✗/) > 0) return -1;
  if (!/crew \d/.test(rows.at(-1) ?? '')) return 0;
  // A picture of work under way says more than one of work done.
  if (has(/└/) < 3 || has(/after its limit/) < 2) return 0;
  return Math.min(has(/└/), 8) + Math.min(has(/after its limit/), 6) + Math.min(has(/failed|memory/), 6) + Math.min(has(/zoo.*active/), 3);
}

function textOf(line) {
  return Array.from(line ?? [], (cell) => cell?.character ?? ' ').join('');
}

function draw(frame) {
  const [width, height, pad] = [8, 18, 16];
  const colours = { bold: '#f0f6fc', dim: '#8b949e', red: '#ff7b72', green: '#3fb950' };
  const text = frame.map((line, row) => {
    const spans = [];
    for (const cell of Array.from(line, (one) => one ?? { character: ' ', style: '' })) {
      const last = spans.at(-1);
      if (last?.style === cell.style) last.text += cell.character;
      else spans.push({ style: cell.style, text: cell.character });
    }
    const painted = spans.map(({ style, text: part }) =>
      style === '' ? escape(part) : `<tspan fill="${colours[style]}">${escape(part)}</tspan>`,
    );
    return `  <text x="${pad}" y="${pad + (row + 0.75) * height}">${painted.join('')}</text>`;
  });
  const size = [COLUMNS * width + 2 * pad, frame.length * height + 2 * pad];
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${size[0]}" height="${size[1]}" viewBox="0 0 ${size.join(' ')}" role="img" aria-label="Corral's first screen: a crew at work beside agents that misbehave">
  <style>text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #c9d1d9; white-space: pre }</style>
  <rect width="100%" height="100%" rx="8" fill="#0d1117" stroke="#30363d"/>
${text.join('\n')}
</svg>
`;
}

function escape(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
