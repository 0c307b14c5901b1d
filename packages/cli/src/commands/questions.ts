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
import { inTenant } from './agents.ts';
import { onlyOf } from './settle.ts';

type Question = RouteAnswer<'listQuestions'>['items'][number];

interface ListFlags extends HostFlags {
  readonly tenant?: string;
  readonly limit?: string;
  readonly cursor?: string;
}

interface AnswerFlags extends HostFlags {
  readonly decline?: boolean;
  readonly shown?: string;
  readonly reason?: string;
}

/** Questions that one request lists when all are listed. */
const PAGE = 200;

async function waiting(flags: ListFlags): Promise<RouteAnswer<'listQuestions'>> {
  const client = connect(flags);
  const limit = flags.limit === undefined ? PAGE : wholeNumber(flags.limit, '--limit');
  const ask = (cursor: string | undefined) =>
    client.listQuestions({ query: { ...inTenant(flags), limit, ...(cursor === undefined ? {} : { cursor }) } });
  const page = await ask(flags.cursor);
  while (flags.limit === undefined && page.next !== null) {
    const { items, next, damaged = [] } = await ask(page.next);
    page.items.push(...items);
    page.damaged = [...(page.damaged ?? []), ...damaged];
    page.next = next;
  }
  return page;
}

export function questionCommands(program: Command): void {
  hostFlags(program.command('questions'))
    .description('list questions of runs that wait for an answer: who asks, what, and which answers fit')
    .option('--tenant <name>', 'only of this tenant')
    .option('-n, --limit <number>', 'length of a page; without it, all questions are listed')
    .option('--cursor <text>', 'continue after a page')
    .addHelpText('after', `\nExample:\n  corral questions`)
    .action(async (flags: ListFlags) => {
      const { items, next, damaged = [] } = await waiting(flags);
      const more = next === null ? [] : [`more: --cursor ${next}`];
      print(flags, items, () =>
        items.length === 0 ? 'nothing waits' : [...items.flatMap((one) => questionLines(one, Date.now())), ...more].join('\n'),
      );
      // A list that is incomplete says so on stderr, also if a program reads it.
      if (flags.json === true) for (const line of more) process.stderr.write(`${line}\n`);
      for (const { run, detail } of damaged) process.stderr.write(`${run} waits for a person and cannot be read: ${printable(detail)}\n`);
    });

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
      const open = (await waiting(flags)).items.filter((one) => one.run === run);
      const call =
        number === undefined
          ? onlyOf(
              'answer',
              run,
              open.map((one) => ({ call: one.call, tool: shortly(one) })),
            )
          : wholeNumber(number, 'CALL');
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

function shortly({ question }: Question): string {
  const text = printable(question ?? 'private');
  return text.length > SHORT ? `${text.slice(0, SHORT)}…` : text;
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
