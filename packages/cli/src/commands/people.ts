/** Commands about tokens, schedules and the configuration. */
import type { Command } from 'commander';
import { CorralError } from '@corral/protocol/errors';
import type { Role } from '@corral/protocol/api/roles';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { ASK_OWNER } from '@corral/protocol/model/question';
import { configHere, CONFIGS, connect, hostFlags, jsonArgument, print, withReason, type HostFlags, type Reasoned } from '../connect.ts';
import { printable, table } from '../screen/table.ts';
import { moment } from '../screen/time.ts';
import { inTenant } from './agents.ts';

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Parses `90d`, `12h`. @throws CORRAL_USAGE */
function span(flag: string, text: string): number {
  const [, amount, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (amount === undefined || unit === undefined)
    throw new CorralError('CORRAL_USAGE', `${flag} is a number and s, m, h or d, such as 90d.`);
  return Number(amount) * (UNITS[unit] ?? 0);
}

interface TokenFlags extends HostFlags, Reasoned {
  readonly role: Role[];
  readonly tenant?: string;
  readonly expires: string;
  readonly person?: string;
}

const putLine = ({
  version,
  at,
  by,
  reason,
}: {
  readonly version: string;
  readonly at: number;
  readonly by: string;
  readonly reason: string;
}) => printable(`${version}  ${moment(at)}  ${by}  ${reason}`);

export function peopleCommands(program: Command): void {
  tokenCommands(program);
  scheduleCommands(program);
  configCommands(program);
}

type Change = RouteAnswer<'applyConfig'>['changes'][number];
const isVersion = ({ path }: Change): boolean => path.startsWith('policy_versions');
const changed = (change: Change, value: unknown): string =>
  isVersion(change) && typeof value === 'string' ? value.slice(0, 19) : JSON.stringify(value);

const tokenTable = (items: RouteAnswer<'listTokens'>['items']): string[] =>
  table(
    [
      { title: 'TOKEN' },
      { title: 'NAME' },
      { title: 'TENANT' },
      { title: 'ROLES' },
      { title: 'FOR' },
      { title: 'MADE BY' },
      { title: 'EXPIRES' },
      { title: 'LAST USED' },
      { title: '' },
    ],
    items.map((one) => [
      one.token,
      one.name,
      one.tenant,
      one.roles.join(','),
      one.person ?? '',
      one.created_by,
      moment(one.expires_at),
      moment(one.used_at),
      one.revoked_at === null ? '' : 'revoked',
    ]),
  );

function tokenCommands(program: Command): void {
  const token = program.command('token').description('make, list and revoke tokens');
  hostFlags(token.command('create'))
    .description('make a token; its secret is printed once')
    .argument('<name>', 'whose it is')
    .requiredOption('--role <role...>', 'developer, operator, approver, auditor, admin, monitor')
    .option('--tenant <name>', 'its tenant; * for the whole host')
    .option('--person <principal>', 'the person it is for, if its name does not say that: all tokens of a person count as one')
    .option('--expires <span>', 'lifetime: 90d, 12h', '90d')
    .option('-m, --reason <text>', 'reason; it is recorded')
    .addHelpText('after', `\nExample:\n  export CORRAL_TOKEN=$(corral token create ana --role developer)`)
    .action(async (name: string, flags: TokenFlags) => {
      const made = await connect(flags).makeToken({
        body: {
          name,
          roles: flags.role,
          expires_in_ms: span('--expires', flags.expires),
          ...inTenant(flags),
          ...withReason(flags),
          ...(flags.person === undefined ? {} : { person: flags.person }),
        },
      });
      print(flags, made, () => made.secret);
    });
  hostFlags(token.command('list'))
    .description('list tokens')
    .addHelpText('after', `\nExample:\n  corral token list`)
    .action(async (flags: HostFlags) => {
      const { items } = await connect(flags).listTokens({});
      print(flags, items, () => tokenTable(items).join('\n'));
    });
  hostFlags(token.command('revoke'))
    .description('revoke a token, at once')
    .argument('<token>', 'its id, from `corral token list`, or its name')
    .option('-m, --reason <text>', 'reason; it is recorded')
    .addHelpText('after', `\nExample:\n  corral token revoke token_1f2e3d4c5b6a`)
    .action(async (id: string, flags: HostFlags & Reasoned) => {
      const client = connect(flags);
      // A name has at most one token that is not revoked.
      const named = id.startsWith('token_')
        ? undefined
        : (await client.listTokens({})).items.find(({ name, revoked_at }) => name === id && revoked_at === null);
      const revoked = await client.revokeToken({ params: { token: named?.token ?? id }, query: withReason(flags) });
      print(flags, revoked, () => `${revoked.token}  ${revoked.name}  revoked`);
    });
  hostFlags(program.command('whoami'))
    .description('say who you are to this host')
    .addHelpText('after', `\nExample:\n  corral whoami`)
    .action(async (flags: HostFlags) => {
      const me = await connect(flags).whoAmI({});
      print(flags, me, () => {
        const as = me.person === undefined || me.person === me.principal ? '' : `  counts as ${me.person}`;
        return `${me.principal}  tenant ${me.tenant}  ${me.roles.join(', ')}${as}`;
      });
    });
}

function scheduleCommands(program: Command): void {
  const schedule = program.command('schedule').description('submit jobs at times');
  hostFlags(schedule.command('create'))
    .description('submit a job at every time of a cron expression')
    .argument('<agent>', 'NAME, NAME@ALIAS or NAME@sha256:…')
    .requiredOption('--cron <expression>', 'five fields, UTC')
    .option('--input <json>', 'the agent’s input, or @FILE', '{}')
    .option('--tenant <name>', 'for hosts with several tenants')
    .option('-m, --reason <text>', 'reason; it is recorded')
    .addHelpText('after', `\nExample:\n  corral schedule create report@prod --cron '0 6 * * 1-5'`)
    .action(
      async (agent: string, flags: HostFlags & Reasoned & { readonly cron: string; readonly input: string; readonly tenant?: string }) => {
        const body = {
          agent,
          cron: flags.cron,
          input: await jsonArgument('--input', flags.input),
          ...inTenant(flags),
          ...withReason(flags),
        };
        const made = await connect(flags).makeSchedule({ body });
        print(flags, made, () => `${made.schedule}  next ${moment(made.next_at)}`);
      },
    );
  hostFlags(schedule.command('list'))
    .description('list schedules')
    .addHelpText('after', `\nExample:\n  corral schedule list`)
    .action(async (flags: HostFlags) => {
      const { items } = await connect(flags).listSchedules({});
      print(flags, items, () =>
        table(
          [{ title: 'SCHEDULE' }, { title: 'AGENT' }, { title: 'CRON' }, { title: 'NEXT' }, { title: 'LAST RUN' }, { title: '', max: 60 }],
          items.map((one) => [one.schedule, one.agent, one.cron, moment(one.next_at), one.last_run ?? '', one.last_error ?? '']),
        ).join('\n'),
      );
    });
  hostFlags(schedule.command('remove'))
    .description('remove a schedule; its runs stay')
    .argument('<schedule>')
    .option('-m, --reason <text>', 'reason; it is recorded')
    .addHelpText('after', `\nExample:\n  corral schedule remove schedule_1f2e3d4c5b6a`)
    .action(async (id: string, flags: HostFlags & Reasoned) => {
      const removed = await connect(flags).removeSchedule({ params: { schedule: id }, query: withReason(flags) });
      print(flags, removed, () => `${removed.schedule}  removed`);
    });
}

function configCommands(program: Command): void {
  const config = program.command('config').description('the configuration of a host');
  hostFlags(config.command('show'))
    .description('print the configuration in force, or an earlier one')
    .argument('[version]', 'sha256:…, from `corral config history`; the first characters are enough')
    .addHelpText('after', `\nExample:\n  corral config show`)
    .action(async (version: string | undefined, flags: HostFlags) => {
      const client = connect(flags);
      if (version !== undefined) {
        const then = await client.configThen({ params: { version } });
        print(flags, then, () => `${putLine(then)}\n${JSON.stringify(then.config, null, 2)}`);
        return;
      }
      const shown = await client.showConfig({});
      print(
        flags,
        shown,
        () => `${shown.version}  from ${shown.file ?? 'nowhere'}, applied by ${shown.applied_by}\n${JSON.stringify(shown.config, null, 2)}`,
      );
    });
  hostFlags(config.command('history'))
    .description('list the configurations that were in force, newest first')
    .addHelpText('after', `\nExample:\n  corral config history`)
    .action(async (flags: HostFlags) => {
      const { items } = await connect(flags).listConfigs({});
      print(flags, items, () =>
        table(
          [{ title: 'VERSION' }, { title: 'APPLIED' }, { title: 'BY' }, { title: 'WHY' }],
          items.map((one) => [one.version, moment(one.at), one.by, printable(one.reason)]),
        ).join('\n'),
      );
    });
  config
    .command('check')
    .description('check a configuration file on this machine, without a host')
    .argument('[file]', 'corral.config.ts or JSON (by default corral.config.ts here)')
    .option('--json', 'print JSON')
    .addHelpText('after', `\nExample:\n  corral config check corral.config.ts`)
    .action(async (named: string | undefined, flags: HostFlags) => {
      const file = configHere(named);
      if (file === undefined)
        throw new CorralError('CORRAL_USAGE', `There is no ${CONFIGS.join(' and no ')} here. Name the file, or run \`corral init\`.`);
      const { loadConfig } = await import('@corral/server/config/load');
      // A machine that checks, such as one of CI, need not have the secrets: `up` looks for them.
      const loaded = await loadConfig(file, process.env, { secrets: 'noted' });
      const { version, tenants, notes } = loaded;
      await loaded.close(0);
      const offered = Object.entries(tenants).map(([tenant, { tools, policies }]) => ({
        tenant,
        // Every host offers the tool for questions, whatever its configuration says.
        tools: tools.map(({ name }) => name).filter((name) => name !== ASK_OWNER),
        policies: policies === undefined ? null : policies.current.version,
        warnings: (policies?.current.warnings ?? []).map((one) => `${one.file}:${one.line}:${one.column}: ${one.message}`),
      }));
      print(flags, { version, offered, notes }, () =>
        [
          version,
          ...notes.map((line) => `note: ${line}`),
          ...offered.flatMap((one) => [
            `${one.tenant}: ${one.tools.join(', ') || 'no tools'}${one.policies === null ? '' : `; policies ${one.policies.slice(0, 19)}`}`,
            ...one.warnings.map((line) => `  ${line}`),
          ]),
        ].join('\n'),
      );
    });
  changeCommands(config);
}

function changeCommands(config: Command): void {
  for (const [verb, about] of [
    ['diff', 'say what a host would change if it read its file again'],
    ['apply', 'make a host read its file again and apply it, completely or not at all'],
  ] as const) {
    const command = hostFlags(config.command(verb)).description(about);
    if (verb === 'apply') command.option('-m, --reason <text>', 'reason; it is recorded');
    command.addHelpText('after', `\nExample:\n  corral config ${verb}`).action(async (flags: HostFlags & Reasoned) => {
      const client = connect(flags);
      const result = verb === 'diff' ? await client.checkConfig({}) : await client.applyConfig({ query: withReason(flags) });
      print(flags, result, () =>
        result.same
          ? 'nothing has changed'
          : [
              `${result.version}  ${verb === 'diff' ? 'would be applied' : 'applied'}`,
              // Versions follow from the other changes, so they come last, and short.
              ...result.changes
                .toSorted((a, b) => Number(isVersion(a)) - Number(isVersion(b)))
                .map((one) => `  ${one.path}: ${changed(one, one.now)} → ${changed(one, one.next)}`),
              ...result.notes.map((line) => `note: ${line}`),
            ].join('\n'),
      );
    });
  }
}
