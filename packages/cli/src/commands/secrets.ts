/** Commands about secrets: whose they are, when they were used, and revoking them. */
import type { Command } from 'commander';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { connect, hostFlags, print, type HostFlags } from '../connect.ts';
import { printable, table } from '../screen/table.ts';
import { moment } from '../screen/time.ts';

type Secret = RouteAnswer<'listSecrets'>['items'][number];
interface Flags extends HostFlags {
  readonly reason: string;
}

const whose = ({ for: bound }: Secret): string =>
  bound === null
    ? 'every caller'
    : Object.entries(bound)
        .map(([kind, names = []]) => `${kind} ${names.join(', ')}`)
        .join('; ');

function stateOf({ is_there, revoked, in_force, expires_at, login }: Secret): string {
  if (revoked !== null) return `revoked by ${printable(revoked.by)}: ${printable(revoked.reason)}`;
  if (login !== null) return login.why === null ? (login.renews ? 'renewed by the host' : '') : `needs login: ${printable(login.why)}`;
  if (!is_there) return 'no value';
  return !in_force && expires_at !== null ? 'expired' : '';
}

const secretTable = (items: readonly Secret[]): string =>
  table(
    ['ACCOUNT', 'FOR', 'EXPIRES', 'LAST USED', 'BY', ''].map((title) => ({ title })),
    items.map((one) => [
      one.account,
      whose(one),
      moment(one.expires_at),
      moment(one.used_at),
      one.used_by === null ? '' : `${one.used_by.agent} for ${printable(one.used_by.person)}`,
      stateOf(one),
    ]),
  ).join('\n');

export function secretCommands(program: Command): void {
  const secret = program.command('secret').description('list secrets, whose they are and when they were used; revoke them');
  hostFlags(secret.command('list'))
    .description('list the accounts behind secrets, without their values')
    .addHelpText('after', `\nExample:\n  corral secret list`)
    .action(async (flags: HostFlags) => {
      const { items } = await connect(flags).listSecrets({});
      print(flags, items, () => secretTable(items));
    });
  hostFlags(secret.command('revoke'))
    .description('give an account to nobody any more, at once')
    .argument('<account>', 'from `corral secret list`')
    .requiredOption('-m, --reason <text>', 'why')
    .addHelpText('after', `\nExample:\n  corral secret revoke crm:env:CRM_SALES -m 'it was in a mail'`)
    .action(async (account: string, flags: Flags) => {
      const done = await connect(flags).revokeSecret({ body: { account, reason: flags.reason, dryRun: false } });
      print(flags, done, () => `${done.account} is given to nobody.`);
    });
  hostFlags(secret.command('restore'))
    .description('take a revocation back, as after the value was rotated')
    .argument('<account>', 'from `corral secret list`')
    .requiredOption('-m, --reason <text>', 'why')
    .addHelpText('after', `\nExample:\n  corral secret restore crm:env:CRM_SALES -m 'rotated'`)
    .action(async (account: string, flags: Flags) => {
      const done = await connect(flags).restoreSecret({ body: { account, reason: flags.reason } });
      print(flags, done, () => `${done.account} is given out again.`);
    });
}
