/** Grants that a person revokes, questions that people answer, and where candidate policies would have decided differently from those in force. */
import { CorralError } from '@corral/protocol/errors';
import { actionName } from '@corral/policy/cedar/catalog';
import { verdictText } from '@corral/policy/cedar/explain';
import type { Verdict } from '@corral/policy/cedar/verdict';
import type { ServerContext } from '../context.ts';
import { previewOf } from '../../jobs/previews.ts';
import { findRun, type Handlers } from './handler.ts';
import { questionRoutes } from './questions.ts';

/** Changes that are shown of a long journal. */
const CHANGES = 1_000;

export function governanceRoutes(
  door: ServerContext,
): Handlers<'revokeGrant' | 'policyShadow' | 'runContext' | 'listQuestions' | 'answerQuestion'> {
  const { host, index, turns } = door;
  return {
    ...questionRoutes(door),

    async revokeGrant({ params: { grant }, body: { reason, dryRun, preview: seen } }, { access, keep }) {
      const run = await host.holder(grant);
      const row = run === undefined ? undefined : index.get(run);
      // The same text whether there is no such grant or it is another tenant's.
      if (run === undefined || row === undefined || !access.may('grant.revoke', row.tenant))
        throw new CorralError('CORRAL_GRANT_UNKNOWN', `There is no grant ${grant} here.`);
      const by = access.principal.id;
      const reached = host.revocable(grant);
      const made = { principal: access.principal, operation: 'grant.revoke', of: grant };
      const preview = previewOf(made, [...reached.runs, ...reached.calls.map((call) => `${call.run} ${call.call}`)]);
      const said = { grant, run, tenant: row.tenant, by, reason, runs: [...reached.runs], preview };
      if (seen !== undefined && seen !== preview)
        throw new CorralError(
          'CORRAL_PREVIEW_STALE',
          `The revocation of ${grant} would reach other runs or calls now. Nothing was revoked.`,
        );
      if (dryRun) {
        keep.skip();
        return { ...said, calls_aborted: reached.calls.length, calls: [] };
      }
      const { calls_aborted, calls } = await host.revoke(grant, by, reason);
      keep({ target: { grant }, tenant: row.tenant, matched: [run] });
      // Runs of other tenants may hold what was derived from it.
      return { ...said, calls_aborted, calls: calls.filter((call) => index.get(call.run)?.tenant === row.tenant) };
    },

    async runContext({ params: { run } }, { access }) {
      findRun(door, access, 'run.read', run);
      return { items: [...(await turns.take(access.principal.tenant, () => host.context(run, CHANGES)))] };
    },

    async policyShadow({ query }, { access }) {
      const tenant = access.some('policy.read', query.tenant);
      const rules = ({ reasons }: Verdict) => reasons.map(({ policy }) => policy);
      const items = (await turns.take(access.principal.tenant, () => host.shadows()))
        .filter((one) => tenant === undefined || one.tenant === tenant)
        .map(({ examples, changes, ...one }) => ({
          ...one,
          changes: { ...changes },
          examples: examples.map(({ origin, subject, action, before, after }) => {
            return {
              origin,
              agent: subject.agent,
              person: subject.person,
              action: action.kind === 'call' || action.kind === 'answer' ? actionName(action) : `${action.kind}:${action.agent}`,
              was: verdictText(before),
              would: verdictText(after),
              rules: rules(before),
              would_rules: rules(after),
            };
          }),
        }));
      return { items };
    },
  };
}
