/** Routes about grants, questions of runs, candidate policies, and changes to a run. */
import * as g from './governance.ts';
import * as q from './questions.ts';
import { route } from './route.ts';
import * as s from './schemas.ts';
import * as settling from './settling.ts';

export const GOVERNANCE = {
  settleMany: route({
    method: 'POST',
    path: '/v1/settlements',
    tag: 'approvals',
    summary: 'Settles calls of unknown result, decides about calls that wait for people, or releases held runs: all that match a filter.',
    operation: 'body',
    act: 'settle',
    body: settling.Settlement,
    status: 200,
    response: settling.SettlementResult,
  }),
  listQuestions: route({
    method: 'GET',
    path: '/v1/questions',
    tag: 'approvals',
    summary: 'Lists questions of runs to the owners of their agents: who asks, what exactly, and which answers fit.',
    operation: 'approval.read',
    query: q.QuestionQuery,
    status: 200,
    response: q.QuestionList,
  }),
  answerQuestion: route({
    method: 'POST',
    path: '/v1/questions/:run/:call/answer',
    tag: 'approvals',
    summary: 'Answers a question, or declines to, as yourself. The submitter of the run may too: an answer allows nothing.',
    operation: 'approval.decide',
    act: 'answer',
    params: s.CallPath,
    body: q.QuestionAnswer,
    status: 200,
    response: q.QuestionAnswered,
  }),
  runContext: route({
    method: 'GET',
    path: '/v1/runs/:run/context',
    tag: 'runs',
    summary: 'Lists what changed about a run while it went on: its label, its grants, its purse, its version, its policies.',
    operation: 'run.read',
    params: s.RunPath,
    status: 200,
    response: g.ContextList,
  }),
  revokeGrant: route({
    method: 'POST',
    path: '/v1/grants/:grant/revoke',
    tag: 'approvals',
    summary:
      'Revokes a grant, and all that was derived from it; calls under way are aborted, and their results withheld from their agents.',
    operation: 'grant.revoke',
    act: 'revoke',
    params: g.GrantPath,
    body: g.Revocation,
    status: 200,
    response: g.Revoked,
  }),
  policyShadow: route({
    method: 'GET',
    path: '/v1/policies/shadow',
    tag: 'approvals',
    summary: 'Says where candidate policies would have decided differently from those in force.',
    operation: 'policy.read',
    query: s.InTenant,
    status: 200,
    response: g.ShadowList,
  }),
};
