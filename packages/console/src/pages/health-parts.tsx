/** What a host is short of: runs that wait and those that have the places, cells, breakers, and the hosts that share its store. */
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { href } from '../data/address.ts';
import { count, cpu, duration, tail } from '../format.ts';
import { Ago, Badge, Empty, Until, type Tone } from '../ui/parts.tsx';
import { Table } from '../ui/table.tsx';
import { Text } from '../ui/text.tsx';
import { ToolName } from '../ui/tool-name.tsx';

type QueueNow = RouteAnswer<'showQueue'>;
type CellNow = RouteAnswer<'listCells'>['items'][number];
type BreakerNow = RouteAnswer<'listBreakers'>['items'][number];
type NodeNow = RouteAnswer<'listNodes'>['items'][number];
export interface HealthParts {
  readonly queue: QueueNow;
  readonly cells: readonly CellNow[];
  readonly breakers: readonly BreakerNow[];
  readonly nodes: readonly NodeNow[] | undefined;
}

const Run = ({ run }: { readonly run: string }) => (
  <a href={href('run', run)}>
    <code title={run}>{tail(run)}</code>
  </a>
);

export function Queue({ of: { items, tenants, next } }: { readonly of: QueueNow }) {
  return (
    <>
      <h2>Queue</h2>
      {items.length === 0 && <Empty>Nothing waits for its first turn.</Empty>}
      {tenants.map(({ tenant, queued, oldest, residents, residents_most, cells, cells_most, holders }) => (
        <p key={tenant}>
          <Text of={tenant} />: {count(queued)} wait, the oldest since <Ago at={oldest} />; {count(residents)} of {count(residents_most)}{' '}
          places in memory and {cells} of {cells_most} cells are in use, by{' '}
          {holders.map(({ run, agent, on_cpu, waiting_for: waits }, index) => (
            <span key={run}>
              {index > 0 && ', '}
              <Text of={agent} /> <Run run={run} />
              {on_cpu ? (
                ' (on a CPU)'
              ) : waits === '' ? (
                ''
              ) : (
                <>
                  {' '}
                  (waits for <Text of={waits} />)
                </>
              )}
            </span>
          ))}
          .
        </p>
      ))}
      {items.length > 0 && (
        <Table
          label="Queued runs"
          first="Run"
          rows={items}
          keyOf={({ run }) => run}
          head={({ run, agent }) => (
            <>
              <Run run={run} /> <Text of={agent} />
            </>
          )}
          columns={[
            ['Tenant', ({ tenant }) => <Text of={tenant} />],
            ['Position', ({ position }) => count(position)],
            ['Since', ({ since }) => <Ago at={since} />],
            ['Why', ({ why }) => <Text of={why} />],
          ]}
        />
      )}
      {next !== null && (
        <p class="dim">
          The first {count(items.length)} of {count(tenants.reduce((sum, { queued }) => sum + queued, 0))}.{' '}
          <a href={`${href('runs')}?state=queued&order=asc`}>All queued runs</a>
        </p>
      )}
    </>
  );
}

const CELL_TONES: Readonly<Record<CellNow['state'], Tone>> = {
  starting: 'calm',
  idle: 'calm',
  working: 'busy',
  stuck: 'warn',
  paused: 'warn',
  frozen: 'calm',
  ending: 'calm',
};
/** Runs of a cell that are named. */
const NAMED = 5;

export function Cells({ of }: { readonly of: readonly CellNow[] }) {
  return (
    <>
      <h2>Cells</h2>
      {of.length === 0 ? (
        <Empty>None is running.</Empty>
      ) : (
        <Table
          label="Cells"
          first="Cell"
          rows={of}
          keyOf={({ cell }) => cell}
          head={({ cell, state }) => (
            <>
              <code>{cell}</code> <Badge tone={CELL_TONES[state]}>{state}</Badge>
            </>
          )}
          columns={[
            ['Tenant', ({ tenant }) => (tenant === null ? 'free' : <Text of={tenant} />)],
            ['On its CPU', ({ on_cpu }) => (on_cpu === null ? '—' : <Run run={on_cpu} />)],
            [
              'Runs',
              ({ runs, run_count }) => (
                <>
                  {count(run_count)}{' '}
                  {runs.slice(0, NAMED).map((run) => (
                    <span key={run}>
                      <Run run={run} />{' '}
                    </span>
                  ))}
                </>
              ),
            ],
            ['CPU', ({ cpu_ms }) => (cpu_ms === null ? '—' : cpu(cpu_ms))],
            ['Memory', ({ memory_mib }) => (memory_mib === null ? '—' : `${count(memory_mib)} MiB`)],
          ]}
        />
      )}
    </>
  );
}

export function Breakers({ of }: { readonly of: readonly BreakerNow[] }) {
  return (
    <>
      <h2>Breakers</h2>
      {of.length === 0 && <Empty>None is open.</Empty>}
      <ul class="cards spaced">
        {of.map(({ kind, tenant, name, version, state, since, until, why }) => (
          <li class="card pad" key={`${kind} ${tenant} ${name} ${version}`}>
            <Badge tone={state === 'open' ? 'bad' : 'warn'}>{state === 'open' ? 'open' : 'is tried'}</Badge> {kind}{' '}
            <strong>{kind === 'tool' ? <ToolName of={name} tenant={tenant} /> : <Text of={name} />}</strong>{' '}
            <span class="dim">
              of <Text of={tenant} />
              {since !== null && (
                <>
                  , since <Ago at={since} />
                </>
              )}
              , <Until at={until} to="tried in" past="tried with the next one" />
            </span>
            <p>
              <Text of={why} />
            </p>
          </li>
        ))}
      </ul>
    </>
  );
}

export function Nodes({ of }: { readonly of: readonly NodeNow[] }) {
  return (
    <>
      <h2>Nodes</h2>
      <Table
        label="Nodes"
        first="Node"
        rows={of}
        keyOf={({ node }) => String(node)}
        head={({ node, name, here, alive }) => (
          <>
            <Text of={name} /> {node} <Badge tone={alive ? 'good' : 'calm'}>{alive ? 'alive' : 'gone'}</Badge> {here && 'this host'}
          </>
        )}
        columns={[
          ['Joined', ({ since }) => <Ago at={since} />],
          ['Last seen', ({ seen_at }) => <Ago at={seen_at} />],
          [
            'Lease',
            ({ alive, lease_until }) =>
              lease_until === null ? (alive ? 'none' : '—') : `${duration(Math.max(0, lease_until - Date.now()))} left`,
          ],
          ['Runs', ({ runs }) => count(runs)],
        ]}
      />
    </>
  );
}
