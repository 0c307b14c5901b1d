/** Operations on runs: on one, or on all of an agent, a version or a tenant at once; each is answered with a receipt. */
import type { FastifyRequest } from 'fastify';
import type { RouteRequest } from '@corral/protocol/api/routes';
import { many } from '@corral/protocol/api/selector';
import type { ReceiptView } from '@corral/protocol/api/schemas';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import type { Receipt } from '@corral/protocol/model/receipt';
import type { ServerContext } from '../context.ts';
import type { Kept } from '../../operation-log.ts';
import type { OperationName } from '../../ports.ts';
import { previewOf } from '../../jobs/previews.ts';
import { cursorOf, rowOf } from '@corral/protocol/api/cursor';
import type { RunRow } from '@corral/protocol/ports/front';
import { refusalOf, type Handlers } from './handler.ts';
import { isNamed, matching, type Refused, type Target } from './meant.ts';
import { takeBack } from './tool-taking.ts';

/**
 * Updates the index after an operation on runs that are not in memory; of others it hears as their journals have it. The operation is done even if
 * the index cannot be written: the sweep repairs the index.
 */
function listing(door: ServerContext): (operation: OperationName, receipt: Receipt, request: FastifyRequest) => Promise<void> {
  const { host, index } = door;

  /** Updates the index for the run, and for children that were ended with it; some end without coming into memory. */
  const settled = async (receipt: Receipt): Promise<void> => {
    if (host.view(receipt.run) === undefined) await door.projection.settle(receipt.run);
    for (const child of receipt.children) await settled(child);
  };

  const tellOf = (operation: OperationName, receipt: Receipt): void => {
    if (operation !== 'pause' && operation !== 'resume') return;
    for (const child of receipt.children) tellOf(operation, child);
    const row = index.get(receipt.run);
    if (row === undefined) return;
    door.projection.tell(
      operation === 'pause' ? 'run.paused' : 'run.resumed',
      { id: receipt.run, tenant: row.tenant as never, agent: row.agent },
      { by: receipt.by, reason: receipt.reason },
    );
  };

  return async (operation, receipt, { log }) => {
    try {
      await settled(receipt);
      tellOf(operation, receipt);
    } catch (error) {
      log.warn({ err: error, run: receipt.run }, 'the index of runs could not be updated after an operation');
    }
  };
}

/** Whether it descends from one of those runs. */
const isBelow = ({ index }: ServerContext, { parent }: RunRow, runs: ReadonlySet<string>): boolean => {
  for (let above = parent; above !== null; above = index.get(above)?.parent ?? null) if (runs.has(above)) return true;
  return false;
};

/**
 * Letting many runs go on cannot be taken back for what they do meanwhile, so whoever asks for it has seen which they are.
 * @throws CORRAL_REQUEST_INVALID
 */
function mustHavePreview(target: Target, preview: string | undefined): void {
  if (preview === undefined && !isNamed(target))
    throw new CorralError('CORRAL_REQUEST_INVALID', 'To resume many runs, send the `preview` of a dry run with the same target along.');
}

/** @throws CORRAL_PREVIEW_STALE if other runs match than those of the preview */
function mustStand(preview: string | undefined, now: string, matched: number): void {
  if (preview === undefined || preview === now) return;
  throw new CorralError(
    'CORRAL_PREVIEW_STALE',
    `Other runs match than those of the preview ${preview}: now ${matched}. Nothing was resumed.`,
  );
}

/** Tools that the answer to a dry run names at most. */
const TOOLS_SHOWN = 20;

/** Counts the runs and calls that an operation on some runs would reach. @param below it reaches all below them */
async function reachOf({ host, reads }: ServerContext, matched: readonly string[], below: boolean) {
  // It does not wait behind lists: whoever is about to stop something has to know.
  const runs = below ? await reads.family(matched) : matched;
  const calls = [...host.underWay(runs as RunId[])].map(([tool, count]) => ({ tool, count })).toSorted((a, b) => b.count - a.count);
  return {
    runs: runs.length,
    children: Math.max(0, runs.length - matched.length),
    calls: calls.slice(0, TOOLS_SHOWN),
    other_calls: calls.slice(TOOLS_SHOWN).reduce((sum, { count }) => sum + count, 0),
  };
}

/** @throws CORRAL_REQUEST_INVALID for options that the operation does not take */
function mustFit({ operation, family, halt, target, tool }: RouteRequest<'operate'>['body']): void {
  if (family && (operation === 'cancel' || operation === 'kill'))
    throw new CorralError('CORRAL_REQUEST_INVALID', `${operation} always reaches all descendants of a run, and takes no \`family\`.`);
  if (tool !== undefined) throw new CorralError('CORRAL_REQUEST_INVALID', '`tool` goes with `revoke`.');
  if (halt !== undefined && (operation !== 'resume' || family || !('run' in target)))
    throw new CorralError('CORRAL_REQUEST_INVALID', '`halt` goes with the resumption of one run.');
}

/** An act with the agent of its run, if it was on one. */
function listedAct({ index }: ServerContext, act: Omit<Kept, 'roles'>) {
  const only = act.matched.length === 1 ? index.get(act.matched[0] ?? '') : undefined;
  return { roles: [], ...act, ...(only === undefined ? {} : { agent: only.agent }) };
}

export function operationRoutes(door: ServerContext): Handlers<'operate' | 'listOperations'> {
  const { host, reads, acts, previews } = door;
  const listed = listing(door);

  return {
    async operate({ body }, context) {
      const { access, keep, request } = context;
      const { operation, reason, dryRun, family, halt, preview: seen } = body;
      if (operation === 'revoke') return takeBack(door, body, context);
      const reaches = operation === 'cancel' || operation === 'kill';
      mustFit(body);
      const target = body.target as Target;
      const by = access.principal.id;
      access.role(`run.${operation}`);
      if (operation === 'resume' && !dryRun) mustHavePreview(target, seen);
      const { rows, tenant, refused: unmet } = await matching(door, access, `run.${operation}`, target);
      const matched = new Set(rows.map(({ id }) => id));
      const made = { principal: access.principal, operation };
      const preview = previewOf(made, [...matched]);
      if (operation === 'resume' && !dryRun) mustStand(seen, preview, matched.size);
      const receipts: Receipt[] = [];
      const refused: Refused[] = [...unmet];
      // An operation on a run covers its descendants; their receipts are part of its receipt.
      const own = operation === 'kill' || family ? rows.filter((row) => !isBelow(door, row, matched)) : rows;
      if (!dryRun) {
        await Promise.all(
          own.map(async ({ id }) => {
            try {
              const receipt = await host.operate(operation, id as RunId, by, reason, family, halt);
              receipts.push(receipt);
              await listed(operation, receipt, request);
            } catch (error) {
              // Nothing was done, and the person is to look again.
              if (error instanceof CorralError && error.code === 'CORRAL_CHANGED') throw error;
              refused.push({ run: id, ...refusalOf(request, error) });
            }
          }),
        );
      }
      const deed = {
        operation,
        target: body.target satisfies Json,
        reason,
        family,
        tenant,
        matched: [...matched],
        receipts: receipts as unknown as ReceiptView[],
        refused,
      };
      if (!dryRun)
        return {
          ...keep(deed),
          preview,
          ...(seen === undefined ? {} : { beyond: seen === preview ? [] : previews.beyond(made, seen, deed.matched) }),
        };
      keep.skip();
      const reach = await reachOf(door, deed.matched, reaches || family);
      previews.keep(made, deed.matched);
      return { ...acts.draft(access.principal, deed, true), preview, reach };
    },

    async listOperations({ query }, { access }) {
      const { cursor, limit, operation, by, run, since, until } = query;
      const tenant = access.some('operation.read', query.tenant);
      const wanted = { tenant, operation: many(operation), by, run, since, until, before: rowOf(cursor) };
      const rows = await door.lists.take(access.principal.tenant, () => reads.acts({ ...wanted, limit: limit + 1 }));
      const page = rows.slice(0, limit);
      return {
        items: page.map(({ text }) => listedAct(door, JSON.parse(text) as Omit<Kept, 'roles'>)),
        next: rows.length > page.length ? cursorOf(page.at(-1)?.n ?? 0) : null,
      };
    },
  };
}
