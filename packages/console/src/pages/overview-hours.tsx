/** Hours side by side: how many runs were admitted in each, and how many ended badly. */
import { count } from '../format.ts';

interface Hour {
  readonly at: number;
  readonly all: number;
  readonly bad: number;
}

const WIDTH = 20;
const GAP = 4;
const HEIGHT = 80;
const hour = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });

/** `yesterday 14:00`, or `14:00` of today. */
const dayText = (at: number): string => (new Date(at).getDate() === new Date().getDate() ? '' : 'yesterday ') + hour.format(at);

/** Any hour with something in it has a bar that can be seen. */
const heightOf = (n: number, most: number): number => (n === 0 ? 0 : Math.max(2, (n / most) * HEIGHT));

export function Hours({ of }: { readonly of: readonly Hour[] }) {
  const most = Math.max(1, ...of.flatMap(({ all, bad }) => [all, bad]));
  const busiest = of.reduce((best, one) => (one.all > best.all ? one : best), of[0] ?? { at: 0, all: 0, bad: 0 });
  const said =
    busiest.all === 0
      ? 'No run was admitted within a day.'
      : `Runs admitted and ended badly, hour by hour. Most were admitted from ${hour.format(busiest.at)} on: ${count(busiest.all)}.`;
  return (
    <figure class="hours">
      <svg viewBox={`0 0 ${of.length * (WIDTH + GAP)} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={said}>
        {of.map(({ at, all, bad }, index) => (
          <g key={at}>
            <title>{`${hour.format(at)}: ${count(all)} admitted, ${count(bad)} ended badly`}</title>
            <Bar x={index * (WIDTH + GAP)} width={WIDTH / 2} height={heightOf(all, most)} kind="all" />
            <Bar x={index * (WIDTH + GAP) + WIDTH / 2} width={WIDTH / 2} height={heightOf(bad, most)} kind="bad" />
          </g>
        ))}
      </svg>
      <figcaption class="dim">
        {dayText(of[0]?.at ?? 0)} to now, by the hour: <span class="key all">admitted</span> <span class="key bad">ended badly</span>
      </figcaption>
    </figure>
  );
}

interface BarProps {
  readonly x: number;
  readonly width: number;
  readonly height: number;
  readonly kind: 'all' | 'bad';
}

const Bar = ({ x, width, height, kind }: BarProps) => <rect class={kind} x={x} y={HEIGHT - height} width={width} height={height} />;
