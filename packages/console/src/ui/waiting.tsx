/** A list of what waits for a person, calls or questions: read, kept up to date, walked through by keys, one of them the current one. */
import { useState } from 'preact/hooks';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { ask as request } from '../data/api.ts';
import { ask as alter, href, query } from '../data/address.ts';
import { decidedHere } from '../data/live.ts';
import { anyOf, useLoad } from '../data/load.ts';
import { pagesOf } from '../data/pages.ts';
import { useKeys, type Key } from '../keys.ts';
import { PutOff } from './looking.tsx';
import { Text } from './text.tsx';

type Name = 'listApprovals' | 'listQuestions';
type Item<K extends Name> = RouteAnswer<K>['items'][number];

const LIMIT = 100;
const CHANGES = anyOf('run.asked', 'run.claimed', 'run.decided', 'run.ended', 'run.paused', 'run.resumed');

export const idOf = ({ run, call }: { readonly run: string; readonly call: number }) => `${run}-${call}`;

/** What was decided last, and where its call is. */
interface Said {
  readonly text: string;
  readonly to?: string | undefined;
}

/** @param part where the list is, below the approvals */
export function useWaiting<K extends Name>(name: K, part: string) {
  const of = query.value.get('run');
  const [pages, setPages] = useState(1);
  const [later, setLater] = useState(false);
  const [said, setSaid] = useState<Said>({ text: '' });
  const loaded = useLoad(
    (signal) =>
      pagesOf(pages, (at) => {
        const run = of === null ? {} : { run: of };
        return request(name, { query: { limit: LIMIT, later: later ? 'true' : 'false', ...run, ...at } } as never, signal);
      }),
    { of: [of], at: [pages, later], when: CHANGES },
  );
  const { data, again } = loaded;
  const items = (data?.items ?? []) as readonly Item<K>[];
  const at = query.value.get('at') ?? (items[0] === undefined ? undefined : idOf(items[0]));
  const current = items.find((one) => idOf(one) === at);
  return {
    ...loaded,
    items,
    current,
    choose: (one: Item<K>) => alter({ at: idOf(one) }),
    done: (text: string, to?: string) => {
      setSaid({ text, to });
      decidedHere.value += 1;
      alter({ at: undefined });
      again();
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
        <p class="dim" role="status">
          {said.text === '' ? `${items.length}${data?.more === true ? '+' : ''} waiting` : <Text of={said.text} />}
          {said.to !== undefined && (
            <>
              {' '}
              <a href={said.to}>See what became of it</a>
            </>
          )}
        </p>
        <PutOff
          count={(data?.pages ?? []).reduce((sum, { later: put = 0 }) => sum + put, 0)}
          isShown={later}
          show={() => setLater(!later)}
        />
        {of !== null && <a href={href('approvals', part)}>of all runs</a>}
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
