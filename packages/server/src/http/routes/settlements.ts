/** Calls of unknown result, calls that wait for approval, and held runs: all that match a filter, settled at once. */
import type { RouteReply, RouteRequest } from '@corral/protocol/api/routes';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { ServerContext } from '../context.ts';
import type { Access } from '../../people/access.ts';
import { selected } from '../../jobs/selection.ts';
import { breathe } from '../../evidence/serial-queue.ts';
import { decideOne, type OneDecision, type Prove } from './approvals.ts';
import { refusalOf, type Context, type Handlers } from './handler.ts';

type Body = RouteRequest<'settleMany'>['body'];
type One = RouteReply<'settleMany'>['matched'][number];

type Seen = Pick<OneDecision, 'shown' | 'fresh'>;
type Refused = One & { code: string; detail: string };

/** Matches of a filter, and runs that could not be checked because they cannot be read. */
interface Meant {
  readonly matched: One[];
  readonly unread: Refused[];
}

const whole = (run: RunId): One => ({ run, call: null, tool: null });

/** Runs that one question to the store covers. */
const PAGE = 200;
/** Runs that are settled at the same time. */
const AT_ONCE = 16;

/** Finds what a filter means. */
function finder(door: ServerContext): (access: Access, body: Body) => Promise<Meant> {
  const { host } = door;

  /** Approvals that runs wait for. The store says which runs wait; only their journals are read. */
  const asked = async (runs: readonly RunId[], { tool, shape }: Body): Promise<Meant> => {
    const meant: Meant = { matched: [], unread: [] };
    const calls = { ...(tool === undefined ? {} : { tool }), ...(shape === undefined ? {} : { shape }) };
    const onDamaged = (run: RunId, { code, message }: CorralError) => void meant.unread.push({ ...whole(run), code, detail: message });
    for (let i = 0; i < runs.length; i += PAGE) {
      const among = runs.slice(i, i + PAGE);
      const found = await host.approvals({ kind: 'approval', among, onDamaged, ...calls });
      for (const one of found) meant.matched.push({ run: one.run, call: one.call, tool: one.tool });
      await breathe();
    }
    return meant;
  };

  /** Calls of unknown result, and held runs. */
  const stuck = async (runs: readonly RunId[], { act, tool }: Body): Promise<Meant> => {
    const meant: Meant = { matched: [], unread: [] };
    const waiting = new Set([...(await host.waitingOn('resolution')), ...(await host.waitingOn('upgrade'))]);
    for (const run of runs) {
      if (!waiting.has(run)) continue;
      try {
        const { held, calls } = await host.stuck(run);
        if (act === 'release' && held) meant.matched.push(whole(run));
        if (act === 'release') continue;
        for (const one of calls) if (tool === undefined || one.tool === tool) meant.matched.push({ run, ...one });
      } catch (error) {
        if (!(error instanceof CorralError)) throw error;
        meant.unread.push({ ...whole(run), code: error.code, detail: error.message });
      }
    }
    return meant;
  };

  return async (access, body) => {
    const decides = body.act === 'approve' || body.act === 'deny';
    const rows = await selected(door, access, decides ? 'approval.decide' : 'run.resolve', body.where);
    const runs = rows.map(({ id }) => id as RunId);
    return decides ? asked(runs, body) : stuck(runs, body);
  };
}

/** Calls that were shown and do not wait any more; each has a result, too. */
function goneOf(meant: readonly One[], only: Body['only'] = []): Refused[] {
  const waiting = new Set(meant.map(({ run, call }) => `${run} ${call}`));
  return only
    .filter(({ run, call }) => !waiting.has(`${run} ${call}`))
    .map(({ run, call }) => {
      const detail = `Call ${call} of ${run} does not wait for this any more, or the filter does not match it.`;
      return { run, call, tool: null, code: 'CORRAL_RUN_STATE', detail };
    });
}

export function settlementRoutes(door: ServerContext, prove: Prove): Handlers<'settleMany'> {
  const { host, acts, turns } = door;
  const meantBy = finder(door);

  const settle = async (
    context: Pick<Context, 'access' | 'reader'>,
    { act, value, reason = '' }: Body,
    { run, call }: One,
    seen: Seen,
  ): Promise<void> => {
    const by = context.access.principal.id;
    const id = run as RunId;
    if (act === 'release') return host.release(id, by, reason);
    if (act === 'approve' || act === 'deny')
      return void (await decideOne(door, context, { run: id, call: call as number, verdict: act, reason, ...seen }));
    await host.resolve(id, call as number, by, act === 'result' ? { how: act, value: value ?? null } : { how: act }, reason);
  };

  return {
    async settleMany({ body }, { access, reader, keep, request }) {
      const { act, reason = '', dryRun, where, tool } = body;
      access.role(act === 'approve' || act === 'deny' ? 'approval.decide' : 'run.resolve');
      if (act !== 'approve' && reason === '')
        throw new CorralError('CORRAL_REQUEST_INVALID', `\`${act}\` needs a \`reason\`, which is recorded.`);
      if ((act === 'result') !== (body.value !== undefined))
        throw new CorralError('CORRAL_REQUEST_INVALID', '`value` goes only with `result`.');
      if (body.shape !== undefined && act !== 'approve' && act !== 'deny')
        throw new CorralError('CORRAL_REQUEST_INVALID', '`shape` goes only with `approve` and `deny`.');
      if (act === 'release' && tool !== undefined)
        throw new CorralError('CORRAL_REQUEST_INVALID', 'Held runs have no tool; leave `tool` out.');
      const fresh = await prove(request, access, body.proof);
      const { matched: meant, unread } = await turns.take(access.principal.tenant, () => meantBy(access, body));
      const only = body.only && new Map(body.only.map(({ run, call, version }) => [`${run} ${call}`, version]));
      const matched = only === undefined ? meant : meant.filter(({ run, call }) => only.has(`${run} ${call}`));
      const done: One[] = [];
      const refused: Refused[] = [...unread, ...goneOf(meant, body.only)];
      for (let i = 0; !dryRun && i < matched.length; i += AT_ONCE)
        await Promise.all(
          matched.slice(i, i + AT_ONCE).map(async (one) => {
            try {
              await settle({ access, reader }, body, one, { shown: only?.get(`${one.run} ${one.call}`), fresh });
              done.push(one);
            } catch (error) {
              refused.push({ ...one, ...refusalOf(request, error) });
            }
          }),
        );
      const deed = {
        operation: act,
        target: { ...where, ...(tool === undefined ? {} : { tool }), ...(body.shape === undefined ? {} : { shape: body.shape }) },
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
