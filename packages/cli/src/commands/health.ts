/** `corral health`: whether a host takes work, and what it is short of. */
import type { Command } from 'commander';
import type { Client } from '@corral/protocol/api/client';
import { CorralError } from '@corral/protocol/errors';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { connect, hostFlags, print, type HostFlags } from '../connect.ts';
import { age, duration, printable, table, type Column } from '../screen/table.ts';
import { moment } from '../screen/time.ts';
import { wholeNumber } from '../whole-number.ts';
import { inTenant } from './agents.ts';

interface Flags extends HostFlags {
  readonly tenant?: string;
  readonly limit: string;
}

export function healthCommand(program: Command): void {
  hostFlags(program.command('health'))
    .description('say whether a host takes work, and show its nodes, cells, queue, breakers and webhooks')
    .option('--tenant <name>', 'of one tenant')
    .option('--limit <number>', 'queued runs that are shown', '20')
    .addHelpText('after', `\nExample:\n  corral health --tenant acme`)
    .action(async (flags: Flags) => {
      const health = await read(connect(flags), flags);
      print(flags, health, () => screenOf(health, Date.now()).join('\n'));
    });
}

/** A part that needs a role which the caller has not. */
type Maybe<T> = T | null;
interface Health {
  readonly ready: RouteAnswer<'ready'>;
  readonly nodes: Maybe<RouteAnswer<'listNodes'>['items']>;
  readonly cells: RouteAnswer<'listCells'>['items'];
  readonly queue: RouteAnswer<'showQueue'>;
  readonly breakers: RouteAnswer<'listBreakers'>['items'];
  readonly webhooks: Maybe<RouteAnswer<'listWebhooks'>['items']>;
}

async function read(client: Client, flags: Flags): Promise<Health> {
  const query = inTenant(flags);
  const [ready, nodes, cells, queue, breakers, webhooks] = await Promise.all([
    client.ready({}),
    ifAllowed(client.listNodes({})),
    client.listCells({ query }),
    client.showQueue({ query: { ...query, limit: wholeNumber(flags.limit, '--limit') } }),
    client.listBreakers({ query }),
    ifAllowed(client.listWebhooks({ query })),
  ]);
  return { ready, nodes: nodes?.items ?? null, cells: cells.items, queue, breakers: breakers.items, webhooks: webhooks?.items ?? null };
}

async function ifAllowed<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof CorralError && error.code === 'CORRAL_FORBIDDEN') return undefined;
    throw error;
  }
}

const right = (title: string): Column => ({ title, align: 'right' });
const left = (title: string): Column => ({ title });

function screenOf({ ready, nodes, cells, queue, breakers, webhooks }: Health, now: number): string[] {
  const part = (name: string, lines: readonly string[]) => ['', name, ...lines.map((line) => `  ${line}`)];
  return [
    ready.ready ? 'takes work' : `takes no work: ${ready.why ?? ''}`,
    ...ready.degraded.map(({ what, detail }) => `${what} is impaired: ${detail}`),
    ...(nodes === null ? [] : part('Nodes', nodeTable(nodes, now))),
    ...part('Cells', cells.length === 0 ? ['none'] : cellTable(cells)),
    ...part('Queue', queueLines(queue, now)),
    ...part('Breakers', breakers.length === 0 ? ['none is open'] : breakerTable(breakers)),
    ...(webhooks === null ? [] : part('Webhooks', webhooks.length === 0 ? ['none is configured'] : webhookTable(webhooks))),
  ];
}

const nodeTable = (nodes: NonNullable<Health['nodes']>, now: number): string[] =>
  table(
    [left('NODE'), left('NAME'), left('STATE'), left('JOINED'), left('SEEN'), left('LEASE'), right('RUNS')],
    nodes.map((one) => [
      `${one.node}${one.here ? ' (here)' : ''}`,
      printable(one.name),
      one.alive ? 'alive' : 'gone',
      moment(one.since),
      `${age(now - one.seen_at)} ago`,
      one.lease_until === null ? '' : `${age(one.lease_until - now)} left`,
      String(one.runs),
    ]),
  );

const cellTable = (cells: Health['cells']): string[] =>
  table(
    [left('CELL'), left('TENANT'), left('STATE'), right('PID'), right('RUNS'), left('ON THE CPU'), right('CPU'), right('MEMORY')],
    cells.map((one) => [
      one.cell,
      one.tenant ?? '(free)',
      one.state,
      one.pid === null ? '' : String(one.pid),
      String(one.run_count),
      one.on_cpu ?? '',
      one.cpu_ms === null ? '' : duration(one.cpu_ms),
      one.memory_mib === null ? '' : `${one.memory_mib} MiB`,
    ]),
  );

function queueLines({ items, tenants, next }: Health['queue'], now: number): string[] {
  if (items.length === 0) return ['nothing waits for its first turn'];
  const all = tenants.reduce((sum, { queued }) => sum + queued, 0);
  return [
    ...tenants.map((one) => {
      const holders = one.holders.map(
        ({ run, agent, on_cpu, waiting_for: waits }) =>
          `${run} ${printable(agent)}${on_cpu ? ' on a CPU' : waits === '' ? '' : ` (${printable(waits)})`}`,
      );
      return `${one.tenant}: ${one.queued} wait, the oldest for ${age(now - one.oldest)}; ${one.residents} of ${one.residents_most} places in memory, ${one.cells} of ${one.cells_most} cells: ${holders.join(', ')}`;
    }),
    ...table(
      [right('POSITION'), left('RUN'), left('TENANT'), left('AGENT'), left('BY'), right('WAITS'), left('WHY')],
      items.map((one) => [
        String(one.position),
        one.run,
        one.tenant,
        printable(one.agent),
        printable(one.principal),
        age(now - one.since),
        one.why,
      ]),
    ),
    ...(next === null ? [] : [`${all - items.length} more: --limit`]),
  ];
}

const breakerTable = (breakers: Health['breakers']): string[] =>
  table(
    [left('BREAKER'), left('TENANT'), left('STATE'), left('SINCE'), left('TRIED AT'), left('WHY')],
    breakers.map((one) => [
      `${one.kind} ${printable(one.name)}`,
      one.tenant,
      one.state,
      moment(one.since),
      moment(one.until),
      printable(one.why),
    ]),
  );

const webhookTable = (webhooks: NonNullable<Health['webhooks']>): string[] =>
  table(
    [left('WEBHOOK'), left('URL'), right('WAIT'), right('GIVEN UP'), left('LAST TAKEN'), left('PROBLEM')],
    webhooks.map((one) => [
      one.hook,
      printable(one.url),
      String(one.pending),
      String(one.given_up),
      moment(one.delivered_at),
      one.failures === 0 ? '' : `${one.failures} failures: ${printable(one.error ?? '')}`,
    ]),
  );
