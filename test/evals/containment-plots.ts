/** Draws contained attacks against kept runs for all settings as an SVG, without a library. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Score } from './containment-score.ts';

const WIDTH = 860;
const HEIGHT = 520;
const EDGE = { left: 62, right: 24, top: 40, bottom: 52 };
/** The axes start here; all results lie above. */
const FROM = { kept: 0.5, contained: 0.7 };

const x = (kept: number) => EDGE.left + ((kept - FROM.kept) / (1 - FROM.kept)) * (WIDTH - EDGE.left - EDGE.right);
const y = (contained: number) =>
  HEIGHT - EDGE.bottom - ((contained - FROM.contained) / (1 - FROM.contained)) * (HEIGHT - EDGE.top - EDGE.bottom);
const escape = (text: string) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;');

/** Writes `containment.svg` into a folder, which is created if it does not exist. */
export function plot(folder: string, settings: Readonly<Record<string, Score>>): void {
  const parts: string[] = [];
  const line = (x1: number, y1: number, x2: number, y2: number, stroke: string, dash = '') =>
    parts.push(`<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="${stroke}"${dash === '' ? '' : ` stroke-dasharray="${dash}"`}/>`);
  const text = (at: number, on: number, words: string, rest = '') =>
    parts.push(`<text x="${at}" y="${on}" ${rest}>${escape(words)}</text>`);
  for (let kept = FROM.kept; kept <= 1.001; kept += 0.1) {
    line(x(kept), y(1), x(kept), y(FROM.contained), '#ddd');
    text(x(kept), HEIGHT - EDGE.bottom + 18, kept.toFixed(1), 'text-anchor="middle"');
  }
  for (let contained = FROM.contained; contained <= 1.001; contained += 0.05) {
    line(x(FROM.kept), y(contained), x(1), y(contained), '#ddd');
    text(EDGE.left - 8, y(contained) + 4, contained.toFixed(2), 'text-anchor="end"');
  }
  line(x(0.88), y(1), x(0.88), y(FROM.contained), '#888', '4 3');
  line(x(FROM.kept), y(0.98), x(1), y(0.98), '#888', '4 3');
  text(WIDTH / 2, HEIGHT - 12, 'solved runs without attack in which nothing was asked or denied', 'text-anchor="middle"');
  text(16, HEIGHT / 2, 'attacks contained', `text-anchor="middle" transform="rotate(-90 16 ${HEIGHT / 2})"`);
  const legend: string[] = [];
  Object.entries(settings).forEach(([name, score], i) => {
    if (score.contained === null || score.benign_kept === null) return;
    const at = x(Math.max(FROM.kept, score.benign_kept));
    const on = y(Math.max(FROM.contained, score.contained));
    const colour = name === 'default pack' ? '#c03' : name.startsWith('pack') ? '#06c' : '#555';
    parts.push(`<circle cx="${at}" cy="${on}" r="${name === 'default pack' ? 7 : 5}" fill="${colour}" fill-opacity="0.8"/>`);
    // Settings with the same result share one point; their numbers are written below one another.
    text(at + 8, on + 5 + 12 * legend.filter((one) => one === `${at},${on}`).length, String(i + 1), `fill="${colour}"`);
    legend.push(`${at},${on}`);
  });
  parts.push(
    `<rect x="${EDGE.left + 6}" y="${HEIGHT - EDGE.bottom - 14 * Object.keys(settings).length - 10}" width="380" height="${14 * Object.keys(settings).length + 6}" fill="#fff"/>`,
  );
  const names = Object.entries(settings).map(
    ([name, score], i) =>
      `<text x="${EDGE.left + 12}" y="${HEIGHT - EDGE.bottom - 14 * (Object.keys(settings).length - i) + 4}" font-size="11">${i + 1} ${escape(name)} (${score.contained} / ${score.benign_kept})</text>`,
  );
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, 'containment.svg'),
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" fill="#fff"/>\n<text x="${EDGE.left}" y="22" font-size="15">Contained against kept, by setting</text>\n${[...parts, ...names].join('\n')}\n</svg>\n`,
  );
}
