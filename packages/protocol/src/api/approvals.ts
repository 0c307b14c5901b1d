/** Schemas of approvals, decisions and quarantines, and of what a run can reach. */
import * as z from 'zod';
import { does, proof, seenBy, withLater } from './asked.ts';
import { Holds } from './decided.ts';
import { dryRun, dryRunQuery, identity, inTenant, json, Reason, runId, seenVersion, shownVersion, tenant, time_ms } from './parts.ts';
import { Page } from './schemas-page.ts';
import { Control } from './selector.ts';
import { withheld } from './withheld.ts';

const lowered = z.object({
  kind: z.enum(['endorse', 'declassify']),
  names: z.array(z.string()).describe('names that were removed from the label'),
});
const names = z.array(z.string());
const origins = z
  .array(z.object({ path: z.string(), origin: z.string().describe('as policies name it'), from: z.string().describe('the same in words') }))
  .describe('origins of its arguments, the least trusted first');

const quotes = z.array(
  z.object({
    path: z.string().describe('of the argument'),
    value: z.string().describe('of the argument, as text; the beginning of a long one'),
    proven: z.boolean().describe('false: the value is too short to say that it came from there; it merely stands there as well'),
    source: z.string().describe('the tool that answered, or the agent that wrote'),
    call: z.int().nullable(),
    trusted: z.boolean(),
    private_to: names,
    text: z.string().nullable().describe('text around the argument’s value; null if it is private to somebody else'),
    beside: z
      .array(z.object({ name: z.string(), text: z.string() }))
      .describe('short values beside that text in the same object, such as the sender and the subject of a mail: as unproven as the text'),
  }),
);

export const DecisionView = z
  .object({
    call: z.int(),
    crank: z.int().describe('entry of the journal in which the decision is'),
    at: time_ms,
    action: z
      .enum(['call', 'send', 'spawn', 'answer', 'output', 'emit'])
      .describe('`answer`: of the call; `output`: how the run finishes, and `emit`: an event, which are call 0'),
    tool: z.string().describe('for a message or a child run: the agent it is for'),
    verdict: z.enum(['allow', 'deny', 'ask', 'inspect']).describe('`inspect`: inspectors are asked, and the call waits for them'),
    inspected: z
      .array(z.object({ inspector: z.string(), said: z.string() }))
      .exactOptional()
      .describe('what inspectors said, in words; never a part of the value'),
    quotes: quotes
      .exactOptional()
      .describe('of a call that was not simply allowed: the text that its arguments stand in; absent if the caller may not read payloads'),
    rules: z.array(z.string()).describe('policies that match, those that decided first'),
    also: z.array(z.string()).exactOptional().describe('those of `rules` that did not decide, since another one had a graver consequence'),
    policy: z.string().describe('version of the policies that decided'),
    unusual: z.array(z.string()),
    origins,
    code: z.string().nullable().describe('of a denial'),
    question: z
      .literal(true)
      .exactOptional()
      .describe('people are asked for an answer, by the agent or by the tool of a call, and not for approval'),
    under: z
      .object({ call: z.int(), by: z.string() })
      .exactOptional()
      .describe('the earlier call whose approval allowed this one, and who gave it'),
    people: z.array(
      z.object({
        by: z.string(),
        verdict: z.enum(['approve', 'deny', 'expired']),
        answered: z.literal(true).exactOptional().describe('with `approve`: the call is a question, and this person has answered it'),
        reason: z.string(),
        at: time_ms,
        lowered: lowered.exactOptional(),
        fresh: z.literal(true).exactOptional().describe('they showed their token once more for it'),
        holds: z
          .object({ for: z.enum(['destination', 'shape']), uses: z.int(), amount: z.number().exactOptional(), until: time_ms })
          .exactOptional()
          .describe('later calls of the run that it holds for'),
        who: identity.exactOptional(),
      }),
    ),
  })
  .meta({ id: 'Decision' });
export const ApprovalQuery = Page.extend({
  ...inTenant,
  run: runId.exactOptional().describe('only of this run'),
  agent: z
    .string()
    .min(1)
    .max(100)
    .exactOptional()
    .describe('only of this agent; the end after its last / suffices if no other agent has it'),
  tool: z.string().min(1).max(200).exactOptional().describe('only calls to this tool'),
  q: z.string().min(1).max(100).exactOptional().describe('only where this is part of the name of the agent or of the tool, in either case'),
  shape: z.string().min(1).max(100).exactOptional().describe('only calls of this shape'),
  ...withLater,
});
export const Approval = z
  .object({
    run: runId,
    call: z.int(),
    tenant,
    agent: z.string(),
    principal: z.string().describe('submitter of the run, who therefore may not decide'),
    tool: z.string(),
    control: Control.describe('whether its run is held: a call that is approved then is made, and its agent is told when the run goes on'),
    input: json.describe('null where `withheld`; then the call can be denied, and not approved'),
    withheld,
    rules: z.array(z.string()).describe('policies that ask'),
    rule_texts: z
      .array(z.object({ rule: z.string(), text: z.string() }))
      .describe('what those say, as their file has it; a rule without an `@id`, or of policies that are not kept any more, is left out'),
    unusual: z.array(z.string()).describe('unusual facts about it'),
    origins,
    order: z
      .object({ by: z.string(), input: json, private_to: names })
      .describe('what the people behind the run asked for; `input` is null if it is private to somebody else than the reader'),
    quotes: quotes.describe('where the values of the arguments occur in what the run has received'),
    policy: z.string(),
    quorum: z.int().describe('how many people must approve'),
    approvers: z
      .array(z.string())
      .describe(
        'people or roles that the rules name; a person who decides must be all of them. Where `quorum` asks for several people, a named person has to be one of them',
      ),
    owner: z
      .string()
      .exactOptional()
      .describe('who `owner` among the approvers is: a person, or the role that decides in their place; left out if several people may be'),
    approved_by: z.array(z.string()),
    version: shownVersion,
    shape: z.string().describe('the same for calls of the agent to the tool whose arguments have the same names and types'),
    such: z
      .object({ approved: z.int(), decided: z.int() })
      .describe('how often you have approved calls of this shape, of all of them that you have decided about'),
    does: does.describe('where it goes and how much it moves, by its tool; null where `withheld`'),
    may_hold: does.describe('what an approval could hold for besides this call; null: for this call alone'),
    needs_proof: z.boolean().describe('to approve it takes the token once more'),
    ...seenBy,
    since: time_ms,
    expires_at: time_ms.describe('without a decision by then, the call is refused'),
    lowers: z
      .object({
        kind: z.enum(['endorse', 'declassify']),
        owner: z.string().describe('who alone decides'),
        of: z.enum(['run', 'value']),
        influenced_by: names,
        private_to: names,
      })
      .exactOptional()
      .describe('the label that it would lower'),
  })
  .meta({ id: 'Approval' });
export const ApprovalList = z.object({
  items: z.array(Approval),
  next: z.string().nullable().describe('cursor of the next page; null on the last'),
  later: z.int().exactOptional().describe('how many of this page are left out because you have put them off; left out if there are none'),
  damaged: z
    .array(z.object({ run: runId, detail: z.string() }))
    .exactOptional()
    .describe('runs on this page that wait for people and whose journals cannot be read; left out if there are none'),
});
export const ApprovalCount = z.object({
  waiting: z.int().describe('runs that wait for people: for a decision about a call, or for the answer to a question'),
});
export const Judgement = z
  .union([
    z.strictObject({
      verdict: z.literal('approve'),
      reason: Reason.exactOptional(),
      version: seenVersion,
      holds: Holds.exactOptional(),
      proof,
    }),
    z.strictObject({ verdict: z.literal('deny'), reason: Reason, version: seenVersion }),
  ])
  .meta({ id: 'Judgement' });
export const Judged = z.object({
  run: runId,
  call: z.int(),
  verdict: z.enum(['approve', 'deny']),
  by: z.string(),
  holds_until: time_ms.exactOptional().describe('set if it holds for later calls'),
  missing: z.int().describe('further approvals by other people that it still needs'),
});

const QuarantineKind = z.enum(['agent', 'version', 'tenant', 'tool']);
const QuarantineName = z.string().min(1).max(100).describe('name of an agent, tool or tenant; the digest of a version');
export const Quarantine = z
  .object({
    kind: QuarantineKind,
    name: z.string(),
    tenant: z.string().nullable().describe('tenant in which it applies; null: in every tenant'),
    by: z.string(),
    reason: z.string(),
    at: time_ms,
  })
  .meta({ id: 'Quarantine' });
export const QuarantinePut = Quarantine.extend({
  runs: z.array(runId).describe('runs that have not ended and are, or would be, stopped by it'),
  replaced: z
    .object({ by: z.string(), reason: z.string(), at: time_ms })
    .exactOptional()
    .describe('the quarantine of the same name that stood before; this one is in its place'),
}).meta({ id: 'QuarantinePut' });
const where = {
  tenant: z
    .union([tenant, z.literal('*')])
    .exactOptional()
    .describe('for principals of the whole host; `*`: a version, in every tenant'),
};
export const QuarantineLifted = Quarantine.extend({
  runs: z.array(runId).describe('runs that it concerned, which go on, or would, unless something else stops them'),
}).meta({ id: 'QuarantineLifted' });
export const QuarantineList = z.object({ items: z.array(Quarantine) });
export const QuarantineRequest = z
  .strictObject({ ...where, kind: QuarantineKind, name: QuarantineName, reason: Reason, ...dryRun })
  .meta({ id: 'QuarantineRequest' });
export const QuarantinePath = z.strictObject({
  kind: QuarantineKind,
  name: QuarantineName.meta({ description: 'percent-encoded, since names may contain a /' }),
});
export const LiftQuery = z.strictObject({ ...where, reason: Reason, ...dryRunQuery });

export const Authority = z
  .object({
    run: runId,
    agent: z.string(),
    tenant,
    principal: z.string(),
    ended: z.boolean().describe('the run has ended, and therefore reaches nothing any more'),
    quarantined: z.string().nullable().describe('why nothing of it can be used at present'),
    reaches: z
      .array(
        z.object({
          alias: z.string().nullable().describe('alias in its agent’s manifest; null: the run received it later'),
          kind: z.enum(['tool', 'mailbox']),
          name: z.string(),
          offered: z.boolean().describe('whether the host still offers the tool'),
          works: z.boolean(),
          chain: z.array(
            z.object({
              grant: z.string(),
              holder: z.string(),
              where: z.record(z.string(), json).describe('conditions on arguments; empty where `withheld`'),
              withheld,
              uses: z.int().nullable(),
              used: z.int(),
              expires_at: time_ms.nullable(),
              rate_per_minute: z.int().nullable(),
              bytes: z.int().nullable().describe('total bytes of arguments or messages'),
              rights: z.array(z.string()).nullable().describe('null: all'),
              only_clean: z.boolean().describe('refused once the run has read anything that a stranger may have written'),
              trace: z.boolean().describe('the tool is told the trace that a call belongs to'),
              revoked: z.boolean(),
            }),
          ),
        }),
      )
      .describe('each with its chain of grants, its own first; every grant of the chain limits it'),
    budget: z.record(z.string(), z.number()).describe('amounts that its purse was given at admission, or by its parent'),
    spawns: z.array(z.string()).describe('agents it may start, which can reach no more than it can'),
    code: z.boolean().describe('it may run programs that it makes, which can reach no more than it can'),
  })
  .meta({ id: 'Authority' });
