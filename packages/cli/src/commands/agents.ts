/** Agents of a host: deploy, list, alias, roll back. */
import type { Command } from 'commander';
import type { Client } from '@corral/protocol/api/client';
import { CorralError } from '@corral/protocol/errors';
import { namedFile } from '../paths.ts';
import { connect, hostFlags, print, withReason, type HostFlags, type Reasoned } from '../connect.ts';
import { table } from '../screen/table.ts';
import { moment } from '../screen/time.ts';

const short = (digest: string) => digest.slice(0, 19);
interface Tenant extends HostFlags {
  readonly tenant?: string;
}
export const inTenant = (flags: { readonly tenant?: string }) => (flags.tenant === undefined ? {} : { tenant: flags.tenant as never });

export function agentCommands(program: Command): void {
  versionCommands(program);
  aliasCommands(program);
}

function versionCommands(program: Command): void {
  hostFlags(program.command('deploy'))
    .description('bundle an agent and deploy it')
    .argument('<file>', 'the module whose default export is the agent')
    .option('--alias <name>', 'also point this alias at it')
    .option('--tenant <name>', 'for hosts with several tenants')
    .option('-m, --reason <text>', 'reason; it is recorded')
    .addHelpText('after', `\nExample:\n  corral deploy agent.ts --alias prod`)
    .action(async (file: string, flags: Tenant & Reasoned & { readonly alias?: string }) => {
      const { bundleAgent, inAuthorsWords } = await import('../bundle.ts');
      const bundled = await bundleAgent(await namedFile(file));
      const { source, describing, map } = bundled;
      const deploying = connect(flags).deployAgent({
        body: {
          source,
          describing,
          source_map: map,
          ...inTenant(flags),
          ...withReason(flags),
          ...(flags.alias === undefined ? {} : { alias: flags.alias }),
        },
      });
      const deployed = await inAuthorsWords(bundled, deploying);
      print(flags, deployed, () =>
        deployed.agents
          .flatMap(({ agent, version, stays }) => [
            `${agent}  ${version}${flags.alias === undefined || stays.some(({ alias }) => alias === flags.alias) ? '' : `  ${flags.alias}`}`,
            ...stays.map(
              (one) =>
                `  ${agent}@${one.alias} ${one.version === null ? 'is not made' : `stays at ${short(one.version)}…`}: the agent is deployed with ${one.owner}; \`corral alias ${agent} ${one.alias} ${version}\` moves it`,
            ),
          ])
          .join('\n'),
      );
    });

  hostFlags(program.command('agents'))
    .description('list agents, with their aliases')
    .option('--tenant <name>', 'only of this tenant')
    .option('-q, --search <text>', 'only agents with this in their name')
    .addHelpText('after', `\nExample:\n  corral agents --search audit`)
    .action(async (flags: Tenant & { readonly search?: string }) => {
      const { items } = await connect(flags).listAgents({
        query: { limit: 500, ...inTenant(flags), ...(flags.search === undefined ? {} : { q: flags.search }) },
      });
      print(flags, items, () =>
        table(
          [
            { title: 'AGENT' },
            { title: 'TENANT' },
            { title: 'VERSIONS', align: 'right' },
            { title: 'ALIASES' },
            { title: 'RESTS', max: 40 },
            { title: 'PURPOSE', max: 50 },
          ],
          items.map((one) => [
            one.agent,
            one.tenant,
            String(one.versions),
            one.aliases.map(({ alias, version }) => `${alias}=${short(version)}`).join(' '),
            one.resting.map(({ version, until }) => `${short(version)} until ${moment(until)}`).join(' '),
            one.purpose,
          ]),
        ).join('\n'),
      );
    });
}

function aliasCommands(program: Command): void {
  hostFlags(program.command('alias'))
    .description('point an alias at a version')
    .argument('<agent>')
    .argument('<alias>')
    .argument('<version>', 'sha256:…, or as much of its beginning as no other version has; or another alias, such as latest: its version')
    .option('--tenant <name>', 'for hosts with several tenants')
    .option('-m, --reason <text>', 'reason; it is recorded')
    .addHelpText('after', `\nExample:\n  corral alias hello prod sha256:3cf4…`)
    .action(async (agent: string, alias: string, version: string, flags: Tenant & Reasoned) => {
      const client = connect(flags);
      const moved = await client.moveAlias({
        params: { agent, alias },
        body: { version: await wholeVersion(client, agent, version, flags), ...inTenant(flags), ...withReason(flags) },
      });
      print(flags, moved, () => `${agent}@${moved.alias}  ${moved.version}`);
    });

  hostFlags(program.command('rollback'))
    .description('point an alias at the version it had before; each further rollback goes one step further back')
    .argument('<agent>')
    .option('--alias <name>', 'which alias', 'prod')
    .requiredOption('-m, --reason <text>', 'why')
    .option('--tenant <name>', 'for hosts with several tenants')
    .option('--dry-run', 'only say to which version')
    .addHelpText('after', `\nExample:\n  corral rollback hello -m 'it greets the wrong people'`)
    .action(async (agent: string, flags: Tenant & { readonly alias: string; readonly reason: string; readonly dryRun?: boolean }) => {
      const { dryRun = false } = flags;
      const moved = await connect(flags).rollBack({
        params: { agent: agent, alias: flags.alias },
        body: { reason: flags.reason, dryRun, ...inTenant(flags) },
      });
      print(flags, moved, () => `${dryRun ? 'would be ' : ''}${agent}@${moved.alias}  ${moved.version}`);
    });
}

/**
 * The version that a text names: by its digest, by the beginning of it, as `corral agents` prints it, or by an alias.
 * @throws CORRAL_VERSION_UNKNOWN, CORRAL_USAGE if several begin like this
 */
async function wholeVersion(client: Client, agent: string, text: string, flags: Tenant): Promise<string> {
  const [, hex] = /^(?:sha256:)?([0-9a-f]{6,64})$/.exec(text) ?? [];
  if (hex?.length === 64) return `sha256:${hex}`;
  const { history, aliases, latest } = await client.showAgent({ params: { agent }, query: inTenant(flags) });
  const named = new Map([['latest', latest], ...aliases.map(({ alias, version }) => [alias, version] as const)]);
  const alias = named.get(text);
  if (alias !== undefined) return alias;
  const found = [...new Set(history.map(({ version }) => version))].filter(
    (version) => hex !== undefined && version.startsWith(`sha256:${hex}`),
  );
  const [first, ...others] = found;
  if (first === undefined)
    throw new CorralError(
      'CORRAL_VERSION_UNKNOWN',
      `${agent} has no version ${text}, and no alias of this name; its aliases are ${[...named.keys()].join(', ')}.`,
    );
  if (others.length > 0) throw new CorralError('CORRAL_USAGE', `${text} begins several versions of ${agent}: ${found.join(', ')}.`);
  return first;
}
