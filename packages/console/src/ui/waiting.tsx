/** A list of what waits for a person, calls or questions: read, kept up to date, walked through by keys, one of them the current one. */
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { ask as request, hasRole, me } from '../data/api.ts';
import { ask as alter, href, query } from '../data/address.ts';
import { decidedHere } from '../data/live.ts';
import { anyOf, useLoad } from '../data/load.ts';
import { pagesOf } from '../data/pages.ts';
import { PERMITTED } from '../data/permitted.ts';
import { count } from '../format.ts';
import { useKeys, type Key } from '../keys.ts';
import { PutOff } from './looking.tsx';
import { idOf, SettledRow, useSettled, type Row } from './settled.tsx';
import { Empty, Loading, Problem } from './parts.tsx';
import { Text } from './text.tsx';

type Name = 'listApprovals' | 'listQuestions';
type Item<K extends Name> = RouteAnswer<K>['items'][number];

const LIMIT = 100;
const CHANGES = anyOf('run.asked', 'run.claimed', 'run.decided', 'run.ended', 'run.paused', 'run.resumed');

export { idOf };

type Approval = Item<'listApprovals'>;

/** Whether the signed-in person may decide about a call. The host decides; this only spares them a refusal that is certain. */
export const mayDecide = ({ principal, approved_by }: Approval): boolean => {
  const self = me.value?.principal ?? '';
  return hasRole(...PERMITTED['approval.decide']) && principal !== self && !approved_by.includes(self);
};

/** Which of what waits is looked at. */
export interface Where {
  readonly run?: string;
  readonly agent?: string;
  readonly tool?: string;
  /** Part of the name of the agent or of the tool. */
  readonly q?: string;
}
/** Conditions that a list takes from the address. */
const CONDITIONS: Readonly<Record<Name, readonly (keyof Where)[]>> = {
  listApprovals: ['run', 'agent', 'tool', 'q'],
  listQuestions: ['run'],
};
const whereOf = (name: Name): Where =>
  Object.fromEntries(
    CONDITIONS[name].flatMap((one) => {
      const value = query.value.get(one) ?? '';
      return value === '' ? [] : [[one, value]];
    }),
  );

/** What a card is told about itself and about its place in the list. `W`: what a person can open on it, such as the form for an answer. */
export interface CardProps<T, W> {
  readonly of: T;
  readonly isCurrent: boolean;
  readonly open: W | undefined;
  readonly onOpen: (what: W | undefined) => void;
  readonly again: () => void;
}

/** What a person has opened on a card, which becomes the current one. */
function useOpened<T extends { readonly run: string; readonly call: number }, W>() {
  const [opened, setOpened] = useState<{ readonly id: string; readonly what: W }>();
  return {
    openOf: (one: T) => (opened?.id === idOf(one) ? opened.what : undefined),
    open: (one: T, what: W | undefined) => {
      alter({ at: idOf(one) });
      setOpened(what === undefined ? undefined : { id: idOf(one), what });
    },
    close: () => setOpened(undefined),
  };
}

/** @param part where the list is, below the approvals */
export function useWaiting<K extends Name, W>(name: K, part: string) {
  const where = whereOf(name);
  const [pages, setPages] = useState(1);
  const [later, setLater] = useState(false);
  const { openOf, open, close } = useOpened<Item<K>, W>();
  const loaded = useLoad(
    (signal) =>
      pagesOf(pages, (at) => request(name, { query: { limit: LIMIT, later: later ? 'true' : 'false', ...where, ...at } } as never, signal)),
    { of: [where], at: [pages, later], when: CHANGES },
  );
  const { data, again } = loaded;
  const { rows, items, settle } = useSettled((data?.items ?? []) as readonly Item<K>[], JSON.stringify(where));
  const at = query.value.get('at') ?? (items[0] === undefined ? undefined : idOf(items[0]));
  const current = items.find((one) => idOf(one) === at);
  const decided = () => {
    decidedHere.value += 1;
    again();
  };
  return {
    ...loaded,
    where,
    items,
    rows,
    current,
    openOf,
    open,
    cardOf: (one: Item<K>): CardProps<Item<K>, W> => ({
      of: one,
      isCurrent: one === current,
      open: openOf(one),
      onOpen: (what) => open(one, what),
      again,
    }),
    /** Some were decided about elsewhere on the page. */
    decided,
    done: (one: Item<K>, text: string, to?: string) => {
      settle(one, text, to);
      close();
      alter({ at: undefined });
      decided();
    },
    move: (by: number) => {
      const next = items[Math.min(items.length - 1, Math.max(0, items.findIndex((one) => one === current) + by))];
      if (next === undefined) return;
      alter({ at: idOf(next) });
      document.getElementById(idOf(next))?.scrollIntoView({ block: 'start' });
    },
    /** What stands above the list. */
    bar: (
      <div class="bar">
        <p class="dim">
          {count(items.length)}
          {data?.more === true && '+'} waiting
        </p>
        <PutOff count={sumOf(data?.pages ?? [])} isShown={later} show={() => setLater(!later)} />
        {Object.keys(where).length > 0 && <a href={href('approvals', part)}>of all runs</a>}
      </div>
    ),
    damaged: <Damaged of={(data?.pages ?? []).flatMap(({ damaged = [] }) => damaged)} />,
    /** What stands below it. */
    rest: data?.more === true && (
      <button type="button" onClick={() => setPages(pages + 1)}>
        More
      </button>
    ),
  };
}

/** How many of some pages a person has put off. */
const sumOf = (pages: readonly { readonly later?: number }[]): number => pages.reduce((sum, { later = 0 }) => sum + later, 0);

interface ListProps<T> {
  readonly of: Pick<ReturnType<typeof useWaiting>, 'data' | 'error' | 'again' | 'bar' | 'damaged' | 'rest'> & {
    readonly rows: readonly Row<T>[];
  };
  /** The text where nothing waits. */
  readonly none: string;
  readonly above?: ComponentChildren;
  readonly card: (one: T) => ComponentChildren;
}

/** The list with all that stands around its cards. */
export function WaitingList<T>({ of: { data, error, again, rows, bar, damaged, rest }, none, above, card }: ListProps<T>) {
  if (data === undefined) return error === undefined ? <Loading /> : <Problem of={error} again={again} />;
  return (
    <>
      {bar}
      {error !== undefined && <Problem of={error} again={again} />}
      {damaged}
      {above}
      <ol class="cards">
        {rows.map((row) =>
          'item' in row ? card(row.item) : <SettledRow key={`settled ${row.settled.id}`} of={row.settled} isLast={row.isLast} />,
        )}
      </ol>
      {rows.every((row) => !('item' in row)) && <Empty>{none}</Empty>}
      {rest}
    </>
  );
}

/** Those whom rules name for a call, with the one who is `owner` here. */
export function Approvers({ of, owner }: { readonly of: readonly string[]; readonly owner: string | undefined }) {
  return <Text of={of.map((one) => (one === 'owner' && owner !== undefined ? `owner (${owner})` : one)).join(' and ')} />;
}

/** @param more keys that act on the current one */
export const useWaitingKeys = (what: string, move: (by: number) => void, more: readonly Key[]): void =>
  useKeys([
    { key: 'j', does: `next ${what}`, run: () => move(1), repeats: true },
    { key: 'k', does: `${what} before`, run: () => move(-1), repeats: true },
    ...more,
  ]);

function Damaged({ of }: { readonly of: readonly { readonly run: string; readonly detail: string }[] }) {
  return (
    <>
      {of.map(({ run, detail }) => (
        <p class="problem" key={run}>
          <a href={href('run', run)}>{run}</a> waits for people, and its journal cannot be read: <Text of={detail} />
        </p>
      ))}
    </>
  );
}
