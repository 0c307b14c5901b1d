/** `corral tools`: who may reach a tool, the tools that others declare to a host, and what a person has to review of them. */
import type { Command } from 'commander';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { CorralError } from '@corral/protocol/errors';
import { connect, hostFlags, print, withReason, type HostFlags, type Reasoned } from '../connect.ts';
import { printable, table } from '../screen/table.ts';
import { moment } from '../screen/time.ts';
import { toolArgument } from '../selector.ts';
import { inTenant } from './agents.ts';
import { loginCommands } from './logins.ts';

type Reach = RouteAnswer<'showTool'>;
type Review = RouteAnswer<'listToolReviews'>['items'][number];

/** Characters of a value that are shown in a line. */
const SHOWN = 300;

export function toolCommands(program: Command): void {
  const tools = program
    .command('tools')
    .description(
      'who may reach a tool; the tools that MCP servers and documents declare to a host, for review; and logins at these servers',
    );
  hostFlags(tools.command('who'))
    .description('say who may reach a tool: the agents that declare it, the runs that hold it, and the last calls')
    .argument('<tool>', 'such as payments.send, model:default, service:claims')
    .option('--tenant <name>', 'tenant, on hosts with several')
    .addHelpText(
      'after',
      `\nExample:\n  corral tools who payments.send\n  corral ps --holds payments.send\n  corral revoke --tool payments.send --agent payer -m 'it pays twice'`,
    )
    .action(async (name: string, flags: HostFlags & { readonly tenant?: string }) => {
      const tool = await connect(flags).showTool({ params: { tool: toolArgument(name) }, query: inTenant(flags) });
      print(flags, tool, () => whoLines(tool).join('\n'));
    });
  hostFlags(tools.command('review'))
    .description('show how the tools of a source differ from those that were accepted, and accept them')
    .argument('[source]', 'such as mcp:crm; left out: all sources in a list')
    .option('--accept <digest>', 'accept what it declares now, by the digest that was shown; the first characters are enough')
    .option('-m, --reason <text>', 'reason; it is recorded')
    .addHelpText(
      'after',
      `\nExample:\n  corral tools review mcp:crm\n  corral tools review mcp:crm --accept sha256:3f2a -m 'the new description is right'`,
    )
    .action(async (source: string | undefined, flags: HostFlags & Reasoned & { readonly accept?: string }) => {
      const client = connect(flags);
      const { items } = await client.listToolReviews({});
      if (source === undefined) return print(flags, items, () => listed(items));
      const review = items.find((one) => one.source === source);
      if (review === undefined)
        throw new CorralError(
          'CORRAL_USAGE',
          `There is no source ${source}; there are: ${items.map((one) => one.source).join(', ') || 'none'}.`,
        );
      if (flags.accept === undefined) return print(flags, review, () => shown(review));
      const digest = review.offered?.digest;
      if (digest === undefined || !digest.startsWith(flags.accept) || flags.accept.length < 'sha256:1234'.length)
        throw new CorralError('CORRAL_TOOLS_CHANGED', `${source} declares ${digest ?? 'nothing'} now, and not ${flags.accept}.`);
      const accepted = await client.acceptTools({ params: { source }, body: { digest, ...withReason(flags) } });
      print(flags, accepted, () => `${accepted.source}  ${accepted.tools} tools accepted, ${accepted.digest.slice(0, 19)}`);
    });
  loginCommands(tools);
}

function whoLines({ tool, offered, quarantined, resting, declared, handed, holding, under_way, called }: Reach): string[] {
  const runs = (count: number) => `${count} ${count === 1 ? 'run' : 'runs'}`;
  return [
    `${tool}${offered ? '' : ', which the host does not offer now'}`,
    ...(quarantined === null ? [] : [`  under quarantine by ${printable(quarantined.by)}: ${printable(quarantined.reason)}`]),
    ...(resting === null
      ? []
      : [`  its breaker is ${resting.state.replace('_', ' ')} until ${moment(resting.until)}: ${printable(resting.why)}`]),
    ...(declared.length === 0 ? ['no agent declares it'] : ['declared by']),
    ...declared.map(
      (one) =>
        `  ${one.agent}@${one.version.slice(0, 19)}${namesOf(one)}, as ${one.as.map((as) => `\`${as}\``).join(', ')}; ${one.holding} of ${runs(one.live)} hold it`,
    ),
    ...handed.map((one) => `  ${one.agent}@${one.version.slice(0, 19)} does not; it was handed to ${runs(one.holding)}`),
    `held by ${runs(holding)}, ${under_way} ${under_way === 1 ? 'call' : 'calls'} under way`,
    ...(called.length === 0 ? ['not called lately'] : ['last calls']),
    ...called.map(
      ({ at, run, agent, call, code }) => `  ${moment(at)}  ${run}  ${printable(agent)}  call ${call}${code === null ? '' : `  ${code}`}`,
    ),
  ];
}

function namesOf({ latest, aliases }: Reach['declared'][number]): string {
  const names = [...(latest ? ['latest'] : []), ...aliases];
  return names.length === 0 ? '' : ` (${names.join(', ')})`;
}

function listed(items: readonly Review[]): string {
  if (items.length === 0) return 'no source declares tools to this host';
  return table(
    [{ title: 'SOURCE' }, { title: 'ACCEPTED' }, { title: 'BY' }, { title: 'TOOLS' }, { title: 'TO REVIEW' }],
    items.map((one) => [
      one.source,
      one.accepted === null ? 'nothing' : moment(one.accepted.at),
      one.accepted?.by ?? '',
      String(one.accepted?.tools ?? one.offered?.tools ?? 0),
      [...needsOf(one), ...one.differences.map(({ tool, kind }) => `${tool} (${kind})`)].join(', '),
    ]),
  ).join('\n');
}

/** The logins that a source lacks. */
const needsOf = ({ source, needs_login }: Review): string[] =>
  needs_login.map((account) => {
    const command = `corral tools login ${source.replace(/^mcp:/, '')}`;
    return `needs login (${command}${account === 'host' ? '' : ` --account ${account}`})`;
  });

function shown(review: Review): string {
  const { source, accepted, offered, differences, notes } = review;
  return [
    `${source}  ${accepted === null ? 'nothing was accepted' : `${accepted.tools} tools accepted by ${accepted.by}, ${accepted.digest.slice(0, 19)}`}`,
    ...differences.flatMap(({ tool, kind, members }) => [
      `${tool}: ${kind === 'changed' ? 'changed, and suspended' : kind === 'removed' ? 'gone, and suspended' : 'new, and not offered'}`,
      ...members.flatMap(({ path, before, now }) => [
        ...(path === '' ? [] : [`  ${printable(path)}`]),
        ...(before === null ? [] : [`    - ${brief(before)}`]),
        ...(now === null ? [] : [`    + ${brief(now)}`]),
      ]),
    ]),
    ...needsOf(review),
    ...notes.map((note) => `note: ${printable(note)}`),
    ...(offered !== null && (accepted === null || differences.length > 0)
      ? [`to accept this: corral tools review ${source} --accept ${offered.digest.slice(0, 19)} -m WHY`]
      : ['nothing is to be reviewed']),
  ].join('\n');
}

function brief(value: unknown): string {
  const text = printable(JSON.stringify(value));
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}… (${text.length} characters; --json prints all)` : text;
}
