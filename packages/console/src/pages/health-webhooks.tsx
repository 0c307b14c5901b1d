/** Webhooks with their deliveries: what waits, what was taken, what was given up, and sending it again. */
import { useState } from 'preact/hooks';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { ask as request, hasRole } from '../data/api.ts';
import { anyOf, useLoad } from '../data/load.ts';
import { pagesOf } from '../data/pages.ts';
import { count } from '../format.ts';
import { Ago, Badge, Empty, Problem, Until, type Tone } from '../ui/parts.tsx';
import { Reason } from '../ui/reason.tsx';
import { Text } from '../ui/text.tsx';

type Hook = RouteAnswer<'listWebhooks'>['items'][number];
type Delivery = RouteAnswer<'listDeliveries'>['items'][number];

/** Deliveries on a page. */
const PAGE = 20;
/** No event tells of a notification that was taken. */
const EVERY_MS = 5_000;

export function Webhooks() {
  const { data, error, again } = useLoad((signal) => request('listWebhooks', {}, signal), {
    when: anyOf('webhook.given_up'),
    poll_ms: EVERY_MS,
  });
  return (
    <>
      <h2>Webhooks</h2>
      {error !== undefined && <Problem of={error} again={again} />}
      {data?.items.length === 0 && <Empty>The configuration names none.</Empty>}
      <ul class="cards spaced">
        {(data?.items ?? []).map((one) => (
          <Receiver key={one.hook} of={one} done={again} />
        ))}
      </ul>
    </>
  );
}

function Receiver({ of, done }: { readonly of: Hook; readonly done: () => void }) {
  const { hook, url, pending, given_up, failures, delivered_at, rests_until, error } = of;
  const [open, setOpen] = useState(false);
  const [asks, setAsks] = useState(false);
  return (
    <li class="card pad">
      <Badge tone={given_up > 0 ? 'bad' : failures > 0 ? 'warn' : 'good'}>
        {given_up > 0 ? 'gave up' : failures > 0 ? 'fails' : 'works'}
      </Badge>{' '}
      <strong>
        <Text of={hook} />
      </strong>{' '}
      <Text of={url} />{' '}
      <span class="dim">
        {count(pending)} wait, {count(given_up)} given up
        {delivered_at !== null && (
          <>
            , the last taken <Ago at={delivered_at} />
          </>
        )}
        {rests_until !== null && (
          <>
            , <Until at={rests_until} to="tried in" past="tried now" />
          </>
        )}
      </span>
      {error !== null && (
        <p>
          <Text of={error} />
        </p>
      )}
      <div class="row">
        <button type="button" aria-expanded={open} onClick={() => setOpen(!open)}>
          Deliveries
        </button>
        {hasRole('operator', 'admin') && pending + given_up > 0 && (
          <button type="button" onClick={() => setAsks(true)}>
            Send again…
          </button>
        )}
      </div>
      {open && <Deliveries hook={hook} />}
      {asks && (
        <Reason
          title={`Send again to ${hook}?`}
          verb="Send again"
          act={async (reason) => {
            await request('retryDeliveries', { body: { hook, reason } });
            done();
          }}
          onClose={() => setAsks(false)}
        >
          <p>
            {count(pending)} that wait are tried now, and {count(given_up)} that were given up are sent again.
          </p>
        </Reason>
      )}
    </li>
  );
}

const TONES: Readonly<Record<Delivery['state'], Tone>> = { pending: 'busy', delivered: 'good', given_up: 'bad' };
const STATES: Readonly<Record<Delivery['state'], string>> = { pending: 'waits', delivered: 'taken', given_up: 'given up' };

function Deliveries({ hook }: { readonly hook: string }) {
  const [pages, setPages] = useState(1);
  const [asked, setAsked] = useState<Delivery>();
  const { data, error, again } = useLoad(
    (signal) => pagesOf(pages, (at) => request('listDeliveries', { query: { hook, limit: PAGE, ...at } }, signal)),
    { of: [hook], at: [pages], when: anyOf('webhook.given_up'), poll_ms: EVERY_MS },
  );
  return (
    <>
      {error !== undefined && <Problem of={error} again={again} />}
      {data?.items.length === 0 && <Empty>Nothing was sent to it yet.</Empty>}
      <ul class="lines">
        {(data?.items ?? []).map((one) => (
          <li key={one.delivery}>
            <Badge tone={TONES[one.state]}>{STATES[one.state]}</Badge> {one.kind}{' '}
            <span class="dim">
              queued <Ago at={one.at} />, {one.attempts === 1 ? '1 attempt' : `${count(one.attempts)} attempts`}
              {one.state === 'pending' && one.due !== null && (
                <>
                  , <Until at={one.due} to="next in" past="next now" />
                </>
              )}
            </span>{' '}
            {one.error !== null && <Text of={one.error} />}{' '}
            {one.state !== 'delivered' && hasRole('operator', 'admin') && (
              <button type="button" class="quiet" onClick={() => setAsked(one)}>
                send again
              </button>
            )}
          </li>
        ))}
      </ul>
      {data?.more === true && (
        <button type="button" onClick={() => setPages(pages + 1)}>
          More
        </button>
      )}
      {asked !== undefined && (
        <Reason
          title="Send this again?"
          verb="Send again"
          act={async (reason) => {
            await request('retryDeliveries', { body: { delivery: asked.delivery, reason } });
            again();
          }}
          onClose={() => setAsked(undefined)}
        >
          <p>
            {asked.kind} of <Ago at={asked.at} />, to <Text of={asked.url} />
          </p>
        </Reason>
      )}
    </>
  );
}
