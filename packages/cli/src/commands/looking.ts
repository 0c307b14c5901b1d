/** `claim` and `later`: what a person says about a call that waits, without deciding about it. */
import type { Command } from 'commander';
import { CorralError } from '@corral/protocol/errors';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import type { RunId } from '@corral/protocol/ids';
import { connect, hostFlags, print, type HostFlags } from '../connect.ts';
import { spanArgument } from '../selector.ts';
import { printable } from '../screen/table.ts';
import { moment } from '../screen/time.ts';
import { withheldText } from '../screen/withheld.ts';
import { wholeNumber } from '../whole-number.ts';
import { callsThatWait } from './approvals.ts';
import { questionsThatWait, shortly } from './questions.ts';
import { onlyOf } from './settle.ts';

interface ClaimFlags extends HostFlags {
  readonly for?: string;
  readonly take?: boolean;
  readonly release?: boolean;
}
interface LaterFlags extends HostFlags {
  readonly for?: string;
  readonly now?: boolean;
}

interface WithdrawFlags extends HostFlags {
  readonly reason?: string;
}

export function lookingCommands(program: Command): void {
  hostFlags(program.command('claim'))
    .description('say that you are looking at a call or question that waits: others see it, and may still decide')
    .argument('<run>')
    .argument('[call]', 'number of the call; not needed where one call of the run waits')
    .option('--for <time>', 'how long others see it, if you do not decide: 90s, 15m, 2h; left out: 15m')
    .option('--take', 'also where somebody else is looking at it')
    .option('--release', 'say that you are not looking at it any more')
    .addHelpText('after', `\nExample:\n  corral claim run_3k9x7m2p4q5r 7 --for 30m`)
    .action(async (run: RunId, call: string | undefined, flags: ClaimFlags) => {
      const params = { run, call: await callOf('claim', run, call, flags) };
      if (flags.release === true) {
        const { released } = await connect(flags).releaseApproval({ params });
        return print(flags, { ...params, released }, () =>
          released ? `${run}  call ${params.call}  released` : 'you were not looking at it',
        );
      }
      const body = { take: flags.take === true, ...(flags.for === undefined ? {} : { for_ms: spanArgument('--for', flags.for) }) };
      const claim = await connect(flags).claimApproval({ params, body });
      print(flags, claim, () => `${claim.run}  call ${claim.call}  ${claim.by} is looking at it until ${moment(claim.until)}`);
    });

  hostFlags(program.command('later'))
    .description(
      'hide a call or question that waits from your own list for a time; this does not deny it, and does not change when it expires',
    )
    .argument('<run>')
    .argument('[call]', 'number of the call; not needed where one call of the run waits')
    .option('--for <time>', 'how long: 90s, 15m, 2h, 1d')
    .option('--now', 'show it again now')
    .addHelpText('after', `\nExample:\n  corral later run_3k9x7m2p4q5r 7 --for 2h`)
    .action(async (run: RunId, call: string | undefined, flags: LaterFlags) => {
      if ((flags.for === undefined) !== (flags.now === true)) throw new CorralError('CORRAL_USAGE', 'Say --for how long, or --now.');
      const params = { run, call: await callOf('later', run, call, flags) };
      const until = flags.for === undefined ? null : Date.now() + spanArgument('--for', flags.for);
      const put = await connect(flags).putOffApproval({ params, body: { until } });
      const expires = `it expires at ${moment(put.expires_at)}`;
      print(
        flags,
        put,
        () =>
          `${run}  call ${params.call}  ${put.until === null ? 'on your list' : `not on your list until ${moment(put.until)}`}; ${expires}`,
      );
    });
  withdrawCommand(program);
}

/** The call that was named, or the only call or question of the run that waits. @throws CORRAL_RUN_STATE, CORRAL_USAGE */
async function callOf(command: 'claim' | 'later', run: RunId, call: string | undefined, flags: HostFlags): Promise<number> {
  if (call !== undefined) return wholeNumber(call, 'CALL');
  const of = { ...flags, run, later: true };
  const [calls, questions] = await Promise.all([callsThatWait(of), questionsThatWait(of)]);
  return onlyOf(command, run, [...calls.items, ...questions.items.map(shortly)]);
}

function withdrawCommand(program: Command): void {
  hostFlags(program.command('withdraw'))
    .description('take back that an approval holds for later calls of a run; without a call, list the approvals that do')
    .argument('<run>')
    .argument('[call]', 'number of the call that was approved')
    .option('-m, --reason <text>', 'reason; it is recorded')
    .addHelpText(
      'after',
      `\nExamples:\n  corral withdraw run_3k9x7m2p4q5r\n  corral withdraw run_3k9x7m2p4q5r 7 -m 'their account was stolen'`,
    )
    .action(async (run: RunId, call: string | undefined, flags: WithdrawFlags) => {
      if (call === undefined) {
        const { items } = await connect(flags).listStanding({ params: { run } });
        return print(flags, items, () =>
          items.length === 0 ? 'none of its approvals holds for later calls' : items.map(standingLine).join('\n'),
        );
      }
      const { reason = '' } = flags;
      if (reason === '') throw new CorralError('CORRAL_USAGE', 'Give a reason with -m; it is recorded.');
      const params = { run, call: wholeNumber(call, 'CALL') };
      const done = await connect(flags).withdrawApproval({ params, body: { reason } });
      print(flags, done, () => `${run}  call ${done.call}  its approval holds for no later call`);
    });
}

const standingLine = (one: RouteAnswer<'listStanding'>['items'][number]): string => {
  const money = one.amount === null ? '' : `, ${one.spent} of ${one.amount} spent`;
  const where =
    one.for === 'destination' ? ` to ${one.withheld === undefined ? printable(one.destination ?? '') : withheldText(one.withheld)}` : '';
  return `call ${one.call}  ${one.tool}${where}  by ${one.by}: ${one.used} of ${one.uses} used${money}, until ${moment(one.until)}`;
};
