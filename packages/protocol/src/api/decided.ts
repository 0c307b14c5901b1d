/** Schemas of what people decided about calls, of claims, and of what a person has put off. */
import * as z from 'zod';
import { does, proof } from './asked.ts';
import { LIMITS_APPROVALS } from '../limits-approvals.ts';
import { DECIDED_AS } from '../ports/approvals.ts';
import { inTenant, json, Reason, runId, tenant, time_ms } from './parts.ts';
import { Page } from './schemas-page.ts';
import { oneOrMore } from './selector.ts';
import { withheld } from './withheld.ts';

const Verdict = z.enum(DECIDED_AS);
const moment = z.coerce.number().int().min(0).exactOptional();

export const DecidedView = z
  .object({
    run: runId,
    call: z.int(),
    tenant,
    agent: z.string(),
    tool: z.string(),
    shape: z.string().describe('the same for calls of the agent to the tool whose arguments have the same names and types'),
    verdict: Verdict.describe(
      '`answer` and `decline` are of questions; `expired`: nobody decided in time; `withdrawn`: the tool was taken back before anybody had decided',
    ),
    by: z.string().describe('`nobody` if it expired; `host` if it was withdrawn, or could not be made any more when a person approved it'),
    reason: z.string(),
    at: time_ms,
    waited_ms: z.int().describe('time since people were asked'),
    input: json
      .exactOptional()
      .describe('with `arguments`: what the call was to do; null where `withheld`, and where the journal has it no more or too far on'),
    does: does.exactOptional().describe('with `arguments`: the same in short; null where `input` is'),
    withheld,
  })
  .meta({ id: 'DecidedCall' });
export const DecisionQuery = Page.extend({
  ...inTenant,
  agent: oneOrMore(z.string().min(1).max(100)).exactOptional().describe('name of the agent, or several'),
  tool: oneOrMore(z.string().min(1).max(200)).exactOptional().describe('name of the tool, or several; questions are of `owner.ask`'),
  by: z.string().min(1).max(200).exactOptional().describe('who decided; `me`: yourself'),
  verdict: oneOrMore(Verdict).exactOptional(),
  run: runId.exactOptional().describe('only of this run'),
  shape: z.string().min(1).max(100).exactOptional().describe('only of calls of this shape'),
  since: moment.describe('decided at this time or after, in milliseconds since 1970'),
  until: moment.describe('decided before this time'),
  q: z.string().min(1).max(100).exactOptional().describe('part of the name of the agent, of the tool or of who decided, in either case'),
  arguments: z.enum(['true', 'false']).default('false').describe('`true`: say what each call was to do, from the journals'),
  counts: z.enum(['true', 'false']).default('false').describe('`true`: count all that match as well, by verdict'),
});
export const DecisionList = z.object({
  items: z.array(DecidedView),
  next: z.string().nullable().describe('cursor of the next page; null on the last'),
  counts: z.partialRecord(Verdict, z.int()).exactOptional().describe('how many there are of each, on all pages; with `counts`'),
});

const { claim_ms } = LIMITS_APPROVALS;
export const ClaimRequest = z
  .strictObject({
    for_ms: z.int().min(claim_ms.min).max(claim_ms.max).default(claim_ms.default).describe('how long it is shown, if you do not decide'),
    take: z.boolean().default(false).describe('take it over from somebody who is looking at it'),
  })
  .meta({ id: 'ClaimRequest' });
export const Claim = z.object({ run: runId, call: z.int(), by: z.string(), since: time_ms, until: time_ms }).meta({ id: 'Claim' });
export const Released = z.object({ run: runId, call: z.int(), released: z.boolean().describe('false: you were not looking at it') });
export const LaterRequest = z
  .strictObject({ until: time_ms.nullable().describe('milliseconds since 1970; null: show it again now') })
  .meta({ id: 'LaterRequest' });
export const Later = z
  .object({
    run: runId,
    call: z.int(),
    until: time_ms.nullable(),
    expires_at: time_ms.describe('when it expires, hidden or not'),
  })
  .meta({ id: 'PutOff' });

const { standing_ms, standing_uses } = LIMITS_APPROVALS;
export const Holds = z
  .strictObject({
    for: z
      .enum(['destination', 'shape'])
      .describe('`destination`: calls whose arguments have the same names and types, to the same destination; `shape`: to any'),
    uses: z.int().min(1).max(standing_uses.max).default(standing_uses.default).describe('further calls'),
    amount: z
      .number()
      .min(0)
      .exactOptional()
      .describe('money of all further calls together; required if the tool moves money, and only then'),
    for_ms: z.int().min(standing_ms.min).max(standing_ms.max).default(standing_ms.default).describe('how long it holds'),
  })
  .meta({
    id: 'Holds',
    description:
      'later calls of the same run that pass under this approval. One that is wider than what was shown (another rule, something unusual, a less trusted origin, a label that the run has got since) is asked about. Needs `version`',
  });
export const Standing = z
  .object({
    run: runId,
    call: z.int().describe('the call that was approved'),
    by: z.string(),
    for: z.enum(['destination', 'shape']),
    tool: z.string(),
    destination: z.string().nullable().describe('values at the tool’s destinations, as JSON; null where `withheld`'),
    withheld,
    uses: z.int(),
    used: z.int(),
    amount: z.number().nullable(),
    spent: z.number(),
    until: time_ms,
  })
  .meta({ id: 'StandingApproval' });
export const StandingList = z.object({ items: z.array(Standing) });
export const Withdrawal = z.strictObject({ reason: Reason }).meta({ id: 'Withdrawal' });
export const Withdrawn = z.object({ run: runId, call: z.int(), by: z.string() });

export const LinkRequest = z
  .strictObject({
    link: z.string().min(1).max(2_000).describe('what stands after `#approve=`'),
    verdict: z.enum(['approve', 'deny']),
    reason: Reason,
    proof,
  })
  .meta({ id: 'LinkRequest' });
