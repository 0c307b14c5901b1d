/** `corral spend`: what tenants, their agents and their people spent, and their limits. */
import type { Command } from 'commander';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { amountText, budgetName } from '@corral/protocol/model/cost';
import { SPEND_NAMES } from '@corral/protocol/model/spend';
import { connect, hostFlags, print, type HostFlags } from '../connect.ts';
import { printable, table } from '../screen/table.ts';
import { inTenant } from './agents.ts';

type Account = RouteAnswer<'listSpend'>['items'][number];
interface Flags extends HostFlags {
  readonly tenant?: string;
  readonly agent?: string;
  readonly person?: string;
  readonly by: 'day' | 'month';
  readonly since?: string;
}

export function spendCommand(program: Command): void {
  hostFlags(program.command('spend'))
    .description('say what tenants, their agents and their people spent, by day or month of UTC, and their limits')
    .option('--tenant <name>', 'of one tenant')
    .option('--agent <name>', 'the account of one agent')
    .option('--person <name>', 'the account of one person, such as token:ana')
    .option('--by <period>', 'day or month', 'month')
    .option('--since <day>', 'the first day, such as 2026-11-01; left out: the current period')
    .addHelpText('after', `\nExample:\n  corral spend --by day --since 2026-11-01 --agent buyer`)
    .action(async (flags: Flags) => {
      const { agent, person, by, since } = flags;
      const { items } = await connect(flags).listSpend({
        query: {
          ...inTenant(flags),
          ...(agent === undefined ? {} : { agent }),
          ...(person === undefined ? {} : { person }),
          by,
          ...(since === undefined ? {} : { since }),
        },
      });
      print(flags, items, () => (items.length === 0 ? NOTHING : spendTable(items).join('\n')));
    });
}

/** Most calls charge nothing, so a host that made many may have no account. */
const NOTHING =
  'nothing was spent; counted are money, tokens and the calls that charge something, or all calls where a bound on calls asks for them.\n`corral show RUN` has all calls and the CPU time of a run.';

/** One row for each account, period and amount; amounts that are neither spent nor limited are left out. */
function spendTable(items: readonly Account[]): string[] {
  const right = (title: string) => ({ title, align: 'right' as const });
  return table(
    [...['PERIOD', 'TENANT', 'ACCOUNT', ''].map((title) => ({ title })), ...['SPENT', 'RESERVED', 'SOFT', 'HARD', 'LEFT'].map(right)],
    items.flatMap((one) =>
      SPEND_NAMES.flatMap((name) => {
        const bound = one.bounds[name];
        if (bound === undefined && one.spent[name] === 0 && one.reserved[name] === 0) return [];
        const said = (amount: number | null | undefined) => (amount === null || amount === undefined ? '' : amountText(name, amount));
        const account = one.kind === 'tenant' ? 'all of it' : `${one.kind} ${printable(one.name)}`;
        return [
          [
            one.period,
            one.tenant,
            account,
            budgetName(name),
            said(one.spent[name]),
            said(one.reserved[name]),
            said(bound?.soft),
            said(bound?.hard),
            said(bound?.left),
          ],
        ];
      }),
    ),
  );
}
