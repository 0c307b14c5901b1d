/** Schemas of questions that runs put to the owners of their agents, and of the answers. */
import * as z from 'zod';
import { seenBy, withLater } from './asked.ts';
import { inTenant, json, Reason, runId, seenVersion, shownVersion, tenant, time_ms } from './parts.ts';
import { Page } from './schemas-page.ts';
import { withheld } from './withheld.ts';

const names = z.array(z.string());

export const QuestionView = z
  .object({
    run: runId,
    call: z.int(),
    tenant,
    agent: z.string(),
    principal: z.string().describe('submitter of the run'),
    question: z
      .string()
      .nullable()
      .describe('written by the agent, or by the maker of the tool `from`; null if it is private to somebody else than the reader'),
    schema: z.record(z.string(), json).nullable().describe('JSON Schema of the answer, from where the question is; null as for `question`'),
    from: z
      .string()
      .exactOptional()
      .describe('the tool that needs the answer to go on with a call, and gets it; left out for a question of the agent'),
    takes: z.string().nullable().describe('which answers fit, in words; null as for `question`'),
    misfit: z
      .string()
      .nullable()
      .exactOptional()
      .describe('why the agent’s own code did not take the answer before; left out the first time it asks'),
    influenced_by: names.describe('strangers that the run has read, whose words the question may repeat'),
    private_to: names.describe('whose private data the question may contain'),
    withheld,
    rules: names.describe('policies that ask for somebody besides the owner'),
    approvers: names.describe('people or roles; whoever answers must be all of them. `owner` is the owner of the agent'),
    owner: z
      .string()
      .exactOptional()
      .describe('who `owner` is: a person, or the role that answers in their place; left out if several people may be'),
    version: shownVersion,
    ...seenBy,
    since: time_ms,
    expires_at: time_ms.describe('without an answer by then, the agent is told that nobody answered'),
  })
  .meta({ id: 'Question' });

export const QuestionQuery = Page.extend({ ...inTenant, run: runId.exactOptional().describe('only of this run'), ...withLater });
export const QuestionList = z.object({
  items: z.array(QuestionView),
  next: z.string().nullable().describe('cursor of the next page; null on the last'),
  later: z.int().exactOptional().describe('how many of this page are left out because you have put them off; left out if there are none'),
  damaged: z
    .array(z.object({ run: runId, detail: z.string() }))
    .exactOptional()
    .describe('runs on this page that wait for people and whose journals cannot be read; left out if there are none'),
});

export const QuestionAnswer = z
  .union([
    z.strictObject({
      value: json.describe('the answer; it must fit the schema of the question'),
      reason: Reason.exactOptional(),
      version: seenVersion,
    }),
    z.strictObject({ decline: z.literal(true), reason: Reason, version: seenVersion }),
  ])
  .meta({ id: 'QuestionAnswer' });

export const QuestionAnswered = z.object({ run: runId, call: z.int(), by: z.string(), declined: z.boolean() });
