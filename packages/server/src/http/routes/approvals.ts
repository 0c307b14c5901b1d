/** People's decisions about calls. Each is recorded with person, reason and time. */
import { CorralError } from '@corral/protocol/errors';
import { approversText, OPERATIONS } from '@corral/protocol/api/roles';
import type { RouteReply } from '@corral/protocol/api/routes';
import type { RunId } from '@corral/protocol/ids';
import type { Control } from '@corral/protocol/model/run';
import type { Approval } from '@corral/supervisor';
import type { FastifyRequest } from 'fastify';
import type { StandingTerms } from '@corral/protocol/model/standing';
import { needsProof } from '../../config/approvals.ts';
import type { ServerContext } from '../context.ts';
import type { Access } from '../../people/access.ts';
import type { StoredRun } from '@corral/protocol/ports/store';
import { withShort } from '../../evidence/quoted.ts';
import { askingRules } from '../../evidence/rule-texts.ts';
import { conditionsOf, knownAgent } from '../../jobs/selection.ts';
import type { Reader } from '../../people/reader.ts';
import { askedAbout, askedPage, type AskedPage } from './asked.ts';
import { decisionRoutes, suchOf } from './decisions.ts';
import { lookingRoutes } from './looking.ts';
import { doesOf, standingRoutes, termsOf, toolOf } from './standing.ts';
import { findRun, type Context, type Handlers } from './handler.ts';

type View = RouteReply<'listApprovals'>['items'][number];

const controlOf = ({ index }: ServerContext, run: RunId): Control => (index.get(run)?.control ?? 'none') as Control;

export function approvalRoutes(
  door: ServerContext,
  prove: Prove,
): Handlers<'listApprovals' | 'countApprovals' | 'decideApproval'> &
  ReturnType<typeof lookingRoutes> &
  ReturnType<typeof decisionRoutes> &
  ReturnType<typeof standingRoutes> {
  return {
    ...lookingRoutes(door),
    ...decisionRoutes(door),
    ...standingRoutes(door),

    async listApprovals({ query }, { access, reader }) {
      const { run, shape, tool, q } = query;
      const tenant = access.some('approval.read', query.tenant);
      const agent = query.agent === undefined ? undefined : knownAgent(door, tenant, query.agent);
      const of = {
        ...(agent === undefined ? {} : { agent }),
        ...(tool === undefined ? {} : { tool }),
        ...(q === undefined ? {} : { named: q }),
        ...(run === undefined ? {} : { run: findRun(door, access, 'approval.read', run).id as RunId }),
        ...(shape === undefined ? {} : { shape }),
        ...(tenant === undefined ? {} : { tenant }),
      };
      const { page, ...rest } = await askedPage(door, access, { kind: 'approval', ...of }, query);
      const such = await suchOf(door, access, page);
      const texts = askingRules(door.settings.inForce().tenants, door.archive);
      const items = page.map((one) => ({
        ...approvalView(door, reader, one, such(one.shape)),
        rule_texts: texts(one.tenant, one.policy, one.rules),
      }));
      return { items, ...rest };
    },

    async countApprovals({ query }, { access }) {
      const asking = await conditionsOf(door, access, 'approval.read', { ...query, waiting: 'approval' });
      const { total = 0 } = await door.lists.take(access.principal.tenant, () => door.reads.runs({ ...asking, limit: 1, total: true }));
      return { waiting: total };
    },

    async decideApproval({ params, body }, { access, reader, keep, request }) {
      const { run, call } = params;
      const { verdict, reason = '', version } = body;
      const by = access.principal.id;
      const { proof, holds = undefined } = body.verdict === 'approve' ? body : {};
      const fresh = await prove(request, access, proof);
      if (holds !== undefined && version === undefined)
        throw new CorralError('CORRAL_REQUEST_INVALID', '`holds` needs the `version` that was shown.');
      const terms = holds && termsOf(holds, door.clock.now());
      const { tenant, missing } = await decideOne(
        door,
        { access, reader },
        { run, call, verdict, reason, shown: version, holds: terms, fresh },
      );
      keep({ operation: verdict, target: { run, call }, tenant, matched: [run] });
      return { run, call, verdict, by, missing: await missing(), ...(terms === undefined ? {} : { holds_until: terms.until }) };
    },
  };
}

/**
 * Checks a token that a person shows once more. Over the socket the operating system says with each request who calls, which is proof enough.
 * @returns whether the person has proved who they are just now
 * @throws CORRAL_PROOF_NEEDED for a token that is not theirs, CORRAL_RATE_LIMITED
 */
export type Prove = (request: FastifyRequest, access: Access, proof: string | undefined) => Promise<boolean>;

const isProofNeeded = (door: ServerContext, one: Pick<Approval, 'tenant' | 'tool' | 'input'>): boolean =>
  needsProof(door.settings.inForce().config.approvals, one.tool, toolOf(door, one), one.input);

/** Further approvals by other people that a call still needs. */
async function missingOf(door: ServerContext, run: RunId, call: number): Promise<number> {
  const still = await askedAbout(door, run, call);
  return still === undefined ? 0 : Math.max(0, still.quorum - still.approved_by.length);
}

/** A person's decision about one call. */
export interface OneDecision {
  readonly run: RunId;
  readonly call: number;
  readonly verdict: 'approve' | 'deny';
  readonly reason: string;
  /** The version that the person has seen; undefined: whatever it is. */
  readonly shown: string | undefined;
  readonly holds?: StandingTerms | undefined;
  /** Whether the person has shown their credential for this request. */
  readonly fresh: boolean;
}

/** An approval, without the texts whose labels do not allow the reader to read them. */
function approvalView(door: ServerContext, reader: Reader, one: AskedPage['page'][number], such: View['such']): Omit<View, 'rule_texts'> {
  const {
    run,
    tenant,
    origins,
    rules,
    unusual,
    approved_by,
    approvers,
    lowers,
    asks: _,
    order,
    quotes,
    private_to,
    input,
    may_hold,
    ...more
  } = one;
  const mayRead = (names: readonly string[]) => reader.may(run, tenant, names);
  // The owner of a label alone may lower it, and is shown what to vouch for.
  const isTheirs = lowers !== undefined && reader.is(tenant, lowers.owner);
  const withheld = isTheirs ? undefined : reader.withheld(run, tenant, private_to);
  const does = withheld === undefined ? doesOf(door, one) : null;
  return {
    ...more,
    such,
    control: door.host.view(run)?.control ?? controlOf(door, run),
    // Both tell something about the arguments.
    may_hold: may_hold ? does : null,
    does,
    needs_proof: withheld === undefined && isProofNeeded(door, one),
    run,
    tenant,
    input: withheld === undefined ? input : null,
    ...(withheld === undefined ? {} : { withheld }),
    order: { ...order, input: mayRead(order.private_to) ? order.input : null, private_to: [...order.private_to] },
    // Which texts the arguments stand in says something about the arguments.
    quotes: (withheld === undefined ? quotes : []).map(({ call, private_to: names, text, beside, ...quote }) => ({
      ...quote,
      call: call ?? null,
      private_to: [...names],
      text: mayRead(names) ? text : null,
      beside: mayRead(names) ? [...beside] : [],
    })),
    ...(lowers === undefined ? {} : { lowers: lowersView(lowers) }),
    approvers: [...approvers],
    rules: [...rules],
    unusual: [...unusual],
    approved_by: [...approved_by],
    origins:
      withheld === undefined
        ? withShort(
            origins,
            quotes.filter((quote) => mayRead(quote.private_to)),
          )
        : [],
  };
}

/** A decision that was recorded. */
export interface Made {
  readonly tenant: string;
  /** Further approvals by other people that the call still needs. */
  readonly missing: () => Promise<number>;
}

/**
 * One person's decision about one call. To approve takes reading what is approved.
 * @throws CORRAL_RUN_UNKNOWN, CORRAL_RUN_STATE, CORRAL_APPROVER, CORRAL_CHANGED, CORRAL_WITHHELD, CORRAL_PROOF_NEEDED
 */
export async function decideOne(
  door: ServerContext,
  { access, reader }: Pick<Context, 'access' | 'reader'>,
  { run, call, verdict, reason, shown, holds, fresh }: OneDecision,
): Promise<Made> {
  const { host, people } = door;
  const by = access.principal.id;
  const row = findRun(door, access, 'approval.decide', run);
  if (row.ended_as !== null) throw new CorralError('CORRAL_RUN_STATE', `${run} has ended already: ${row.ended_as}.`);
  if (!people.behind(by).isDisjointFrom(people.behind(row.principal)))
    throw new CorralError('CORRAL_APPROVER', `${by} is behind ${run}, and so may not decide about its calls.`);
  const asked = verdict === 'approve' ? await askedAbout(door, run, call) : undefined;
  if (asked !== undefined) mustRead(reader, asked);
  const needed = asked !== undefined && isProofNeeded(door, asked);
  if (needed && !fresh)
    throw new CorralError('CORRAL_PROOF_NEEDED', `Call ${call} of ${run} is one that ${by} approves with their token shown once more.`);
  const as = { shown, holds, ...(needed ? { fresh: true as const } : {}) };
  await host.decide(run, call, by, verdict, reason, access.principal.roles, as);
  return { tenant: row.tenant, missing: async () => (asked === undefined || asked.quorum === 1 ? 0 : missingOf(door, run, call)) };
}

function mustRead(reader: Reader, { run, call, tenant, lowers, private_to }: Approval): void {
  // Only the owner decides about a label, and has been shown the value.
  if (lowers !== undefined) return;
  reader.must(run, tenant, private_to, `Call ${call} of ${run} may be denied, and not approved by somebody who may not read it.`);
}

/**
 * Sentences about the calls of a run that wait for approval: the people who may decide, and the commands for a reader whose role is to
 * decide and who is not behind the run.
 */
export async function decidingLines({ host, people }: ServerContext, access: Access, { record, status }: StoredRun): Promise<string[]> {
  if (status.outcome !== undefined) return [];
  const { id: run, principal, tenant } = record;
  const isBehind = !people.behind(access.principal.id).isDisjointFrom(people.behind(principal));
  const may = !isBehind && access.may('approval.decide', tenant);
  return (await host.approvals({ run })).map(({ call, tool, approvers, owner, asks }) => {
    if (asks !== undefined) {
      const asker = `Question ${call} is for ${approversText(approvers, owner)}`;
      return access.may('approval.decide', tenant)
        ? `${asker}: \`corral questions\` shows what is asked; \`corral answer ${run} ${call} VALUE\` answers.`
        : `${asker}.`;
    }
    const who =
      approvers.length > 0
        ? approversText(approvers, owner)
        : `another person with the role ${OPERATIONS['approval.decide'].roles.join(' or ')}`;
    const whose = `Call ${call} to ${tool} is for ${who}`;
    if (!may) return `${whose}${isBehind ? ', since you are behind its run' : ''}.`;
    const how = `\`corral approvals\` shows what exactly is asked; \`corral approve ${run} ${call}\` or \`corral deny ${run} ${call} -m WHY\` decides.`;
    // The role is not enough where the rules of a call name people.
    return approvers.length > 0 ? `${whose}: ${how}` : how;
  });
}

function lowersView({ kind, owner, of, label }: NonNullable<Approval['lowers']>) {
  return { kind, owner, of, influenced_by: [...label.influenced_by], private_to: [...label.private_to] };
}
