/** The journal of a run, its latest entries first to be read; a link to an entry opens the part that it is in. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { ask as request } from '../data/api.ts';
import { ask as alter, query } from '../data/address.ts';
import { useLoad } from '../data/load.ts';
import { useKeys } from '../keys.ts';
import { Badge, Empty, Loading, Moment, Problem } from '../ui/parts.tsx';
import { Text, Value, WithheldNote } from '../ui/text.tsx';
import type { TabProps } from './run-props.ts';

type Entry = RouteAnswer<'runJournal'>['items'][number];
/** Entries that are read and shown at once; a run may have tens of thousands. */
const PAGE = 100;

export function JournalTab({ run }: TabProps) {
  const asked = Number(query.value.get('entry') ?? Number.NaN);
  const last = Math.max(0, run.journal_entries - PAGE);
  const [from, setFrom] = useState(Number.isNaN(asked) ? last : Math.max(0, Math.min(asked - PAGE / 2, last)));
  const isTail = from >= last - 1;
  const {
    data: shown,
    error,
    again,
  } = useLoad((signal) => request('runJournal', { params: { run: run.run }, query: { after: from, limit: PAGE } }, signal), {
    of: [run.run],
    at: [from, isTail ? run.journal_entries : 0],
  });
  const entries = shown?.items ?? [];
  const at = entries.findIndex(({ seq }) => seq === asked);
  const move = (by: number) => {
    const next = entries[Math.min(entries.length - 1, Math.max(0, at < 0 ? (by > 0 ? 0 : entries.length - 1) : at + by))];
    if (next !== undefined) alter({ entry: String(next.seq) });
  };
  useKeys([
    { key: ']', does: 'entry on', run: () => move(1), repeats: true },
    { key: '[', does: 'entry back', run: () => move(-1), repeats: true },
    { key: 'j', does: 'entry on', run: () => move(1), repeats: true, hidden: true },
    { key: 'k', does: 'entry back', run: () => move(-1), repeats: true, hidden: true },
  ]);
  if (shown === undefined) return error === undefined ? <Loading /> : <Problem of={error} again={again} />;
  if (run.journal_entries === 0) return <Empty>Nothing has happened in it yet.</Empty>;
  return (
    <>
      {error !== undefined && <Problem of={error} again={again} />}
      <div class="row" role="group" aria-label="Parts of the journal">
        <button type="button" disabled={from === 0} onClick={() => setFrom(0)}>
          First
        </button>
        <button type="button" disabled={from === 0} onClick={() => setFrom(Math.max(0, from - PAGE))}>
          Earlier
        </button>
        <span class="dim">
          {entries[0]?.seq ?? 0} to {entries.at(-1)?.seq ?? 0} of {run.journal_entries}
        </span>
        <button type="button" disabled={from >= last} onClick={() => setFrom(Math.min(last, from + PAGE))}>
          Later
        </button>
        <button type="button" disabled={from >= last} onClick={() => setFrom(last)}>
          Last
        </button>
      </div>
      <ol class="cards journal">
        {entries.map((entry) => (
          <EntryCard key={entry.seq} of={entry} isOpen={entry.seq === asked} />
        ))}
      </ol>
    </>
  );
}

type Named = { readonly kind?: unknown; readonly verdict?: unknown };
const kindOf = (of: unknown): string => {
  const { kind } = (of ?? {}) as Named;
  return typeof kind === 'string' ? kind : '';
};

/** `3 calls, 1 log`. */
function tallyOf(effects: readonly unknown[]): string {
  const counts = new Map<string, number>();
  for (const effect of effects) counts.set(kindOf(effect), (counts.get(kindOf(effect)) ?? 0) + 1);
  return [...counts].map(([kind, count]) => (count === 1 ? kind : `${count} × ${kind}`)).join(', ');
}

function EntryCard({ of, isOpen }: { readonly of: Entry; readonly isOpen: boolean }) {
  const self = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (isOpen) self.current?.scrollIntoView({ block: 'nearest' });
  }, [isOpen]);
  const refused = of.decisions.filter((decision) => (decision as Named).verdict === 'deny').length;
  const asked = of.decisions.filter((decision) => (decision as Named).verdict === 'ask').length;
  return (
    <li class="card" ref={self}>
      <button type="button" class="card-head" aria-expanded={isOpen} onClick={() => alter({ entry: isOpen ? undefined : String(of.seq) })}>
        <span class="num">{of.seq}</span>
        <span class="dim when">
          <Moment at={of.at} />
        </span>
        <span class="brief">
          {of.event === null ? (
            <>
              <Text of={kindOf(of.delivery)} /> → <Text of={tallyOf(of.effects ?? []) || 'nothing'} />
            </>
          ) : (
            <em>
              <Text of={kindOf(of.event)} />
            </em>
          )}
        </span>
        {refused > 0 && <Badge tone="bad">{refused} refused</Badge>}
        {asked > 0 && <Badge tone="asks">{asked} asked</Badge>}
        {of.withheld !== undefined && <Badge tone="calm">withheld</Badge>}
        <span class="dim num">{of.cpu_us > 0 ? `${(of.cpu_us / 1000).toFixed(1)} ms` : ''}</span>
      </button>
      {isOpen && (
        <div class="card-body">
          <WithheldNote of={of.withheld} />
          {of.delivery !== null && (
            <>
              <h3 class="small">Delivered</h3>
              <Value of={of.delivery} />
            </>
          )}
          {of.effects !== null && of.effects.length > 0 && (
            <>
              <h3 class="small">Effects</h3>
              <Value of={of.effects} />
            </>
          )}
          {of.decisions.length > 0 && (
            <>
              <h3 class="small">Decisions</h3>
              <Value of={of.decisions} />
            </>
          )}
          {of.event !== null && (
            <>
              <h3 class="small">Event</h3>
              <Value of={of.event} />
            </>
          )}
          <p class="dim">
            hash <code>{of.hash}</code>
          </p>
        </div>
      )}
    </li>
  );
}
