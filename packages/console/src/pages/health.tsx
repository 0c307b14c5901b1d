/** Whether the host takes work, what is impaired, and whether its notifications arrive. */
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { ask as request, hasRole, me } from '../data/api.ts';
import { useLoad } from '../data/load.ts';
import { count, cpu } from '../format.ts';
import { Ago, Badge, Fact, Loading, Problem } from '../ui/parts.tsx';
import { Text } from '../ui/text.tsx';
import { Breakers, Cells, Nodes, Queue, type HealthParts } from './health-parts.tsx';
import { Webhooks } from './health-webhooks.tsx';

/** Nothing tells of a change in what the host is short of, so it is asked. */
const EVERY_MS = 5_000;
/** Queued runs that are shown. */
const QUEUED = 50;

export function Health() {
  const { data, error, again } = useLoad(
    async (signal) => {
      const [ready, totals, cells, queue, breakers, nodes] = await Promise.all([
        request('ready', {}, signal),
        request('totals', {}, signal),
        request('listCells', {}, signal),
        request('showQueue', { query: { limit: QUEUED } }, signal),
        request('listBreakers', {}, signal),
        me.value?.tenant === '*' && hasRole('operator', 'auditor', 'admin') ? request('listNodes', {}, signal) : undefined,
      ]);
      return { ready, totals, parts: { cells: cells.items, queue, breakers: breakers.items, nodes: nodes?.items } satisfies HealthParts };
    },
    { when: (changed, kinds) => changed === undefined || [...kinds].some((kind) => kind.startsWith('host.')), poll_ms: EVERY_MS },
  );
  if (data === undefined) return error === undefined ? <Loading /> : <Problem of={error} again={again} />;
  const { ready, totals, parts } = data;
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
        <Fact name="Runs that have not ended">{count(sum(totals, ({ live }) => live))}</Fact>
        <Fact name="Taken up when it started">{count(ready.recovered)}</Fact>
        <Fact name="Cells">{totals.cells}</Fact>
        <Fact name="In memory">{count(sum(totals, ({ residents }) => residents))}</Fact>
        <Fact name="Have something to do">{count(sum(totals, ({ busy }) => busy))}</Fact>
        <Fact name="CPU for replay">{cpu(sum(totals, ({ replay_cpu_ms }) => replay_cpu_ms))}</Fact>
      </dl>
      <Queue of={parts.queue} />
      <Cells of={parts.cells} />
      <Breakers of={parts.breakers} />
      {parts.nodes !== undefined && <Nodes of={parts.nodes} />}
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
