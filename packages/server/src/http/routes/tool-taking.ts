/**
 * Takes a tool back from many runs at once. It cannot be given to them again, so it reaches none that a preview had not shown: a run that began to
 * match since then keeps the tool, and the answer names it. So it never fails because runs come and go.
 */
import type { ReceiptView } from '@corral/protocol/api/schemas';
import type { RouteReply, RouteRequest } from '@corral/protocol/api/routes';
import { CorralError } from '@corral/protocol/errors';
import type { Json } from '@corral/protocol/json';
import type { RunRow } from '@corral/protocol/ports/front';
import type { Holding } from '@corral/protocol/ports/tool-reads';
import type { ToolTaken } from '@corral/supervisor';
import { previewOf, type Previewed } from '../../jobs/previews.ts';
import { takenFrom } from '../../jobs/taking.ts';
import type { Access } from '../../people/access.ts';
import type { ServerContext } from '../context.ts';
import { refusalOf, type Context } from './handler.ts';
import { isNamed, matching, selectorOf, type Meant, type Refused, type Target } from './meant.ts';

type Body = RouteRequest<'operate'>['body'];

interface Holders extends Meant {
  readonly stored: readonly Holding[];
}

/** @throws CORRAL_REQUEST_INVALID */
function toolOf({ tool, family, halt, preview, dryRun }: Body, target: Target): string {
  const invalid = (text: string) => new CorralError('CORRAL_REQUEST_INVALID', text);
  if (tool === undefined) throw invalid('To revoke, name the `tool` that is taken back.');
  if (family || halt !== undefined) throw invalid('`revoke` takes neither `family` nor `halt`.');
  const holds = 'where' in target ? target.where.holds : undefined;
  if (holds !== undefined && holds !== tool) throw invalid(`The target holds ${holds}, and ${tool} is to be taken back.`);
  if (preview === undefined && !dryRun && !isNamed(target))
    throw invalid('To take a tool back from many runs, send the `preview` of a dry run with the same target along.');
  return tool;
}

/** The runs of a target that hold the tool. */
async function holdersOf(door: ServerContext, access: Access, target: Target, tool: string): Promise<Holders> {
  const meant = await matching(
    door,
    access,
    'grant.revoke',
    'run' in target ? target : { where: { ...selectorOf(target), holds: tool as never } },
  );
  const stored = await door.reads.holdings(
    tool,
    meant.rows.map(({ id }) => id),
  );
  const holders = new Set<string>(stored.map(({ run }) => run));
  const without = meant.rows.filter(({ id }) => !holders.has(id)).map(({ id }) => notHeld(id, tool));
  return { ...meant, rows: meant.rows.filter(({ id }) => holders.has(id)), refused: [...meant.refused, ...without], stored };
}

const notHeld = (run: string, tool: string): Refused => ({ run, code: 'CORRAL_RUN_STATE', detail: `${run} does not hold ${tool}.` });

/** The runs that a preview has shown, and those that it has not. @throws CORRAL_PREVIEW_STALE */
function asShown(
  { previews }: ServerContext,
  made: Previewed,
  rows: readonly RunRow[],
  preview: string | undefined,
): { shown: RunRow[]; beyond: string[] } {
  if (preview === undefined) return { shown: [...rows], beyond: [] };
  const beyond = previews.beyond(
    made,
    preview,
    rows.map(({ id }) => id),
  );
  if (beyond === null)
    throw new CorralError(
      'CORRAL_PREVIEW_STALE',
      `The host knows no preview ${preview} of yours for this tool, or not any more. Nothing was taken back.`,
    );
  const others = new Set(beyond);
  return { shown: rows.filter(({ id }) => !others.has(id)), beyond };
}

export async function takeBack(door: ServerContext, body: Body, { access, keep, request }: Context): Promise<RouteReply<'operate'>> {
  const { host, acts, previews } = door;
  const { reason, dryRun, preview: seen } = body;
  const target = body.target as Target;
  const tool = toolOf(body, target);
  access.role('grant.revoke');
  const { rows, stored, tenant, refused: unmet } = await holdersOf(door, access, target, tool);
  const made = { principal: access.principal, operation: 'revoke', of: tool };
  const deed = { operation: 'revoke', target: { tool, ...(target as Record<string, Json>) }, reason, tenant } as const;
  if (dryRun) {
    keep.skip();
    const matched = rows.map(({ id }) => id);
    const preview = previews.keep(made, matched);
    const count = host.underWay(matched as never).get(tool) ?? 0;
    const reach = { runs: matched.length, children: 0, calls: count === 0 ? [] : [{ tool, count }], other_calls: 0 };
    return { ...acts.draft(access.principal, { ...deed, matched, refused: unmet }, true), preview, reach };
  }
  const { shown, beyond } = asShown(door, made, rows, seen);
  const by = access.principal.id;
  const taken = await takenFrom(door, { tool, runs: shown as never, stored }, by, reason);
  const receipts: ReceiptView[] = [];
  const refused: Refused[] = [...unmet];
  for (const row of shown) {
    const one = taken.get(row.id as never);
    if (one === undefined) refused.push(notHeld(row.id, tool));
    else if ('error' in one) refused.push({ run: row.id, ...refusalOf(request, one.error) });
    else receipts.push(receiptOf(door, row, { by, reason }, one));
  }
  const matched = shown.map(({ id }) => id);
  return { ...keep({ ...deed, matched, receipts, refused }), preview: previewOf(made, matched), ...(seen === undefined ? {} : { beyond }) };
}

function receiptOf(
  { host }: ServerContext,
  { id, began, control }: RunRow,
  said: { readonly by: string; readonly reason: string },
  { latency_ms, grants_revoked, calls_aborted, calls }: ToolTaken,
): ReceiptView {
  const view = host.view(id as never);
  return {
    run: id,
    operation: 'revoke',
    ...said,
    latency_ms,
    lifecycle: view?.lifecycle ?? (began === 0 ? 'queued' : 'active'),
    control: view?.control ?? control,
    cell_killed: false,
    grants_revoked,
    calls_aborted,
    calls_unknown: calls.filter(({ fate }) => fate === 'unknown').map(({ call }) => call),
    calls: calls.map(({ call, tool, fate }) => ({ call, tool, fate })),
    children: [],
  };
}
