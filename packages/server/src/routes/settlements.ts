/** Calls of unknown result, calls that wait for people, and held runs: all that a filter means, settled at once. */
import type { RouteReply, RouteRequest } from '@corral/protocol/api/routes';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { Door } from '../door.ts';
import type { Access } from '../people/access.ts';
import { selected } from '../selection.ts';
import { decideOne } from './approvals.ts';
import type { Handlers } from './handler.ts';

type Body = RouteRequest<'settleMany'>['body'];
type One = RouteReply<'settleMany'>['matched'][number];

/** Runs that are settled at the same time. */
const AT_ONCE = 16;

export function settlementRoutes(door: Door): Handlers<'settleMany'> {
  const { host, acts } = door;

  const meant = async (access: Access, { act, where, tool }: Body): Promise<One[]> => {
    const decides = act === 'approve' || act === 'deny';
    const rows = await selected(door, access, decides ? 'approval.decide' : 'run.resolve', where);
    const ids = new Set(rows.map(({ id }) => id));
    if (decides) {
      const tenant = access.some('approval.decide', where.tenant);
      const waiting = await host.approvals(tenant === undefined ? {} : { tenant });
      return waiting.flatMap((one) =>
        ids.has(one.run) && (tool === undefined || one.tool === tool) ? [{ run: one.run, call: one.call, tool: one.tool }] : [],
      );
    }
    const stuck = new Set([...(await host.waitingOn('resolution')), ...(await host.waitingOn('upgrade'))]);
    const found: One[] = [];
    for (const { id } of rows) {
      const run = id as RunId;
      if (!stuck.has(run)) continue;
      const { held, calls } = await host.stuck(run).catch(() => ({ held: false, calls: [] }));
      if (act === 'release') found.push(...(held ? [{ run, call: null, tool: null }] : []));
      else for (const one of calls) if (tool === undefined || one.tool === tool) found.push({ run, ...one });
    }
    return found;
  };

  const settle = async (access: Access, { act, value, reason }: Body, { run, call }: One): Promise<void> => {
    const by = access.principal.id;
    const id = run as RunId;
    if (act === 'release') return host.release(id, by, reason);
    if (act === 'approve' || act === 'deny') return void (await decideOne(door, access, id, call as number, act, reason));
    await host.resolve(id, call as number, by, act === 'result' ? { how: act, value: value ?? null } : { how: act }, reason);
  };

  return {
    async settleMany({ body }, { access, keep }) {
      const { act, reason, dryRun, where, tool } = body;
      access.role(act === 'approve' || act === 'deny' ? 'approval.decide' : 'run.resolve');
      if ((act === 'result') !== (body.value !== undefined))
        throw new CorralError('CORRAL_REQUEST_INVALID', 'A value goes with `result`, and with nothing else.');
      if (act === 'release' && tool !== undefined)
        throw new CorralError('CORRAL_REQUEST_INVALID', 'Held runs are released whatever their tools; leave `tool` out.');
      const matched = await meant(access, body);
      const done: One[] = [];
      const refused: (One & { code: string; detail: string })[] = [];
      for (let i = 0; !dryRun && i < matched.length; i += AT_ONCE)
        await Promise.all(
          matched.slice(i, i + AT_ONCE).map(async (one) => {
            try {
              await settle(access, body, one);
              done.push(one);
            } catch (error) {
              if (!(error instanceof CorralError)) throw error;
              refused.push({ ...one, code: error.code, detail: error.message });
            }
          }),
        );
      const deed = {
        operation: act,
        target: { ...where, ...(tool === undefined ? {} : { tool }) },
        reason,
        tenant: where.tenant ?? (access.principal.tenant === '*' ? undefined : access.principal.tenant),
        matched: [...new Set(matched.map(({ run }) => run))],
        refused: refused.map(({ run, code, detail }) => ({ run, code, detail })),
      };
      if (dryRun) keep.skip();
      const { id, at, by } = dryRun ? acts.draft(access.principal, deed, true) : keep(deed);
      return { id, at, by, act, reason, dryRun, matched, done, refused };
    },
  };
}
