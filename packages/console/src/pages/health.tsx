/** Whether the host takes work, what is impaired, and whether its notifications arrive. */
import { useEffect } from 'preact/hooks';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { ask as request, hasRole } from '../data/api.ts';
import { anyOf, useLoad } from '../data/load.ts';
import { isVisible } from '../data/visible.ts';
import { count, cpu } from '../format.ts';
import { Ago, Badge, Empty, Fact, Loading, Problem } from '../ui/parts.tsx';
import { Text } from '../ui/text.tsx';

/** Nothing tells of a change in what the host is short of, so it is asked. */
const EVERY_MS = 5_000;

export function Health() {
  const { data, error, again } = useLoad(
    async (signal) => {
      const [ready, totals] = await Promise.all([request('ready', {}, signal), request('totals', {}, signal)]);
      return { ready, totals };
    },
    { when: (changed, kinds) => changed === undefined || [...kinds].some((kind) => kind.startsWith('host.')) },
  );
  useEffect(() => {
    const timer = setInterval(() => (isVisible() ? again() : undefined), EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  if (data === undefined) return error === undefined ? <Loading /> : <Problem of={error} again={again} />;
  const { ready, totals } = data;
  return (
    <section>
      <div class="bar">
        <h1>Health</h1>
        <Badge tone={ready.ready ? 'good' : 'bad'}>{ready.ready ? 'takes work' : 'takes no work'}</Badge>
        {ready.degraded.length > 0 && <Badge tone="warn">impaired</Badge>}
      </div>
      {error !== undefined && <Problem of={error} again={again} />}
      <Reasons of={ready} />
      <dl class="facts">
        <Fact name="Runs that have not ended">{count(ready.runs)}</Fact>
        <Fact name="Taken up when it started">{count(ready.recovered)}</Fact>
        <Fact name="Cells">{totals.cells}</Fact>
        <Fact name="In memory">{count(sum(totals, ({ residents }) => residents))}</Fact>
        <Fact name="Have something to do">{count(sum(totals, ({ busy }) => busy))}</Fact>
        <Fact name="CPU for replay">{cpu(sum(totals, ({ replay_cpu_ms }) => replay_cpu_ms))}</Fact>
      </dl>
      {hasRole('operator', 'auditor', 'admin') && <Webhooks />}
    </section>
  );
}

const sum = ({ items }: RouteAnswer<'totals'>, of: (row: RouteAnswer<'totals'>['items'][number]) => number): number =>
  items.reduce((all, row) => all + of(row), 0);

function Reasons({ of }: { readonly of: RouteAnswer<'ready'> }) {
  return (
    <>
      {of.reasons.map(({ reason, detail, since }) => (
        <p class="problem" key={reason}>
          <code>{reason}</code> <Text of={detail} />
          {since !== undefined && (
            <>
              , since <Ago at={since} />
            </>
          )}
        </p>
      ))}
      {of.degraded.map(({ what, detail }) => (
        <p class="problem" key={what}>
          <code>{what}</code> <Text of={detail} />
        </p>
      ))}
      {of.config_refused && <p class="problem">The configuration’s file was refused at the start; the last accepted one is in force.</p>}
    </>
  );
}

function Webhooks() {
  const { data, error, again } = useLoad((signal) => request('listWebhooks', {}, signal), { when: anyOf('webhook.given_up') });
  return (
    <>
      <h2>Webhooks</h2>
      {error !== undefined && <Problem of={error} again={again} />}
      {data?.items.length === 0 && <Empty>The configuration names none.</Empty>}
      <ul class="cards spaced">
        {(data?.items ?? []).map(({ hook, url, pending, given_up, failures, delivered_at, error: last }) => (
          <li class="card pad" key={hook}>
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
            </span>
            {last !== null && (
              <p>
                <Text of={last} />
              </p>
            )}
          </li>
        ))}
      </ul>
    </>
  );
}
