/** `questions` and `answer`: questions that runs put to the owners of their agents. The text of a question is an agent's, so it is printed as a stranger's. */
import type { Command } from 'commander';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { approversText } from '@corral/protocol/api/roles';
import { CorralError } from '@corral/protocol/errors';
import { valueOf } from '../answer-value.ts';
import { connect, hostFlags, print, type HostFlags } from '../connect.ts';
import { runId } from '../ids.ts';
import { duration, printable } from '../screen/table.ts';
import { moment } from '../screen/time.ts';
import { withheldText } from '../screen/withheld.ts';
import { wholeNumber } from '../whole-number.ts';
import { onlyOf } from './settle.ts';
import { printWaiting, waiting, waitingFlags, type WaitingFlags } from './waiting.ts';

type Question = RouteAnswer<'listQuestions'>['items'][number];

interface AnswerFlags extends HostFlags {
  readonly decline?: boolean;
  readonly shown?: string;
  readonly reason?: string;
}

export const questionsThatWait = (flags: WaitingFlags) => waiting(flags, (client, query) => client.listQuestions({ query }));

export function questionCommands(program: Command): void {
  waitingFlags(hostFlags(program.command('questions')), 'questions')
    .description('list questions of runs that wait for an answer: who asks, what, and which answers fit')
    .addHelpText('after', `\nExample:\n  corral questions`)
    .action(async (flags: WaitingFlags) =>
      printWaiting(flags, await questionsThatWait(flags), (items) => items.flatMap((one) => questionLines(one, Date.now()))),
    );

  hostFlags(program.command('answer'))
    .description('answer a question of a run, as yourself; its agent goes on with the answer')
    .argument('<run>')
    .argument('[call]', 'number of the question, from `corral questions`; not needed where one question of the run waits')
    .argument('[value]', 'the answer: JSON, or a text as it is where the question takes a text')
    .option('--decline', 'give no answer; the agent is told so')
    .option('--shown <version>', 'only as it was shown: the version that `corral questions` prints')
    .option('-m, --reason <text>', 'reason; it is recorded, and required with --decline')
    .addHelpText(
      'after',
      `\nExamples:\n  corral answer run_3k9x7m2p4q5r staging\n  corral answer run_3k9x7m2p4q5r 7 true\n  corral answer run_3k9x7m2p4q5r --decline -m 'ask the team first'`,
    )
    .action(async (named: string, first: string | undefined, second: string | undefined, flags: AnswerFlags) => {
      const run = runId(named);
      const { reason, decline = false } = flags;
      const [number, text] = decline || second !== undefined ? [first, second] : [undefined, first];
      if (decline && second !== undefined) throw new CorralError('CORRAL_USAGE', 'Give an answer or --decline, not both.');
      if (!decline && text === undefined) throw new CorralError('CORRAL_USAGE', 'Give the answer, or --decline.');
      if (decline && (reason === undefined || reason === ''))
        throw new CorralError('CORRAL_USAGE', 'Give a reason with -m; it is recorded.');
      const open = (await questionsThatWait({ ...flags, run, later: true })).items;
      const call = number === undefined ? onlyOf('answer', run, open.map(shortly)) : wholeNumber(number, 'CALL');
      const asked = open.find((one) => one.call === call);
      const seen = flags.shown === undefined ? {} : { version: flags.shown };
      const body = decline
        ? { decline: true as const, reason: reason as string, ...seen }
        : { value: valueOf(text as string, asked?.schema ?? {}), ...(reason === undefined ? {} : { reason }), ...seen };
      const done = await connect(flags).answerQuestion({ params: { run, call }, body });
      print(flags, done, () => `${done.run}  question ${done.call}  ${done.declined ? 'declined' : 'answered'} by ${done.by}`);
    });
}

const SHORT = 40;

/** A question as one of several calls: its beginning in place of its tool, which is the same for all. */
export function shortly({ call, question }: Question): { readonly call: number; readonly tool: string } {
  const text = printable(question ?? 'private');
  return { call, tool: text.length > SHORT ? `${text.slice(0, SHORT)}…` : text };
}

function questionLines(one: Question, now: number): string[] {
  const hidden = `private to ${one.private_to.join(', ')}`;
  return [
    `${one.run}  question ${one.call}`,
    `  asked by    ${one.agent} of ${one.tenant}, submitted by ${one.principal}, ${duration(Math.max(0, now - one.since))} ago`,
    ...(one.from === undefined ? [] : [`  for         ${one.from}, which gets the answer and has written the question`]),
    `  asks        ${one.question === null ? hidden : JSON.stringify(printable(one.question))}`,
    `  takes       ${one.takes === null ? hidden : printable(one.takes)}`,
    ...(one.misfit === undefined ? [] : [`  did not fit ${one.misfit === null ? hidden : printable(one.misfit)}`]),
    ...(one.influenced_by.length === 0
      ? []
      : [`  has read    ${one.influenced_by.join(', ')}: the question may repeat a stranger's words`]),
    ...(one.claim === null ? [] : [`  looking     ${one.claim.by}, since ${moment(one.claim.since)}`]),
    `  version     ${one.version}`,
    ...(one.withheld === undefined ? [] : [`  ${withheldText(one.withheld)}`]),
    `  is for      ${approversText(one.approvers, one.owner)}, until ${moment(one.expires_at)}`,
  ];
}
