/** Draws a curve as SVG without a library, so that the file is the same on every machine. */

export interface Series {
  readonly name: string;
  /** A single point is drawn as a mark. */
  readonly points: readonly (readonly [number, number])[];
}
export interface Plot {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  /** The right end of the x axis, which starts at 0. The y axis goes from 0 to 1. */
  readonly x_max: number;
  readonly series: readonly Series[];
}

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [640, 420, 60, 20, 40, 50];
const COLORS = ['#1f6feb', '#d1242f', '#bf8700', '#1a7f37'];

export function plot({ title, x, y, x_max, series }: Plot): string {
  const px = (value: number) => LEFT + (Math.min(value, x_max) / x_max) * (WIDTH - LEFT - RIGHT);
  const py = (value: number) => HEIGHT - BOTTOM - value * (HEIGHT - TOP - BOTTOM);
  const n = (value: number) => Number(value.toFixed(1));
  const lines: string[] = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12" role="img" aria-label="${escape(title)}">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    `<text x="${LEFT}" y="22" font-size="14" fill="#1f2328">${escape(title)}</text>`,
  ];
  for (let i = 0; i <= 5; i++) {
    const [gx, gy] = [(x_max * i) / 5, i / 5];
    lines.push(
      `<path d="M${n(px(gx))} ${TOP}V${HEIGHT - BOTTOM}M${LEFT} ${n(py(gy))}H${WIDTH - RIGHT}" stroke="#d0d7de" stroke-width="0.5"/>`,
      `<text x="${n(px(gx))}" y="${HEIGHT - BOTTOM + 16}" text-anchor="middle" fill="#57606a">${percent(gx)}</text>`,
      `<text x="${LEFT - 8}" y="${n(py(gy) + 4)}" text-anchor="end" fill="#57606a">${percent(gy)}</text>`,
    );
  }
  lines.push(
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 12}" text-anchor="middle" fill="#1f2328">${escape(x)}</text>`,
    `<text transform="translate(16 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle" fill="#1f2328">${escape(y)}</text>`,
  );
  series.forEach(({ name, points }, i) => {
    const color = COLORS[i % COLORS.length] as string;
    if (points.length === 1) {
      const [[a, b]] = points as [readonly [number, number]];
      lines.push(`<circle cx="${n(px(a))}" cy="${n(py(b))}" r="5" fill="${color}"/>`);
    } else
      lines.push(
        `<path d="${steps(points, x_max)
          .map(([a, b], j) => `${j === 0 ? 'M' : 'L'}${n(px(a))} ${n(py(b))}`)
          .join('')}" fill="none" stroke="${color}" stroke-width="2"/>`,
      );
    const at = HEIGHT - BOTTOM - 16 - (series.length - 1 - i) * 18;
    lines.push(
      `<rect x="${WIDTH - RIGHT - 220}" y="${at - 9}" width="10" height="10" fill="${color}"/><text x="${WIDTH - RIGHT - 204}" y="${at}" fill="#1f2328">${escape(name)}</text>`,
    );
  });
  return `${lines.join('\n')}\n</svg>\n`;
}

/** The points as a step function, cut off at the right end. */
function steps(points: readonly (readonly [number, number])[], x_max: number): [number, number][] {
  const drawn: [number, number][] = [];
  let last: readonly [number, number] = [0, 0];
  for (const [a, b] of points) {
    if (a > x_max) break;
    if (a !== last[0]) drawn.push([a, last[1]]);
    drawn.push([a, b]);
    last = [a, b];
  }
  drawn.push([x_max, last[1]]);
  return drawn;
}

const percent = (value: number) => `${Number((value * 100).toFixed(1))} %`;
const escape = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
