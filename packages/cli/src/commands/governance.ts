/** `corral revoke` and `corral context`: revoking grants, and what changed about a run while it went on. */
import type { Command } from 'commander';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { CorralError } from '@corral/protocol/errors';
import type { GrantId, RunId, ToolName } from '@corral/protocol/ids';
import { connect, hostFlags, print, type HostFlags } from '../connect.ts';
import { EXIT } from '../failure.ts';
import { printable } from '../screen/table.ts';
import { toolArgument } from '../selector.ts';
import { receipts, targetOf, type TargetFlags } from './operate.ts';

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
    .description('revoke a grant with all that was derived from it, or take a tool back from runs; calls under way are aborted')
    .argument('[what]', 'the id of a grant, from `corral authority RUN`; with --tool, a run')
    .option('--tool <name>', 'take this tool back from the run, or from all that the options below select and that hold it')
    .option('--agent <name>', 'all runs of an agent')
    .option('--agent-version <digest>', 'all runs of a version')
    .option('--tenant <name>', 'all runs of a tenant; with --agent or --agent-version, those in it')
    .option('--all', 'all runs you may operate')
    .option('-m, --reason <text>', 'reason; it is recorded')
    .option('--dry-run', 'only say which runs and calls it would reach')
    .option(
      '--preview <text>',
      'the preview that a dry run printed: a grant is not revoked if it would reach others now; a tool is taken back from none that it had not shown',
    )
    .addHelpText(
      'after',
      `\nExamples:\n  corral authority run_3k9x7m2p4q5r\n  corral revoke grant_7m2p4q5r3k9x -m 'it reads more than it needs'\n  corral revoke --tool payments.send --agent payer -m 'it pays twice'`,
    )
    .action(async (what: string | undefined, flags: RevokeFlags) => {
      if (flags.reason === undefined || flags.reason === '')
        throw new CorralError('CORRAL_USAGE', 'Give a reason with -m; it is recorded.');
      const { reason } = flags;
      if (flags.tool === undefined) await revokeGrant(what, { ...flags, reason });
      else await takeBack(what, { ...flags, reason, tool: toolArgument(flags.tool) });
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

interface RevokeFlags extends HostFlags, TargetFlags {
  readonly tool?: string;
  readonly reason?: string;
  readonly dryRun?: boolean;
  readonly preview?: string;
}
type Reasoned = RevokeFlags & { readonly reason: string };

async function revokeGrant(grant: string | undefined, flags: Reasoned): Promise<void> {
  const { reason, preview, dryRun = false } = flags;
  if (grant === undefined || [flags.agent, flags.agentVersion, flags.tenant, flags.all].some((one) => one !== undefined))
    throw new CorralError(
      'CORRAL_USAGE',
      'Name one grant; or a tool with --tool, which is taken back from all runs that the options select.',
    );
  const revoked = await connect(flags).revokeGrant({
    params: { grant: grant as GrantId },
    body: { reason, dryRun, ...(preview === undefined ? {} : { preview }) },
  });
  const { calls_aborted: calls } = revoked;
  if (dryRun) return print(flags, revoked, () => reachText(revoked));
  const aborted = calls === 0 ? 'no call was at work' : `${calls} ${calls === 1 ? 'call' : 'calls'} aborted`;
  print(flags, revoked, () => [`${revoked.grant}  revoked from ${revoked.run}; ${aborted}`, ...revoked.calls.map(fateLine)].join('\n'));
}

const fateLine = ({ run, call, tool, fate }: RouteAnswer<'revokeGrant'>['calls'][number]): string =>
  `  call ${call} to ${printable(tool)} of ${run} ${FATES[fate]}`;

async function takeBack(run: string | undefined, flags: Reasoned & { readonly tool: ToolName }): Promise<void> {
  const { tool, reason, dryRun = false } = flags;
  const client = connect(flags);
  const body = { operation: 'revoke' as const, tool, target: targetOf(run, flags), reason };
  // The host takes a tool back from many runs only for who says which.
  const isBlind = run === undefined && flags.preview === undefined && !dryRun;
  const preview = isBlind ? (await client.operate({ body: { ...body, dryRun: true } })).preview : flags.preview;
  const result = await client.operate({ body: { ...body, dryRun, ...(preview === undefined ? {} : { preview }) } });
  const calls = result.receipts.flatMap(({ run: of, calls: all = [] }) => all.map((one) => ({ run: of as RunId, ...one })));
  print(flags, result, () => [receipts(result), ...calls.map(fateLine)].join('\n'));
  if (result.refused.length > 0) process.exitCode = EXIT.outcome;
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
