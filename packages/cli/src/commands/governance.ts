/** `corral revoke` and `corral context`: revoking grants, and what changed about a run while it went on. */
import type { Command } from 'commander';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { CorralError } from '@corral/protocol/errors';
import type { GrantId, RunId } from '@corral/protocol/ids';
import { connect, hostFlags, print, type HostFlags } from '../connect.ts';
import { printable } from '../screen/table.ts';

type Change = RouteAnswer<'runContext'>['items'][number];

const FATES: Readonly<Record<RouteAnswer<'revokeGrant'>['calls'][number]['fate'], string>> = {
  answered: 'had been carried out already; its agent is not given the answer',
  failed: 'had failed already',
  unmade: 'was not made',
  aborted: 'was aborted; it may have been carried out',
  unknown: 'has an unknown result; it may have been carried out',
};

export function governanceCommands(program: Command): void {
  hostFlags(program.command('revoke'))
    .description('revoke a grant, with all that was derived from it; calls under way are aborted')
    .argument('<grant>', 'its id, from `corral authority RUN`')
    .option('-m, --reason <text>', 'reason; it is recorded')
    .option('--dry-run', 'only say which runs and calls it would reach')
    .option('--preview <text>', 'the preview that a dry run printed: nothing is revoked if it would reach others now')
    .addHelpText(
      'after',
      `\nExample:\n  corral authority run_3k9x7m2p4q5r\n  corral revoke grant_7m2p4q5r3k9x -m 'it reads more than it needs'`,
    )
    .action(async (grant: GrantId, flags: RevokeFlags) => {
      if (flags.reason === undefined || flags.reason === '')
        throw new CorralError('CORRAL_USAGE', 'Give a reason with -m; it is recorded.');
      const { reason, preview, dryRun = false } = flags;
      const revoked = await connect(flags).revokeGrant({
        params: { grant },
        body: { reason, dryRun, ...(preview === undefined ? {} : { preview }) },
      });
      const { calls_aborted: calls } = revoked;
      if (dryRun) return print(flags, revoked, () => reachText(revoked));
      const aborted = calls === 0 ? 'no call was at work' : `${calls} ${calls === 1 ? 'call' : 'calls'} aborted`;
      print(flags, revoked, () =>
        [
          `${revoked.grant}  revoked from ${revoked.run}; ${aborted}`,
          ...revoked.calls.map(({ run, call, tool, fate }) => `  call ${call} to ${printable(tool)} of ${run} ${FATES[fate]}`),
        ].join('\n'),
      );
    });

  hostFlags(program.command('context'))
    .description('list what changed about a run while it went on: its label, its grants, its purse, its version, its policies')
    .argument('<run>')
    .addHelpText('after', '\nExample:\n  corral context run_3k9x7m2p4q5r')
    .action(async (run: RunId, flags: HostFlags) => {
      const { items } = await connect(flags).runContext({ params: { run } });
      print(flags, items, () => (items.length === 0 ? 'nothing changed' : items.map((one) => printable(changeLine(one))).join('\n')));
    });
}

interface RevokeFlags extends HostFlags {
  readonly reason?: string;
  readonly dryRun?: boolean;
  readonly preview?: string;
}

function reachText({ grant, runs, calls_aborted: calls, preview }: RouteAnswer<'revokeGrant'>): string {
  const held = runs.length === 0 ? ['no run in memory holds it'] : runs.map((run) => `  ${run}`);
  return [
    `would revoke ${grant}, and abort ${calls} ${calls === 1 ? 'call' : 'calls'}:`,
    ...held,
    `to act on what you see here: --preview ${preview}`,
  ].join('\n');
}

/** Gives `entry 7  label raised: influenced by mail.read (what mail.read returned)`. */
function changeLine(change: Change): string {
  return `entry ${change.entry}  ${whatOf(change)} (${change.cause})`;
}

function whatOf(change: Change): string {
  switch (change.kind) {
    case 'label': {
      const part = ({ influenced_by, private_to, marks }: typeof change.gained) =>
        [
          ...(influenced_by.length === 0 ? [] : [`influenced by ${influenced_by.join(', ')}`]),
          ...(private_to.length === 0 ? [] : [`private to ${private_to.join(', ')}`]),
          ...marks.map((mark) => mark.replaceAll('_', ' ')),
        ].join('; ');
      const [gained, lost] = [part(change.gained), part(change.lost)];
      return [...(gained === '' ? [] : [`label raised: ${gained}`]), ...(lost === '' ? [] : [`label lowered: without ${lost}`])].join('; ');
    }
    case 'grant': {
      const what = change.target ?? `capability ${change.cap}`;
      return `grant ${change.how}: ${what}${change.grant === null ? '' : ` by ${change.grant}`}`;
    }
    case 'purse': {
      const all = Object.entries(change.amounts).map(([name, amount]) => `${Math.abs(amount)} ${name}`);
      return `purse: ${all.join(', ')} ${Object.values(change.amounts).every((amount) => amount < 0) ? 'moved to a child' : 'came back'}`;
    }
    case 'version':
      return `version: ${change.from.slice(0, 19)} → ${change.to.slice(0, 19)}`;
    case 'policies':
      return `policies switched: ${change.from.slice(0, 19)} → ${change.to.slice(0, 19)}`;
  }
}
