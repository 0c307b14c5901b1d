/** Routes for the decisions of people about calls. They are read from a table, off the host’s thread. */
import { cursorOf, rowOf } from '@corral/protocol/api/cursor';
import { many } from '@corral/protocol/api/selector';
import type { RunId, TenantId } from '@corral/protocol/ids';
import type { DecidedAs, DecidedRow } from '@corral/protocol/ports/approvals';
import type { Access } from '../../people/access.ts';
import type { ServerContext } from '../context.ts';
import { inputsOf } from '../../evidence/asked-inputs.ts';
import { shownJournal } from '../../evidence/shown.ts';
import { findRun, type Handlers } from './handler.ts';
import { doesOf } from './standing.ts';

/** The name by which a caller asks for their own decisions. */
const ME = 'me';

export function decisionRoutes(door: ServerContext): Handlers<'listDecisions'> {
  const { reads, lists, people, turns } = door;
  return {
    async listDecisions({ query }, { access, reader }) {
      const { cursor, limit, agent, tool, by, verdict, run, shape, since, until, q, counts } = query;
      const { principal } = access;
      const tenant = run === undefined ? access.some('approval.read', query.tenant) : findRun(door, access, 'approval.read', run).tenant;
      const wanted = {
        tenant,
        agent: many(agent),
        tool: many(tool),
        verdict: many(verdict),
        by: by === undefined ? undefined : by === ME ? people.namesOf(principal.id) : [by],
        run,
        shape: shape === undefined ? undefined : [shape],
        since,
        until,
        q,
      };
      const [rows, counted] = await lists.take(principal.tenant, () =>
        Promise.all([
          reads.decided({ ...wanted, before: rowOf(cursor), limit: limit + 1 }),
          counts === 'true' ? reads.decidedCounts(wanted) : undefined,
        ]),
      );
      const page = rows.slice(0, limit);
      const inputs =
        query.arguments === 'true' ? await turns.take(principal.tenant, () => inputsOf(shownJournal(door, reader), page)) : undefined;
      return {
        items: page.map((row) => ({ ...viewOf(row), ...(inputs === undefined ? {} : argumentsOf(row, inputs)) })),
        next: rows.length > page.length ? cursorOf(page.at(-1)?.n ?? 0) : null,
        ...(counted === undefined ? {} : { counts: sumOf(counted) }),
      };
    },
  };

  function argumentsOf({ run, call, tenant, tool }: DecidedRow, inputs: Awaited<ReturnType<typeof inputsOf>>) {
    const found = inputs.get(`${run} ${call}`);
    if (found === undefined) return { input: null, does: null };
    if ('withheld' in found) return { input: null, does: null, withheld: found.withheld };
    const { input } = found;
    return { input, does: doesOf(door, { tenant: tenant as TenantId, tool, input }) };
  }
}

const viewOf = ({ run, call, tenant, agent, tool, shape, verdict, by, reason, asked_at, at }: DecidedRow) => ({
  run: run as RunId,
  call,
  tenant: tenant as TenantId,
  agent,
  tool,
  shape,
  verdict,
  by,
  reason,
  at,
  waited_ms: Math.max(0, at - asked_at),
});

function sumOf(counted: readonly { readonly verdict: DecidedAs; readonly count: number }[]): Partial<Record<DecidedAs, number>> {
  const sums: Partial<Record<DecidedAs, number>> = {};
  for (const { verdict, count } of counted) sums[verdict] = (sums[verdict] ?? 0) + count;
  return sums;
}

/** How often the reader has approved calls of a shape, of those that they decided about. */
export async function suchOf(
  { reads, people }: ServerContext,
  { principal }: Access,
  page: readonly { readonly shape: string }[],
): Promise<(shape: string) => { approved: number; decided: number }> {
  const shapes = [...new Set(page.map(({ shape }) => shape))];
  const counted = shapes.length === 0 ? [] : await reads.decidedCounts({ by: people.namesOf(principal.id), shape: shapes });
  return (shape) => {
    const own = counted.filter((one) => one.shape === shape);
    const sum = (of: typeof own) => of.reduce((all, { count }) => all + count, 0);
    return { approved: sum(own.filter(({ verdict }) => verdict === 'approve')), decided: sum(own) };
  };
}
