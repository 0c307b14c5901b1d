/** The record of what people did to runs and to the host, each with its receipt. */
import { useState } from 'preact/hooks';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { ask as request } from '../data/api.ts';
import { ask as alter, href, query } from '../data/address.ts';
import { anyOf, useLoad } from '../data/load.ts';
import { pagesOf } from '../data/pages.ts';
import { tail } from '../format.ts';
import { Badge, Empty, Loading, Moment, Problem } from '../ui/parts.tsx';
import { Receipts } from '../ui/receipts.tsx';
import { Brief, Text, Value } from '../ui/text.tsx';

type Act = RouteAnswer<'listOperations'>['items'][number];
const PAGE = 50;
/** Runs of one act that are linked; an act on a tenant may have thousands. */
const LINKED = 50;

/** Events that an act of a person comes with. Acts that have none, such as a token that is made, are read with the next of these. */
const changed = anyOf(
  'run.paused',
  'run.resumed',
  'run.ended',
  'run.decided',
  'run.claimed',
  'run.changed',
  'agent.deployed',
  'alias.moved',
  'config.applied',
  'quarantine.put',
  'quarantine.lifted',
  'grant.revoked',
  'policy.switched',
);
/** Runs end all the time where there are many. */
const EVERY_MS = 5_000;

export function Operations() {
  const [pages, setPages] = useState(1);
  const {
    data: shown,
    error,
    again,
  } = useLoad((signal) => pagesOf(pages, (at) => request('listOperations', { query: { limit: PAGE, ...at } }, signal)), {
    at: [pages],
    when: changed,
    every_ms: EVERY_MS,
  });
  const open = query.value.get('op');
  if (shown === undefined) return error === undefined ? <Loading /> : <Problem of={error} again={again} />;
  return (
    <section>
      <h1>Operations</h1>
      {error !== undefined && <Problem of={error} again={again} />}
      {shown.items.length === 0 && <Empty>Nobody has done anything yet.</Empty>}
      <ol class="cards spaced">
        {shown.items.map((act) => (
          <li class="card" key={act.id}>
            <button
              type="button"
              class="card-head"
              aria-expanded={act.id === open}
              onClick={() => alter({ op: act.id === open ? undefined : act.id })}
            >
              <Badge tone={act.operation === 'kill' ? 'bad' : 'calm'}>{act.operation}</Badge>
              <span class="brief">
                <Text of={act.by} />
                {act.agent !== undefined && (
                  <>
                    {' '}
                    on <Text of={act.agent} /> <code>{tail(act.matched[0] ?? '')}</code>
                  </>
                )}
                {act.reason !== '' ? (
                  <>
                    : <Text of={act.reason} />
                  </>
                ) : (
                  act.agent === undefined && (
                    <>
                      {' '}
                      <Brief of={act.target} />
                    </>
                  )
                )}
              </span>
              {act.refused.length > 0 && <Badge tone="warn">{act.refused.length} refused</Badge>}
              <span class="dim">
                <Moment at={act.at} />
              </span>
            </button>
            {act.id === open && <Detail of={act} />}
          </li>
        ))}
      </ol>
      {shown.more && (
        <button type="button" onClick={() => setPages(pages + 1)}>
          Earlier
        </button>
      )}
    </section>
  );
}

function Detail({ of }: { readonly of: Act }) {
  return (
    <div class="card-body">
      <p>
        <Text of={of.by} /> {of.roles.length > 0 && <span class="dim">({of.roles.join(', ')})</span>}
        {of.who !== undefined && (
          <>
            , who is <Text of={of.who.person} />
          </>
        )}
        : <Text of={of.reason === '' ? 'no reason given' : of.reason} />
      </p>
      <Value of={of.target} />
      {of.matched.length > 0 && (
        <p>
          {of.matched.length === 1 ? 'Run ' : `${of.matched.length} runs: `}
          {of.matched.slice(0, LINKED).map((run) => (
            <span key={run}>
              <a href={href('run', run)}>{run}</a>{' '}
            </span>
          ))}
          {of.matched.length > LINKED && 'and others'}
        </p>
      )}
      <Receipts of={of} />
      <p class="dim">
        <code>{of.id}</code>
      </p>
    </div>
  );
}
