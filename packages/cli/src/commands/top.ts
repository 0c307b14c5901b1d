/** `corral top`: the live screen of a host, with keys that act on the run under the cursor. */
import type { Command } from 'commander';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { printableJson } from '@corral/protocol/printable';
import { connect, hostFlags, type HostFlags } from '../connect.ts';
import { duration, table } from '../screen/table.ts';
import { inTenant } from './agents.ts';
import { runTable } from './ps.ts';
import { BY_CPU, KEY_HELP, TopScreen, type Look } from './top-screen.ts';

/** Runs that one look lists. */
const SHOWN = 200;

type Totals = RouteAnswer<'totals'>;

export function topCommand(program: Command): void {
  hostFlags(program.command('top'))
    .description('watch the runs of a host; with a terminal, keys act on the one under the cursor')
    .option('--tenant <name>', 'only of this tenant')
    .addHelpText('after', `\nExample:\n  corral top\n\nKeys:\n${KEY_HELP}`)
    .action(async (flags: HostFlags & { readonly tenant?: string }) => {
      const client = connect(flags);
      const look = async (filter: string): Promise<Look> => {
        const query = { limit: SHOWN, live: 'true', ...inTenant(flags), ...(filter === '' ? {} : { q: filter }) };
        const [page, totals] = await Promise.all([client.listRuns({ query }), client.totals({ query: inTenant(flags) })]);
        const head = totalsLines(totals, filter === '' ? page.items.length : undefined);
        return { items: page.items, head };
      };
      if (!process.stdout.isTTY || !process.stdin.isTTY || flags.json === true) {
        const { head, ...page } = await look('');
        const items = page.items.toSorted(BY_CPU);
        if (flags.json === true) process.stdout.write(`${printableJson(items, 2)}\n`);
        else process.stdout.write(`${[...head, '', ...runTable(items)].join('\n')}\n`);
        return;
      }
      await new TopScreen(client, look).shown();
    });
}

/**
 * All runs by state, a line for each tenant, and how many of them are listed.
 * @param shown how many; left out: those that a filter chose
 */
export function totalsLines({ items, cells }: Totals, shown?: number): string[] {
  const sum = (name: 'live' | 'queued' | 'active' | 'paused' | 'quarantined' | 'busy' | 'residents') =>
    items.reduce((all, one) => all + one[name], 0);
  const cut = shown !== undefined && shown < sum('live') ? `, the newest ${shown} shown` : '';
  const rows = items.map((one) => [
    one.tenant,
    `${one.live}/${one.queue_most}`,
    `${one.queued}`,
    `${one.active}`,
    `${one.paused}`,
    `${one.quarantined}`,
    `${one.residents}/${one.residents_most}`,
    `${one.busy}`,
    `${one.cells}/${one.cells_most}`,
    duration(one.replay_cpu_ms),
  ]);
  const titles = ['tenant', 'live', 'queued', 'active', 'paused', 'quarantined', 'in memory', 'busy', 'cells', 'replay'];
  return [
    `${sum('live')} ${sum('live') === 1 ? 'run' : 'runs'}${cut}: ${sum('queued')} queued, ${sum('active')} active, ${sum('paused')} paused, ${sum('quarantined')} quarantined; ${sum('busy')} of ${sum('residents')} in memory have something to do; ${cells} ${cells === 1 ? 'cell' : 'cells'}`,
    ...table(
      titles.map((title, i) => (i === 0 ? { title } : { title, align: 'right' })),
      rows,
    ),
  ];
}
