/**
 * A table of any length: only the rows that can be seen are in the document. Rows have one height, so that where each is can be computed. One row
 * is the current one; keys move it, and it alone is in the order of Tab.
 */
import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { useKeys } from '../keys.ts';

/** Pixels, as in the styles. */
const ROW = 40;
const NARROW_ROW = 62;
/** Rows beyond both edges, so that scrolling shows no gap. */
const BEYOND = 8;
const NARROW = matchMedia('(max-width: 760px)');

export interface Column {
  readonly name: string;
  readonly class: string;
  /** By what rows are sorted when somebody asks for this column; left out: they cannot be. */
  readonly sort?: string;
}
export interface Sorting {
  readonly by: string;
  readonly order: 'asc' | 'desc';
}

interface WindowProps<T> {
  readonly label: string;
  readonly columns: readonly Column[];
  readonly rows: readonly T[];
  /** How many rows there are, read or not, if that is known. */
  readonly total: number | undefined;
  readonly idOf: (row: T) => string;
  readonly cells: (row: T) => readonly ComponentChildren[];
  readonly current: string | undefined;
  readonly sorting: Sorting;
  readonly onSort: (by: string) => void;
  readonly onCurrent: (id: string) => void;
  readonly onOpen: (row: T) => void;
  /** These rows are in the document now. */
  readonly onShown: (ids: ReadonlySet<string>) => void;
  /** The end of what is loaded is near. */
  readonly onEnd: () => void;
  /** The last row of all is asked for. */
  readonly onLast: () => void;
}

/** The height of the box and of a row, which depend on the page's width. */
function useSizes(box: { readonly current: HTMLDivElement | null }): { readonly height: number; readonly row: number } {
  const [height, setHeight] = useState(600);
  const [row, setRow] = useState(NARROW.matches ? NARROW_ROW : ROW);
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return undefined;
    const sizes = new ResizeObserver(() => setHeight(element.clientHeight));
    sizes.observe(element);
    const narrow = () => setRow(NARROW.matches ? NARROW_ROW : ROW);
    NARROW.addEventListener('change', narrow);
    return () => {
      sizes.disconnect();
      NARROW.removeEventListener('change', narrow);
    };
  }, []);
  return { height, row };
}

/** Rows that come in above leave those that are being read where they are. */
function useAnchor<T>(box: { readonly current: HTMLDivElement | null }, { rows, idOf }: WindowProps<T>, row: number): void {
  const first = useRef<string | undefined>(undefined);
  useLayoutEffect(() => {
    const element = box.current;
    const was = first.current;
    first.current = rows[0] === undefined ? undefined : idOf(rows[0]);
    if (element === null || was === undefined || element.scrollTop === 0) return;
    const moved = rows.findIndex((one) => idOf(one) === was);
    if (moved > 0) element.scrollTop += moved * row;
  }, [rows]);
}

/** A list that one comes back to shows the row that its address names. */
function useReturn(box: { readonly current: HTMLDivElement | null }, at: number, row: number): void {
  const isThere = useRef(false);
  useLayoutEffect(() => {
    if (isThere.current || at < 0 || box.current === null) return;
    isThere.current = true;
    const { scrollTop, clientHeight } = box.current;
    if (at * row < scrollTop || (at + 1) * row > scrollTop + clientHeight) box.current.scrollTop = at * row - clientHeight / 2;
  }, [at]);
}

/** @param show makes a row the current one @param page rows that can be seen at once */
function useRowKeys<T>({ rows, onOpen, onLast }: WindowProps<T>, at: number, page: number, show: (index: number) => void): void {
  const move = (by: number) => show(Math.min(rows.length - 1, Math.max(0, at + by)));
  useKeys([
    { key: 'j', does: 'next row', run: () => move(1), repeats: true },
    { key: 'ArrowDown', does: 'next row', run: () => move(1), hidden: true, repeats: true },
    { key: 'k', does: 'row before', run: () => move(-1), repeats: true },
    { key: 'ArrowUp', does: 'row before', run: () => move(-1), hidden: true, repeats: true },
    { key: 'PageDown', does: 'a page on', run: () => move(page), hidden: true, repeats: true },
    { key: 'PageUp', does: 'a page back', run: () => move(-page), hidden: true, repeats: true },
    { key: 'g g', does: 'first row', run: () => show(0) },
    { key: 'Home', does: 'first row', run: () => show(0), hidden: true },
    {
      key: 'G',
      does: 'last row',
      run: () => {
        show(rows.length - 1);
        onLast();
      },
    },
    {
      key: 'Enter',
      does: 'open the row',
      run: ({ target }) => {
        // Tab reaches the first row before any is the current one.
        const isAtFirst = at < 0 && target instanceof Element && target.closest('.window-row') !== null;
        const chosen = rows[isAtFirst ? 0 : at];
        if (chosen !== undefined) onOpen(chosen);
      },
    },
  ]);
}

export function Window<T>(props: WindowProps<T>) {
  const { label, columns, rows, total = rows.length, idOf, current, onCurrent, onEnd, onShown } = props;
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const { height, row } = useSizes(box);
  const at = useMemo(() => (current === undefined ? -1 : rows.findIndex((one) => idOf(one) === current)), [rows, current]);
  useAnchor(box, props, row);
  const from = Math.max(0, Math.floor(top / row) - BEYOND);
  const to = Math.min(rows.length, Math.ceil((top + height) / row) + BEYOND);
  useEffect(() => {
    if (to >= rows.length - BEYOND) onEnd();
  }, [to, rows.length]);
  useEffect(() => onShown(new Set(rows.slice(from, to).map(idOf))), [from, to, rows]);
  const show = (index: number) => {
    const element = box.current;
    const wanted = rows[index];
    if (element === null || wanted === undefined) return;
    onCurrent(idOf(wanted));
    const [above, below] = [index * row, (index + 1) * row];
    if (above < element.scrollTop) element.scrollTop = above;
    else if (below > element.scrollTop + element.clientHeight) element.scrollTop = below - element.clientHeight;
    // The row is in the document after the next drawing.
    requestAnimationFrame(() => element.querySelector<HTMLElement>('[aria-selected=true]')?.focus({ preventScroll: true }));
  };
  useReturn(box, at, row);
  useRowKeys(props, at, Math.max(1, Math.floor(height / row) - 1), show);
  return (
    <div class="window" role="grid" aria-label={label} aria-rowcount={Math.max(total, rows.length) + 1} aria-colcount={columns.length}>
      <Head of={props} />
      <div class="window-box" role="rowgroup" ref={box} onScroll={(event) => setTop(event.currentTarget.scrollTop)}>
        <div class="window-all" role="presentation" style={{ height: `${rows.length * row}px` }}>
          {rows.slice(from, to).map((one, index) => (
            <Row key={idOf(one)} of={one} index={from + index} at={at} top={(from + index) * row} props={props} />
          ))}
        </div>
      </div>
    </div>
  );
}

function Head<T>({ of: { columns, sorting, onSort } }: { readonly of: WindowProps<T> }) {
  return (
    <div class="window-head" role="row" aria-rowindex={1}>
      {columns.map(({ name, class: kind, sort }) => {
        const isBy = sort !== undefined && sort === sorting.by;
        const order = isBy ? (sorting.order === 'asc' ? 'ascending' : 'descending') : undefined;
        return (
          <span role="columnheader" class={kind} key={name} aria-sort={order}>
            {sort === undefined ? (
              name
            ) : (
              <button type="button" onClick={() => onSort(sort)}>
                {name}
                {isBy && <span aria-hidden="true">{sorting.order === 'asc' ? ' ↑' : ' ↓'}</span>}
              </button>
            )}
          </span>
        );
      })}
    </div>
  );
}

interface RowProps<T> {
  readonly of: T;
  readonly index: number;
  /** The index of the current row; -1: none is. */
  readonly at: number;
  readonly top: number;
  readonly props: WindowProps<T>;
}

function Row<T>({ of, index, at, top, props: { columns, cells, idOf, onCurrent, onOpen } }: RowProps<T>) {
  return (
    <div
      role="row"
      class="window-row"
      aria-rowindex={index + 2}
      aria-selected={index === at}
      tabIndex={index === at || (at < 0 && index === 0) ? 0 : -1}
      style={{ transform: `translateY(${top}px)` }}
      onClick={(event) => {
        // With one of these, a click on the link of the row opens it elsewhere.
        if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
        onCurrent(idOf(of));
        onOpen(of);
      }}
    >
      {cells(of).map((cell, column) => (
        <span role="gridcell" class={columns[column]?.class} key={columns[column]?.name}>
          {cell}
        </span>
      ))}
    </div>
  );
}
