/** `corral authority`: everything a run or an agent can reach, and why. */
import type { Command } from 'commander';
import type { Client } from '@corral/protocol/api/client';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { CorralError } from '@corral/protocol/errors';
import { sourceIn, targetIn, targetText, type RunId } from '@corral/protocol/ids';
import { budgetText } from '../screen/amounts.ts';
import { connect, hostFlags, print, type HostFlags } from '../connect.ts';
import { printable } from '../screen/table.ts';
import { moment } from '../screen/time.ts';
import { inTenant } from './agents.ts';

type Authority = RouteAnswer<'runAuthority'>;
type Version = RouteAnswer<'showAgent'>['history'][number];
type Tool = RouteAnswer<'listTools'>['items'][number];

interface Flags extends HostFlags {
  readonly tenant?: string;
  readonly diff?: readonly string[];
}

/** A target that a version may use: by its own manifest, or through an agent that it may start. */
interface Reach {
  readonly target: string;
  readonly by: string;
  readonly alias: string;
  readonly about: string;
}

export function authorityCommand(program: Command): void {
  hostFlags(program.command('authority'))
    .description('say everything a run or an agent can reach, and why')
    .argument('<of>', 'a run, or NAME, NAME@ALIAS, NAME@sha256:…')
    .option('--diff <versions...>', 'of an agent: what the second of two aliases or versions can reach and the first cannot')
    .option('--tenant <name>', 'tenant of the agent, on hosts with several')
    .addHelpText('after', '\nExample:\n  corral authority buyer --diff prod latest')
    .action(async (of: string, flags: Flags) => {
      const client = connect(flags);
      if (of.startsWith('run_')) {
        const authority = await client.runAuthority({ params: { run: of as RunId } });
        print(flags, authority, () => runLines(authority).join('\n'));
        return;
      }
      const [agent = '', at = 'latest'] = of.split('@');
      if (flags.diff === undefined) {
        const reach = await reachOf(client, agent, at, flags);
        print(flags, reach, () => reachLines(reach).join('\n') || 'nothing');
        return;
      }
      const [a, b, ...more] = flags.diff;
      if (a === undefined || b === undefined || more.length > 0)
        throw new CorralError('CORRAL_USAGE', '--diff takes two versions: --diff prod latest.');
      const [before, after] = [await reachOf(client, agent, a, flags), await reachOf(client, agent, b, flags)];
      const key = ({ target, by }: Reach) => `${by} ${target}`;
      const gone = before.filter((one) => !after.some((other) => key(other) === key(one)));
      const come = after.filter((one) => !before.some((other) => key(other) === key(one)));
      print(flags, { gained: come, lost: gone }, () =>
        come.length + gone.length === 0
          ? 'the same'
          : [...reachLines(come).map((line) => `+ ${line}`), ...reachLines(gone).map((line) => `- ${line}`)].join('\n'),
      );
    });
}

/** Targets by its manifest and those of all agents it may start, at any depth. */
async function reachOf(client: Client, agent: string, at: string, flags: Flags): Promise<Reach[]> {
  const tools = new Map((await client.listTools({ query: inTenant(flags) })).items.map((tool) => [tool.tool, tool]));
  const main = await versionOf(client, agent, at, flags);
  const seen = new Map<string, Version>();
  const visit = async (one: Version): Promise<void> => {
    if (seen.has(one.agent)) return;
    seen.set(one.agent, one);
    for (const name of one.manifest.spawns) {
      const { history } = await client.showAgent({ params: { agent: name }, query: inTenant(flags) });
      const child = history.find(({ bundle }) => bundle === one.bundle);
      if (child !== undefined) await visit(child);
    }
    // A service acts on behalf of callers, so a caller reaches what the service may use.
    for (const wanted of Object.values(one.manifest.uses)) {
      if (!wanted.startsWith('service:')) continue;
      const service = await versionOf(client, wanted.slice('service:'.length), 'latest', flags).catch(() => undefined);
      if (service !== undefined) await visit(service);
    }
  };
  await visit(main);
  return [...seen.values()].flatMap(({ agent: by, manifest: { uses, code } }) => [
    ...Object.entries(uses).flatMap(([alias, wanted]) => {
      const source = sourceIn(wanted);
      if (source !== undefined) {
        const members = [...tools.values()].filter(({ tool }) => tool.startsWith(`${source}.`));
        if (members.length === 0) return [{ target: wanted, by, alias, about: 'not offered here' }];
        return members.map((tool) => ({
          target: tool.tool,
          by,
          alias: `${alias}${tool.tool.slice(source.length)}`,
          about: aboutOf(tool),
        }));
      }
      const target = targetIn(wanted);
      const isTool = wanted !== 'mailbox' && !wanted.startsWith('service:');
      const about = isTool ? aboutOf(tools.get(target)) : wanted === 'mailbox' ? '' : 'is written to';
      return { target, by, alias, about };
    }),
    ...(code === true
      ? [{ target: 'code', by, alias: 'spawn.code', about: 'programs that it makes, which reach no more than it does' }]
      : []),
  ]);
}

async function versionOf(client: Client, agent: string, at: string, flags: Flags): Promise<Version> {
  const { history, aliases } = await client.showAgent({ params: { agent }, query: inTenant(flags) });
  const digest = at === 'latest' ? history[0]?.version : (aliases.find(({ alias }) => alias === at)?.version ?? at);
  const found = history.find(
    ({ version }) => digest !== undefined && (version === digest || (digest.length >= 15 && version.startsWith(digest))),
  );
  if (found === undefined) throw new CorralError('CORRAL_VERSION_UNKNOWN', `${agent} has no ${at}.`);
  return found;
}

function aboutOf(tool: Tool | undefined): string {
  if (tool === undefined) return 'not offered here';
  const { readOnly, destructive, openWorld, money, costs, destinations } = tool.annotations;
  return [
    readOnly === true ? 'reads' : destructive === true ? 'changes for good' : 'changes',
    ...(openWorld === true ? ['reaches outside'] : []),
    ...(typeof money === 'string' ? ['moves money'] : []),
    ...(typeof costs === 'object' && costs !== null ? ['costs'] : []),
    ...(Array.isArray(destinations) && destinations.length > 0 ? [`to ${destinations.join(', ')}`] : []),
  ].join(', ');
}

const reachLines = (reach: readonly Reach[]): string[] =>
  reach.map(({ target, by, alias, about }) => `${target.padEnd(24)} ${about}, as \`${alias}\` of ${by}`);

function runLines(authority: Authority): string[] {
  const { run, agent, tenant, principal, ended, quarantined, reaches, spawns, code, budget } = authority;
  return [
    `${run}  ${agent} of ${tenant}, submitted by ${principal}`,
    ...(ended ? ['  it has ended and can reach nothing'] : []),
    ...(quarantined === null ? [] : [`  under quarantine: ${printable(quarantined)}`]),
    ...reaches.flatMap(({ alias, kind, name, offered, works, chain }) => [
      `${works ? '  ' : '✗ '}${targetText(name) === name ? name : `${kind} ${name}`}${alias === null ? ', handed to it while it ran' : alias === '' ? ' (its own)' : `, as \`${alias}\``}${offered ? '' : ', which the host does not offer now'}`,
      ...chain.map((one, i) => `    ${i === 0 ? 'by' : 'from'} ${one.grant} of ${one.holder}${termsOf(one)}`),
    ]),
    `  may spend ${budgetText(budget)}`,
    ...(spawns.length === 0 ? [] : [`  may start ${spawns.join(', ')}, with no more than the above`]),
    ...(code ? ['  may run programs that it makes, with no more than the above'] : []),
  ];
}

function termsOf({
  where,
  uses,
  used,
  expires_at,
  rate_per_minute,
  bytes,
  rights,
  only_clean,
  trace,
  revoked,
}: Authority['reaches'][number]['chain'][number]): string {
  const terms = [
    ...Object.entries(where).map(([name, predicate]) => `${name} ${JSON.stringify(predicate)}`),
    ...(uses === null ? [] : [`${uses - used} of ${uses} uses left`]),
    ...(rate_per_minute === null ? [] : [`${rate_per_minute} uses a minute`]),
    ...(bytes === null ? [] : [`${bytes} bytes`]),
    ...(rights === null ? [] : [rights.length === 0 ? 'no rights' : `to ${rights.join(', ')}`]),
    ...(only_clean ? ['while nothing of a stranger’s was read'] : []),
    ...(trace ? ['told the trace of the run'] : []),
    ...(expires_at === null ? [] : [`until ${moment(expires_at)}`]),
    ...(revoked ? ['taken back'] : []),
  ];
  return terms.length === 0 ? '' : `: ${printable(terms.join('; '))}`;
}
