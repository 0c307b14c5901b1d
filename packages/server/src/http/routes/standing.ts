/** Approvals that hold for later calls of their run. */
import type { RouteRequest } from '@corral/protocol/api/routes';
import { argumentAt } from '@corral/policy/capability/predicate';
import type { Json } from '@corral/protocol/json';
import type { StandingTerms } from '@corral/protocol/model/standing';
import type { Tool } from '@corral/protocol/ports/tool';
import type { Approval } from '@corral/supervisor';
import { amountOf } from '../../config/approvals.ts';
import type { ServerContext } from '../context.ts';
import { findRun, type Handlers } from './handler.ts';

type Holds = NonNullable<Extract<RouteRequest<'decideApproval'>['body'], { verdict: 'approve' }>['holds']>;

export const termsOf = ({ for: scope, uses, amount, for_ms }: Holds, now: number): StandingTerms => ({
  scope,
  uses,
  ...(amount === undefined ? {} : { amount }),
  until: now + for_ms,
});

export const toolOf = ({ host }: ServerContext, { tenant, tool }: Pick<Approval, 'tenant' | 'tool'>): Tool | undefined =>
  host.tools(tenant).find(({ name }) => name === tool);

/** Where a call goes and how much it moves; null if its tool is not offered any more. */
export function doesOf(door: ServerContext, one: Pick<Approval, 'tenant' | 'tool' | 'input'>) {
  const tool = toolOf(door, one);
  if (tool === undefined) return null;
  const { destinations = [] } = tool.annotations;
  const destination = Object.fromEntries(destinations.map((path): [string, Json] => [path, (argumentAt(one.input, path) ?? null) as Json]));
  const money = amountOf(tool, one.input);
  return {
    destination: destinations.length === 0 ? null : destination,
    money: tool.annotations.money === undefined ? null : Number.isFinite(money) ? (money ?? 0) : 0,
  };
}

export function standingRoutes(door: ServerContext): Handlers<'listStanding' | 'withdrawApproval'> {
  const { host, turns } = door;
  return {
    async listStanding({ params: { run } }, { access, reader }) {
      const { tenant } = findRun(door, access, 'approval.read', run);
      // Its journal is read.
      const all = await turns.take(access.principal.tenant, () => host.standing(run));
      return {
        items: all.map(({ call, by, scope, tool, destination, uses, used, amount = null, spent, until, label }) => {
          const withheld = reader.withheld(run, tenant, label.private_to);
          const of = withheld === undefined ? { destination } : { destination: null, withheld };
          return { run, call, by, for: scope, tool, ...of, uses, used, amount, spent, until };
        }),
      };
    },

    async withdrawApproval({ params: { run, call }, body: { reason } }, { access, keep }) {
      const { tenant } = findRun(door, access, 'approval.decide', run);
      const by = access.principal.id;
      await host.withdraw(run, call, by, reason);
      keep({ target: { run, call }, tenant, matched: [run] });
      return { run, call, by };
    },
  };
}
