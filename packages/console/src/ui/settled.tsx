/**
 * What a person has decided about in a list of what waits. Each stays in its place, as high as it was and where it is on the screen, so that nothing
 * comes under the finger that decided. A card that has left the screen upwards shrinks to a line.
 */
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { Text } from './text.tsx';

interface Call {
  readonly run: string;
  readonly call: number;
  readonly since: number;
}

interface Settled {
  readonly id: string;
  /** Since when it waited: a call may ask once more, which is another thing to decide. */
  readonly since: number;
  /** What the list was asked for. */
  readonly asked: string;
  /** Its place among all that is shown. */
  readonly place: number;
  /** The height of its card, the card's place on the screen, and how far the page was scrolled. Pixels, at the decision. */
  readonly height: number | undefined;
  readonly top: number;
  readonly scrolled: number;
  readonly text: string;
  readonly to: string | undefined;
}

export type Row<T> = { readonly item: T } | { readonly settled: Settled; readonly isLast: boolean };

export const idOf = ({ run, call }: Omit<Call, 'since'>): string => `${run}-${call}`;

/** @param found what waits, as it was read last @param asked what the list was asked for: with another filter, nothing is kept */
export function useSettled<T extends Call>(found: readonly T[], asked: string) {
  const [all, setAll] = useState<readonly Settled[]>([]);
  const isAgain = (one: Settled) => found.some((other) => idOf(other) === one.id && other.since !== one.since);
  const own = all.filter((one) => one.asked === asked && !isAgain(one));
  const gone = new Set(own.map(({ id }) => id));
  const items = found.filter((one) => !gone.has(idOf(one)));
  const rows: Row<T>[] = items.map((item) => ({ item }));
  for (const one of own.toSorted((a, b) => a.place - b.place)) rows.splice(one.place, 0, { settled: one, isLast: one === own.at(-1) });
  return {
    rows,
    /** Those that still wait. */
    items,
    settle: (one: T, text: string, to: string | undefined): void => {
      const id = idOf(one);
      const place = rows.findIndex((row) => 'item' in row && idOf(row.item) === id);
      const { height = 0, top = 0 } = document.getElementById(id)?.getBoundingClientRect() ?? {};
      // The page can be scrolled by what these lose.
      const before = own.map((other) => (isAbove(other.id) ? { ...other, height: undefined } : other));
      setAll([...before, { id, since: one.since, asked, place, height, top, scrolled: scrollY, text, to }]);
    },
  };
}

const isAbove = (id: string): boolean => (document.getElementById(id)?.getBoundingClientRect().bottom ?? 0) < 0;

export function SettledRow({ of, isLast }: { readonly of: Settled; readonly isLast: boolean }) {
  const self = useRef<HTMLLIElement>(null);
  useSteady(self, of, isLast);
  useEffect(() => {
    // The button that had the focus is gone.
    if (isLast) self.current?.focus({ preventScroll: true });
  }, []);
  return (
    <li ref={self} id={of.id} class="card settled" tabIndex={-1} style={of.height === undefined ? {} : { minHeight: `${of.height}px` }}>
      <p role="status">
        <Text of={of.text} />
        {of.to !== undefined && (
          <>
            {' '}
            <a href={of.to}>See what became of it</a>
          </>
        )}
      </p>
    </li>
  );
}

/** Keeps something where it was on the screen while what is above it changes, until somebody scrolls, and as far as the page can be scrolled. */
function useSteady(of: { readonly current: HTMLElement | null }, { top, scrolled }: Settled, isOn: boolean): void {
  const last = useRef({ top, scrolled });
  useLayoutEffect(() => {
    const self = of.current;
    if (!isOn || self === null) return undefined;
    const keep = () => {
      const moved = last.current.scrolled === scrollY ? self.getBoundingClientRect().top - last.current.top : 0;
      if (Math.abs(moved) >= 1) scrollBy(0, moved);
      last.current = { top: self.getBoundingClientRect().top, scrolled: scrollY };
    };
    keep();
    // The height of the page changes when something above the card grows or shrinks.
    const watch = new ResizeObserver(keep);
    watch.observe(document.body);
    return () => watch.disconnect();
  });
}
