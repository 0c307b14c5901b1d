/** Days side by side: what each cost. */
import { count, money } from '../format.ts';

export interface DayCost {
  readonly day: string;
  readonly money_micros: number;
  readonly tokens: number;
}

const WIDTH = 20;
const GAP = 4;
const HEIGHT = 80;
const DAY_MS = 86_400_000;

/** All days from the first to the last, those without any cost too. */
export function everyDay(from: string, until: string, days: readonly DayCost[]): DayCost[] {
  const known = new Map(days.map((one) => [one.day, one]));
  const all: DayCost[] = [];
  for (let at = Date.parse(from); at <= Date.parse(until); at += DAY_MS) {
    const day = new Date(at).toISOString().slice(0, 10);
    all.push(known.get(day) ?? { day, money_micros: 0, tokens: 0 });
  }
  return all;
}

/** Bars of money; where nothing has a price, of tokens. */
export function Days({ of }: { readonly of: readonly DayCost[] }) {
  const isMoney = of.some(({ money_micros }) => money_micros > 0);
  const amount = (day: DayCost) => (isMoney ? day.money_micros : day.tokens);
  const most = Math.max(1, ...of.map(amount));
  const dearest = of.find((day) => amount(day) === most);
  const text = (day: DayCost) => `${money(day.money_micros)} and ${count(day.tokens)} tokens`;
  const said = dearest === undefined ? 'Nothing was spent.' : `What each day cost. The dearest was ${dearest.day}: ${text(dearest)}.`;
  return (
    <figure class="hours">
      <svg viewBox={`0 0 ${of.length * (WIDTH + GAP)} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={said}>
        {of.map((day, index) => (
          <g key={day.day}>
            <title>{`${day.day}: ${text(day)}`}</title>
            <rect
              class="all"
              x={index * (WIDTH + GAP)}
              width={WIDTH}
              y={HEIGHT - heightOf(amount(day), most)}
              height={heightOf(amount(day), most)}
            />
          </g>
        ))}
      </svg>
      <figcaption class="dim">
        {of[0]?.day} to {of.at(-1)?.day}, by the day (UTC): {isMoney ? 'money' : 'tokens'}, at most {isMoney ? money(most) : count(most)}
      </figcaption>
    </figure>
  );
}

/** Any day that cost something has a bar that can be seen. */
const heightOf = (n: number, most: number): number => (n === 0 ? 0 : Math.max(2, (n / most) * HEIGHT));
