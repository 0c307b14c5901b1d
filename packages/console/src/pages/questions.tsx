/**
 * Questions of runs to the owners of their agents, each with a form for what it takes. A question is an agent's text, and may repeat a stranger's;
 * the card says who asks and whose words the run has read. The first touch or key opens the form, the second sends.
 */
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { callHref } from '../data/run-parts.ts';
import { ask as request, hasRole } from '../data/api.ts';
import { href } from '../data/address.ts';
import { AnswerForm } from '../ui/answer-form.tsx';
import { Looking } from '../ui/looking.tsx';
import { Ago, Fact, Until } from '../ui/parts.tsx';
import { Reason } from '../ui/reason.tsx';
import { Codes, Names, Text, Value } from '../ui/text.tsx';
import { Approvers, idOf, useWaiting, useWaitingKeys, WaitingList, type CardProps } from '../ui/waiting.tsx';

type Question = RouteAnswer<'listQuestions'>['items'][number];
type Opened = 'answer' | 'decline';

const mayAnswer = () => hasRole('approver', 'admin');

export function Questions() {
  const list = useWaiting<'listQuestions', Opened>('listQuestions', 'questions');
  const { current } = list;
  const opens = (what: Opened) => {
    if (current !== undefined && mayAnswer() && current.question !== null) list.open(current, what);
  };
  useWaitingKeys('question', list.move, [
    { key: 'a', does: 'answer: opens the form', run: () => opens('answer') },
    { key: 'd', does: 'decline to answer: asks for the reason', run: () => opens('decline') },
  ]);
  return (
    <WaitingList
      of={list}
      none="No run waits for an answer."
      card={(one: Question) => <Card key={idOf(one)} {...list.cardOf(one)} onDone={(text) => list.done(one, text)} />}
    />
  );
}

interface QuestionProps extends CardProps<Question, Opened> {
  readonly onDone: (said: string) => void;
}

function Card({ of, isCurrent, open, onOpen, onDone, again }: QuestionProps) {
  return (
    <li class={isCurrent ? 'card approval current' : 'card approval'} id={idOf(of)} aria-current={isCurrent ? 'true' : undefined}>
      <header>
        <h2>
          <Text of={of.agent} /> asks
        </h2>
        <p class="dim">
          <Ago at={of.since} /> · <Until at={of.expires_at} to="expires in" />
        </p>
      </header>
      {of.question === null ? (
        <p class="dim">
          It is private to <Names of={of.private_to} />.
        </p>
      ) : (
        <Value of={of.question} />
      )}
      {of.from !== undefined && (
        <p class="unusual">
          <Text of={of.from} /> asks this to go on with a call, and gets the answer.
        </p>
      )}
      {typeof of.misfit === 'string' && (
        <p>
          The agent did not take the answer before: <Text of={of.misfit} />
        </p>
      )}
      {of.influenced_by.length > 0 && (
        <p class="unusual">
          Its run has read what <Names of={of.influenced_by} /> wrote, and may repeat it.
        </p>
      )}
      <Answering of={of} open={open} onOpen={onOpen} onDone={onDone} />
      <Looking of={of} done={again} />
      <dl class="facts">
        <Fact name="Run">
          <a href={href('run', of.run)}>{of.run}</a>, <a href={callHref(of.run, of.call)}>question {of.call}</a>
        </Fact>
        <Fact name="Submitted by">
          <Text of={of.principal} />
        </Fact>
        <Fact name="Tenant">
          <Text of={of.tenant} />
        </Fact>
        <Fact name="For">
          <Approvers of={of.approvers} owner={of.owner} />
        </Fact>
        {of.rules.length > 0 && (
          <Fact name="Rules">
            <Codes of={of.rules} none="none" />
          </Fact>
        )}
      </dl>
    </li>
  );
}

function Answering({ of, open, onOpen, onDone }: Omit<QuestionProps, 'isCurrent' | 'again'>) {
  const params = { run: of.run, call: of.call };
  if (!mayAnswer()) return <p class="dim">Your roles do not let you answer: that takes approver or admin.</p>;
  if (of.question === null) return null;
  if (open === 'answer')
    return (
      <AnswerForm
        schema={of.schema}
        onBack={() => onOpen(undefined)}
        send={async (value) => {
          await request('answerQuestion', { params, body: { value: value as never, version: of.version } });
          onDone(`Answered: ${of.agent}`);
        }}
      />
    );
  return (
    <div class="row decide">
      <button type="button" class="good" onClick={() => onOpen('answer')}>
        Answer…
      </button>
      <button type="button" class="danger" onClick={() => onOpen('decline')}>
        Decline…
      </button>
      {open === 'decline' && (
        <Reason
          title="Decline to answer?"
          verb="Decline it"
          onClose={() => onOpen(undefined)}
          closes={false}
          act={async (reason) => {
            await request('answerQuestion', { params, body: { decline: true, reason, version: of.version } });
            onDone(`Declined: ${of.agent}`);
          }}
        >
          <p>The agent is told that nobody answers, with the reason.</p>
        </Reason>
      )}
    </div>
  );
}
