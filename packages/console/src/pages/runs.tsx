/** All runs: a table that stays up to date, with a filter that is part of its address. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { ask as alter, go, href, query } from '../data/address.ts';
import { faultOf, FIELD_NAMES, isState, queryOf, selectorOf, STATES } from '../data/filter.ts';
import { onChange } from '../data/live.ts';
import { RunList, type RunRow, type RunsWanted } from '../data/run-list.ts';
import { count, cpu, money, tail } from '../format.ts';
import { useKeys } from '../keys.ts';
import { StopMenu } from '../ui/stop.tsx';
import { Ago, Empty, Noted, Problem, State } from '../ui/parts.tsx';
import { Text } from '../ui/text.tsx';
import { Window, type Column, type Sorting } from '../ui/window.tsx';
import { Picked } from './runs-picked.tsx';

type Order = NonNullable<RunsWanted['sort']>;
const COLUMNS: readonly (Column & { readonly sort?: Order })[] = [
  { name: 'State', class: 'c-state' },
  { name: 'Agent', class: 'c-agent' },
  { name: 'Waits for', class: 'c-waits' },
  { name: 'Run', class: 'c-run' },
  { name: 'Submitted', class: 'c-when', sort: 'created' },
  { name: 'By', class: 'c-by' },
  { name: 'Calls', class: 'c-num', sort: 'calls' },
  { name: 'CPU', class: 'c-num c-cpu', sort: 'cpu' },
  { name: 'Spent', class: 'c-num c-money', sort: 'money' },
];

/** The order that the address names: the latest or the largest first, unless it says otherwise. */
function sortingOf(of: URLSearchParams): Sorting & { readonly by: Order } {
  const by = COLUMNS.find(({ sort }) => sort !== undefined && sort === of.get('sort'))?.sort ?? 'created';
  return { by, order: of.get('order') === 'asc' ? 'asc' : 'desc' };
}

/** A run that is held goes on at the word of a person alone, so its timer or answer is not what it waits for. */
const waitsFor = ({ ended_as, control, waiting_for }: RunRow): string =>
  ended_as !== null ? '' : control === 'none' ? waiting_for : 'a person who lets it go on';

const cellsOf = (picked: ReadonlySet<string>, pick: (run: string) => void) => (row: RunRow) => {
  return [
    <>
      <input
        type="checkbox"
        tabIndex={-1}
        aria-label={`Pick ${row.run}`}
        checked={picked.has(row.run)}
        onClick={(event) => {
          // The row is not opened.
          event.stopPropagation();
          pick(row.run);
        }}
      />{' '}
      <State of={row} /> <Noted of={row} />
    </>,
    <a href={href('run', row.run)} tabIndex={-1}>
      <Text of={row.key === null ? row.agent : `${row.agent} ${row.key}`} />
    </a>,
    <Text of={waitsFor(row)} />,
    <code title={row.run}>{tail(row.run)}</code>,
    <Ago at={row.created_at} />,
    <Text of={row.principal} />,
    count(row.calls),
    cpu(row.cpu_ms),
    money(row.money_micros),
  ];
};

/** Runs that a person has picked; another list begins without any. */
function usePicked(of: string) {
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());
  useEffect(() => setPicked(new Set()), [of]);
  const pick = (run: string) => setPicked((now) => now.symmetricDifference(new Set([run])));
  return { picked, pick, clear: () => setPicked(new Set()) };
}

/** One list for each filter and order; the address decides which. */
function useRuns(text: string, state: keyof typeof STATES, { by, order }: ReturnType<typeof sortingOf>): RunList | undefined {
  const [list, setList] = useState<RunList>();
  useEffect(() => {
    if (faultOf(text) !== undefined) return setList(undefined);
    const made = new RunList({ ...queryOf(text), ...STATES[state].query, sort: by, order });
    setList(made);
    void made.read();
    const stop = onChange((changed) => void made.refresh(changed));
    return () => {
      stop();
      made.close();
    };
  }, [text, state, by, order]);
  return list;
}

/** How many there are, and how many of them are in the table. */
function tallyOf(rows: number, total: number | undefined, more: boolean): string {
  if (!more) return rows === 1 ? '1 run' : `${count(rows)} runs`;
  return total === undefined ? `${count(rows)} runs read, more below` : `${count(rows)} of ${count(total)} runs read, more below`;
}

const opened = (row: RunRow) => go(href('run', row.run).slice('/console/'.length));

/** Rows that are read in search of one that is not among them. */
const SOUGHT = 5_000;

/** The address may name a row far down, as after Back: the list is read until that is there. It may also name one that has left the list. */
function useSought(list: RunList | undefined): void {
  useEffect(() => {
    const sought = query.value.get('at');
    if (list === undefined || sought === null) return;
    const isMissing = () => list.rows.value.length < SOUGHT && !list.rows.value.some(({ run }) => run === sought);
    void list.readAll(() => query.value.get('at') === sought && isMissing());
  }, [list]);
}

export function Runs() {
  const text = query.value.get('q') ?? '';
  const named = query.value.get('state');
  const state = isState(named) ? named : 'all';
  const sorting = sortingOf(query.value);
  const list = useRuns(text, state, sorting);
  const current = query.value.get('at') ?? undefined;
  const reading = useRef(false);
  const rows = list?.rows.value ?? [];
  const fault = faultOf(text);
  const chosen = rows.find(({ run }) => run === current);
  const { picked, pick, clear } = usePicked(`${state} ${text}`);
  useKeys([{ key: 'x', does: 'pick the row, or let it go', run: () => (chosen === undefined ? undefined : pick(chosen.run)) }]);
  useSought(list);
  const readAll = () => {
    reading.current = true;
    void list?.readAll(() => reading.current).then(() => (reading.current = false));
  };
  return (
    <section class="runs" aria-labelledby="runs-title">
      <div class="bar">
        <h1 id="runs-title">Runs</h1>
        <Filter text={text} state={state} />
        <Picked
          key={`${state} ${text}`}
          picked={picked}
          where={fault === undefined ? selectorOf({ ...queryOf(text), ...STATES[state].query }) : undefined}
          total={list?.total.value}
          clear={clear}
          done={() => void list?.refresh(undefined)}
        />
        {picked.size === 0 && chosen !== undefined && chosen.ended_as === null && (
          <StopMenu run={chosen} key={chosen.run} isNamed done={() => void list?.refresh(new Set([chosen.run]))} />
        )}
        <p class="dim tally" role="status">
          {list === undefined || list.error.value !== undefined ? '' : tallyOf(rows.length, list.total.value, list.more.value)}
          {list?.busy.value === true ? ' · reading…' : ''}
        </p>
      </div>
      {list?.error.value !== undefined && <Problem of={list.error.value} again={() => void list.refresh(undefined)} />}
      {fault !== undefined && <Fault of={fault} />}
      {fault !== undefined || (list?.error.value !== undefined && rows.length === 0) ? null : list !== undefined &&
        rows.length === 0 &&
        !list.more.value ? (
        <NoRun isFiltered={text !== '' || state !== 'all'} />
      ) : (
        <Window
          label="Runs"
          columns={COLUMNS}
          rows={rows}
          total={list?.more.value === true ? list.total.value : undefined}
          sorting={sorting}
          onSort={(by) => sortBy(by, sorting)}
          onShown={(ids) => list?.look(ids)}
          idOf={({ run }) => run}
          cells={cellsOf(picked, pick)}
          current={current}
          onCurrent={(id) => {
            reading.current = false;
            alter({ at: id });
          }}
          onOpen={opened}
          onEnd={() => void list?.read()}
          onLast={readAll}
        />
      )}
    </section>
  );
}

function Fault({ of }: { readonly of: string }) {
  return (
    <p class="problem" role="alert">
      <Text of={of} />
    </p>
  );
}

function NoRun({ isFiltered }: { readonly isFiltered: boolean }) {
  return (
    <Empty>
      {isFiltered ? 'No run matches.' : 'No run was submitted yet.'} {isFiltered && <a href={href('runs')}>All runs</a>}
    </Empty>
  );
}

/** The column by which rows are sorted already turns them round. */
function sortBy(by: string, now: Sorting): void {
  const order = by === now.by && now.order === 'desc' ? 'asc' : undefined;
  alter({ sort: by === 'created' ? undefined : by, order, at: undefined });
}

/** A filter takes effect when its writer pauses. */
const PAUSE_MS = 250;

function Filter({ text, state }: { readonly text: string; readonly state: string }) {
  const field = useRef<HTMLInputElement>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useKeys([
    {
      key: '/',
      does: 'write a filter',
      run: () => {
        field.current?.focus();
        field.current?.select();
      },
    },
  ]);
  useEffect(() => {
    if (field.current !== null && document.activeElement !== field.current) field.current.value = text;
  }, [text]);
  const apply = (value: string) => alter({ q: value.trim(), at: undefined });
  return (
    <form
      class="filter"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        clearTimeout(timer.current);
        apply(field.current?.value ?? '');
        field.current?.blur();
      }}
    >
      <input
        ref={field}
        type="search"
        aria-label="Filter"
        placeholder={`Search, or ${FIELD_NAMES.map((name) => `${name}:`).join(' ')}`}
        defaultValue={text}
        spellcheck={false}
        onInput={(event) => {
          const { value } = event.currentTarget;
          clearTimeout(timer.current);
          timer.current = setTimeout(() => apply(value), PAUSE_MS);
        }}
      />
      <select
        aria-label="State"
        value={state}
        onChange={(event) => alter({ state: event.currentTarget.value === 'all' ? undefined : event.currentTarget.value, at: undefined })}
      >
        {Object.entries(STATES).map(([name, { name: shown }]) => (
          <option key={name} value={name}>
            {shown}
          </option>
        ))}
      </select>
    </form>
  );
}
