/** `corral wait RUN`, and how other commands wait for the end of a run. */
import { styleText } from 'node:util';
import type { Command } from 'commander';
import type { Client } from '@corral/protocol/api/client';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import type { RunId } from '@corral/protocol/ids';
import { printable, printableJson } from '@corral/protocol/printable';
import { endText, withAuthorsLines } from '../authors.ts';
import { connect, hostFlags, print, type HostFlags } from '../connect.ts';
import { EXIT } from '../failure.ts';
import { spanArgument } from '../selector.ts';
import { isGood } from '../screen/states.ts';
import { withheldText } from '../screen/withheld.ts';

type Run = RouteAnswer<'showRun'>;
const WAIT_MS = 30_000;
/** The first look at a run that is waited for comes early, so that a run which cannot go on is reported soon. */
const FIRST_MS = 1_000;
const err = { stream: process.stderr };

export function waitCommand(program: Command): void {
  hostFlags(program.command('wait'))
    .description('wait for the end of a run, and print its output')
    .argument('<run>')
    .option('--timeout <time>', 'stop waiting after this time: seconds, or 90s, 15m, 2h, 1d; the run goes on')
    .addHelpText(
      'after',
      `\nExample:\n  corral wait @last --timeout 5m\n\nExit codes:\n  0    it completed\n  1    it ended otherwise\n  ${EXIT.timeout}  it had not ended when the time was over\n  others as in corral --help`,
    )
    .action(async (run: RunId, flags: HostFlags & { readonly timeout?: string }) => {
      const timeout_ms = flags.timeout === undefined ? undefined : spanArgument('--timeout', flags.timeout, 's');
      process.exitCode = await waited(connect(flags), run, flags, timeout_ms);
    });
}

/**
 * Waits for the end of a run, and prints it.
 * @param timeout_ms left out: however long it takes
 * @returns the exit code
 */
export async function waited(client: Client, run: RunId, flags: HostFlags, timeout_ms?: number): Promise<number> {
  const until = timeout_ms === undefined ? Number.POSITIVE_INFINITY : performance.now() + timeout_ms;
  const interrupted = () => {
    process.stderr.write(`\n${run} goes on; \`corral wait ${run}\` waits for it again, \`corral kill ${run} -m WHY\` ends it\n`);
    process.exit(EXIT.interrupted);
  };
  process.once('SIGINT', interrupted);
  // Printed at once: a person who stops waiting needs the id to find the run again.
  process.stderr.write(`${run}\n`);
  try {
    const shown = await ended(client, run, until);
    if (shown.ended_as === null) {
      process.stderr.write(`${run} has not ended yet, and goes on\n`);
      if (flags.json === true) print(flags, shown, () => '');
      return EXIT.timeout;
    }
    await printEnd(client, shown, flags);
    return isGood(shown.ended_as) ? EXIT.ok : EXIT.outcome;
  } finally {
    process.off('SIGINT', interrupted);
  }
}

/** The run once it has ended, or once the time is over; says meanwhile why it stands still. */
async function ended(client: Client, run: RunId, until: number): Promise<Run> {
  let told = '';
  for (let ms = FIRST_MS; ; ms = Math.min(ms * 2, WAIT_MS)) {
    const wait_ms = Math.max(0, Math.min(ms, Math.ceil(until - performance.now())));
    const shown = await client.showRun({ params: { run }, query: { wait_ms } });
    if (shown.ended_as !== null || performance.now() >= until) return shown;
    const why = standstill(shown);
    if (why !== '' && why !== told) process.stderr.write(`${printable(why)}\n`);
    told = why;
  }
}

async function printEnd(client: Client, shown: Run, flags: HostFlags): Promise<void> {
  if (flags.json === true) {
    print(flags, await withAuthorsLines(client, shown), () => '');
    return;
  }
  const { run, agent, ended_as, outcome, withheld_payload: withheld } = shown;
  const colour = isGood(ended_as ?? '') ? 'green' : 'red';
  process.stderr.write(`${run}  ${printable(agent)}  ${styleText(colour, printable(ended_as ?? ''), err)}\n`);
  if (withheld !== undefined) process.stderr.write(`${withheldText(withheld)}\n`);
  else if (outcome?.kind === 'completed') process.stdout.write(`${printableJson(outcome.output, 2)}\n`);
  else process.stderr.write(`${await endText(client, shown)}\n`);
}

/** Why a run cannot go on without a person; empty if it can. */
/** The wait of a run with a question, as a host names it. */
const A_QUESTION = 'an answer to its question';

function standstill({ run, control, waiting, waiting_for }: Pick<Run, 'run' | 'control' | 'waiting' | 'waiting_for'>): string {
  if (control !== 'none') return `${control}; \`corral why ${run}\` says by whom, \`corral resume ${run} -m WHY\` resumes it`;
  if (waiting === 'approval')
    return `waits for people: ${waiting_for}; see \`corral ${waiting_for === A_QUESTION ? 'questions' : 'approvals'}\``;
  if (waiting === 'resolution') return `waits for a person to look at it (${waiting_for}); see \`corral why ${run}\``;
  if (waiting === 'upgrade') return `held until a person upgrades it; see \`corral why ${run}\``;
  return '';
}
