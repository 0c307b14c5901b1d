/** A run told in a few sentences, made without a model; each leads to the entries and calls that it is made from. */
import type { ComponentChildren } from 'preact';
import { ask as request } from '../data/api.ts';
import { useLoad } from '../data/load.ts';
import { callHref, entryHref } from '../data/run-parts.ts';
import { Fact, Shown } from '../ui/parts.tsx';
import { Text, WithheldNote } from '../ui/text.tsx';
import type { TabProps } from './run-props.ts';

const ABOUT: Readonly<Record<string, string>> = {
  asked: 'Asked',
  read: 'Read',
  strangers: 'From strangers',
  did: 'Did',
  others: 'With others',
  refused: 'Refused',
  people: 'People',
  stopped: 'Stopped',
  spent: 'Spent',
  ended: 'End',
};

export function StoryTab({ run }: TabProps) {
  const story = useLoad((signal) => request('storyRun', { params: { run: run.run } }, signal), {
    of: [run.run],
    at: [run.journal_entries, run.control, run.lifecycle],
  });
  const entry = (n: number) => entryHref(run.run, n);
  const call = (n: number) => callHref(run.run, n);
  return (
    <Shown of={story}>
      {({ lines, withheld }) => (
        <>
          <WithheldNote of={withheld} />
          <dl class="story">
            {lines.map(({ about, text, entries, calls }) => (
              <Fact name={ABOUT[about] ?? about} key={about}>
                <p>
                  <Text of={text} />
                </p>
                <Links name="entry" of={entries} to={entry} />
                <Links name="call" of={calls} to={call} />
              </Fact>
            ))}
          </dl>
        </>
      )}
    </Shown>
  );
}

function Links({
  name,
  of,
  to,
}: {
  readonly name: string;
  readonly of: readonly number[];
  readonly to: (n: number) => string | undefined;
}) {
  return (
    <span class="dim">
      {of.map((n) => (
        <span key={n}>
          <Place to={to(n)}>
            {name} {n}
          </Place>{' '}
        </span>
      ))}
    </span>
  );
}

/** A link, where who is signed in is shown what it leads to. */
function Place({ to, children }: { readonly to: string | undefined; readonly children: ComponentChildren }) {
  return to === undefined ? <>{children}</> : <a href={to}>{children}</a>;
}
