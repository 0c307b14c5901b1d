/** Questions of runs to the owners of their agents, and the answers of people. Each is recorded with person and time; the answer is in the journal. */
import { CLEAN } from '@corral/policy/flow/labels';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import { ANY_TEXT, wantedText } from '@corral/protocol/model/question';
import type { RouteReply } from '@corral/protocol/api/routes';
import type { ServerContext } from '../context.ts';
import type { Reader } from '../../people/reader.ts';
import { askedAbout, askedPage, type AskedPage } from './asked.ts';
import { findRun, type Handlers } from './handler.ts';

type View = RouteReply<'listQuestions'>['items'][number];

export function questionRoutes(door: ServerContext): Handlers<'listQuestions' | 'answerQuestion'> {
  const { host } = door;
  return {
    async listQuestions({ query }, { access, reader }) {
      const { run } = query;
      const tenant = access.some('approval.read', query.tenant);
      const of = run === undefined ? {} : { run: findRun(door, access, 'approval.read', run).id as RunId };
      const { page, ...rest } = await askedPage(
        door,
        access,
        { kind: 'question', ...(tenant === undefined ? {} : { tenant }), ...of },
        query,
      );
      return { items: page.map((one) => viewOf(reader, one)), ...rest };
    },

    async answerQuestion({ params: { run, call }, body }, { access, reader, keep }) {
      const { id: by, roles } = access.principal;
      const row = findRun(door, access, 'approval.decide', run);
      if (row.ended_as !== null) throw new CorralError('CORRAL_RUN_STATE', `${run} has ended already: ${row.ended_as}.`);
      const declined = 'decline' in body;
      const as = { shown: body.version };
      // Why an answer does not fit says what was asked.
      if (!declined) await mustRead(reader, run, call, row.tenant);
      if (declined) await host.decide(run, call, by, 'deny', body.reason, roles, as);
      else await host.answer(run, call, by, body.value, body.reason ?? '', roles, as);
      keep({ operation: declined ? 'decline' : 'answer', target: { run, call }, reason: body.reason, tenant: row.tenant, matched: [run] });
      return { run, call, by, declined };
    },
  };

  async function mustRead(reader: Reader, run: RunId, call: number, tenant: string): Promise<void> {
    const asked = await askedAbout(door, run, call);
    if (asked === undefined) return;
    reader.must(
      run,
      tenant,
      asked.private_to,
      `Question ${call} of ${run} may be declined, and not answered by somebody who may not read it.`,
    );
  }
}

function viewOf(reader: Reader, one: AskedPage['page'][number]): View {
  const { run, call, tenant, agent, principal, rules, approvers, owner, version, claim, later, since, expires_at } = one;
  const { question, schema, misfit, from, label } = one.asks ?? { question: '', schema: ANY_TEXT, label: CLEAN };
  const { influenced_by, private_to } = label;
  const withheld = reader.withheld(run, tenant, private_to);
  const shown = withheld === undefined;
  return {
    run,
    call,
    tenant,
    agent,
    principal,
    version,
    claim,
    later,
    since,
    expires_at,
    question: shown ? question : null,
    schema: shown ? schema : null,
    takes: shown ? wantedText(schema) : null,
    ...(misfit === undefined ? {} : { misfit: shown ? misfit : null }),
    ...(from === undefined ? {} : { from }),
    influenced_by: [...influenced_by],
    private_to: [...private_to],
    ...(withheld === undefined ? {} : { withheld }),
    rules: [...rules],
    approvers: [...approvers],
    ...(owner === undefined ? {} : { owner }),
  };
}
