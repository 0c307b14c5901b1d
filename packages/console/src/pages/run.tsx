/** One run: what it is and how it stands, and behind its tabs all that it did. The tab, the call and the entry are part of the address. */
import type { ComponentChild } from 'preact';
import { useEffect } from 'preact/hooks';
import { ask as request } from '../data/api.ts';
import { go, href, place } from '../data/address.ts';
import { useLoad } from '../data/load.ts';
import { readsPayloads, RUN_PARTS, shownParts, type RunPart } from '../data/run-parts.ts';
import { count, cpu, many, money } from '../format.ts';
import { useKeys } from '../keys.ts';
import { Copy, Empty, Fact, Loading, Noted, Problem, Ago, State } from '../ui/parts.tsx';
import { StopMenu } from '../ui/stop.tsx';
import { Text, WithheldNote } from '../ui/text.tsx';
import { AuthorityTab } from './run-authority.tsx';
import { CallsTab } from './run-calls.tsx';
import { EventsTab } from './run-events.tsx';
import { JournalTab } from './run-journal.tsx';
import type { RunId, TabProps } from './run-props.ts';
import { StoryTab } from './run-story.tsx';
import { MessagesTab, SummaryTab, TreeTab, WhyTab } from './run-tabs.tsx';

const VIEWS: Readonly<Record<RunPart, (props: TabProps) => ComponentChild>> = {
  summary: SummaryTab,
  calls: CallsTab,
  journal: JournalTab,
  messages: MessagesTab,
  tree: TreeTab,
  authority: AuthorityTab,
  why: WhyTab,
  events: EventsTab,
  story: StoryTab,
};

export function RunView() {
  const [, id = '', asked = 'summary'] = place.value;
  // A link that another person or a webhook sent to a call leads to what was decided about it.
  const at = asked === 'calls' && !readsPayloads() ? 'why' : asked;
  const { data, error, again } = useLoad((signal) => request('showRun', { params: { run: id as RunId } }, signal), {
    of: [id],
    when: (changed) => changed === undefined || changed.has(id),
  });
  const tabs = shownParts();
  const to = (tab: string) => go(`run/${encodeURIComponent(id)}/${tab}`);
  useKeys([
    ...tabs.map(({ at: tab, name, key }) => ({ key, does: name, run: () => to(tab) })),
    { key: 'w', does: 'why it is so', run: () => to('why') },
    { key: 'u', does: 'back to the runs', run: () => history.back() },
  ]);
  useEffect(() => {
    document.title = `${data?.agent ?? 'Run'} · Corral`;
  }, [data?.agent]);
  if (data === undefined) return error === undefined ? <Loading /> : <Problem of={error} again={again} />;
  const tab = tabs.find((one) => one.at === at);
  const View = tab && VIEWS[tab.at];
  return (
    <section class="run">
      <Head run={data} again={again} />
      <WithheldNote of={data.withheld_payload} />
      {error !== undefined && <Problem of={error} again={again} />}
      <nav class="tabs" aria-label="Parts of the run">
        {tabs.map(({ at: one, name }) => (
          <a key={one} href={href('run', id, one)} aria-current={one === at ? 'page' : undefined}>
            {name}
          </a>
        ))}
      </nav>
      <h2 class="unseen">{tab?.name ?? at}</h2>
      {View === undefined ? <NotShown at={at} run={id} /> : <View run={data} key={at} />}
    </section>
  );
}

/** An address that another person sent may be of a part that the reader's roles do not show. */
function NotShown({ at, run }: { readonly at: string; readonly run: string }) {
  const part = RUN_PARTS.find((one) => one.at === at);
  return (
    <Empty>
      {part === undefined ? 'There is no such part of a run.' : `Your roles do not show the part ${part.name} of a run.`}{' '}
      <a href={href('run', run)}>Summary</a> · <a href={href('run', run, 'why')}>Why</a>
    </Empty>
  );
}

function Head({ run, again }: TabProps & { readonly again: () => void }) {
  return (
    <header class="run-head">
      <div class="bar">
        <h1>
          <Text of={run.key === null ? run.agent : `${run.agent} ${run.key}`} />
        </h1>
        <State of={run} /> <Noted of={run} />
        {run.control !== 'none' && run.ended_as === null && <span class="dim">held: nothing is delivered to it</span>}
        <StopMenu run={run} key={run.run} done={again} />
      </div>
      <dl class="facts">
        <Fact name="Run">
          <code>{run.run}</code> <Copy text={run.run} what="the id of the run" />
        </Fact>
        <Fact name="Submitted">
          <Ago at={run.created_at} /> by <Text of={run.principal} />
          {run.parent !== null && (
            <>
              , child of <a href={href('run', run.parent)}>{run.parent}</a>
            </>
          )}
        </Fact>
        <Fact name="Tenant">
          <Text of={run.tenant} />
        </Fact>
        {run.ended_as === null && run.waiting_for !== '' && (
          <Fact name="Waits for">
            <Text of={run.waiting_for} />
          </Fact>
        )}
        <Fact name="Used">
          {many(run.calls, 'call')}, {cpu(run.cpu_ms)} CPU{run.tokens > 0 ? `, ${count(run.tokens)} tokens` : ''}
          {run.money_micros > 0 ? `, ${money(run.money_micros)} spent` : ''}
        </Fact>
        {run.left !== null && (
          <Fact name="Budget left">
            <meter min={0} max={1} low={0.2} value={run.left} aria-label="share of its budget that is left" /> {Math.round(run.left * 100)}{' '}
            %
          </Fact>
        )}
      </dl>
    </header>
  );
}
