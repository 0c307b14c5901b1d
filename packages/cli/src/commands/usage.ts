/** `corral usage`: what was spent by tenant, agent, person, model or tool, as a table, as JSON or as CSV. */
import { Option, type Command } from 'commander';
import { USAGE_BY, USAGE_PER, usageCsv, USAGE_ROWS, type UsageReport } from '@corral/protocol/api/usage';
import { csvText } from '@corral/protocol/csv';
import { CorralError } from '@corral/protocol/errors';
import { amountText } from '@corral/protocol/model/cost';
import { connect, hostFlags, print, type HostFlags } from '../connect.ts';
import { printable, table } from '../screen/table.ts';
import { inTenant } from './agents.ts';

interface Flags extends HostFlags {
  readonly tenant?: string;
  readonly agent?: string;
  readonly person?: string;
  readonly tool?: string;
  readonly by: UsageReport['by'];
  readonly per: UsageReport['per'];
  readonly from?: string;
  readonly until?: string;
  readonly csv?: boolean;
}

export function usageCommand(program: Command): void {
  hostFlags(program.command('usage'))
    .description('say what was spent by tenant, agent, person, model or tool, in a span of days')
    .option('--tenant <name>', 'of one tenant')
    .option('--agent <name>', 'only runs of this agent')
    .option('--person <name>', 'only runs that this person is behind, such as token:ana')
    .option('--tool <name>', 'only calls of this tool; a model is model:NAME')
    .addOption(new Option('--by <what>', 'what is summed').choices([...USAGE_BY]).default('agent'))
    .addOption(
      new Option('--per <period>', 'by the day or month of UTC; all: the whole time together').choices([...USAGE_PER]).default('all'),
    )
    .option('--from <day>', 'the first day, such as 2026-11-01; left out: the beginning of this month')
    .option('--until <day>', 'the last day; left out: today')
    .option('--csv', 'print CSV, for a spreadsheet')
    .addHelpText(
      'after',
      `\nExample:\n  corral usage --by model --per day --from 2026-11-01\n  corral usage --by person --csv > people.csv`,
    )
    .action(async (flags: Flags) => {
      if (flags.csv === true && flags.json === true) throw new CorralError('CORRAL_USAGE', 'Ask for --json or for --csv, not for both.');
      const report = await wholeReport(flags);
      if (flags.csv === true) process.stdout.write(csvText(usageCsv(report)));
      else print(flags, report, () => (report.items.length === 0 ? NOTHING : usageTable(report).join('\n')));
    });
}

/** All pages as one. */
async function wholeReport(flags: Flags): Promise<UsageReport> {
  const client = connect(flags);
  const given = (['agent', 'person', 'tool', 'from', 'until'] as const).flatMap((name) =>
    flags[name] === undefined ? [] : [[name, flags[name]] as const],
  );
  const query = { ...inTenant(flags), ...Object.fromEntries(given), by: flags.by, per: flags.per, limit: USAGE_ROWS };
  const report = await client.usage({ query });
  const items = [...report.items];
  for (let { next } = report; next !== null;) {
    const page = await client.usage({ query: { ...query, cursor: next } });
    items.push(...page.items);
    next = page.next;
  }
  return { ...report, items, next: null };
}

/** Most calls charge nothing, so a host that made many may have nothing to show. */
const NOTHING =
  'nothing was spent in this time; counted are money, tokens and the calls that charge something.\n`corral spend` has the limits.';

function usageTable({ by, per, items, total }: UsageReport): string[] {
  const named = by !== 'all' && by !== 'tenant';
  const tenants = items.some(({ tenant }) => tenant !== null);
  const right = (title: string) => ({ title, align: 'right' as const });
  const amounts = (one: UsageReport['items'][number] | UsageReport['total']) => [
    amountText('money_micros', one.money_micros),
    amountText('tokens', one.tokens),
    amountText('calls', one.calls),
  ];
  const first = [...(per === 'all' ? [] : ['PERIOD']), ...(tenants ? ['TENANT'] : []), ...(named ? [by.toUpperCase()] : [])];
  const rows = items.map((one) => [
    ...(per === 'all' ? [] : [one.period ?? '']),
    ...(tenants ? [one.tenant ?? ''] : []),
    ...(named ? [one.name === '' ? '(inspectors)' : printable(one.name ?? '')] : []),
    ...amounts(one),
  ]);
  const sum = first.length === 0 ? [] : [[...first.map((_, i) => (i === 0 ? 'total' : '')), ...amounts(total)]];
  return table([...first.map((title) => ({ title })), ...['MONEY', 'TOKENS', 'CALLS'].map(right)], [...rows, ...sum]);
}
