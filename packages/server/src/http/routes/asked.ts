/** Pages of calls that wait for people. */
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { Approval, ApprovalFilter } from '@corral/supervisor';
import type { Access } from '../../people/access.ts';
import type { ServerContext } from '../context.ts';

/** A page of what waits for people. */
export interface AskedPage {
  readonly page: readonly (Approval & Seen)[];
  readonly next: string | null;
  readonly later?: number;
  readonly damaged?: { run: RunId; detail: string }[];
}
/** The person who looks at a call, and the time until which the reader has put it off. */
interface Seen {
  readonly claim: { readonly by: string; readonly since: number; readonly until: number } | null;
  readonly later: number | null;
}

/** Where it is kept what a person has put off, whatever token they use. */
export const personOf = ({ people }: ServerContext, { principal }: Access): string => people.identity(principal.id)?.person ?? principal.id;

/** The question to people about one call of a run; undefined if nobody is. It reads the journal of the run. */
export const askedAbout = async ({ host }: ServerContext, run: RunId, call: number): Promise<Approval | undefined> =>
  (await host.approvals({ run, call }))[0];

/** @throws CORRAL_REQUEST_INVALID for a cursor that is not one of such a list */
export async function askedPage(
  door: ServerContext,
  access: Access,
  filter: Pick<ApprovalFilter, 'tenant' | 'agent' | 'tool' | 'named' | 'kind' | 'run' | 'shape'>,
  { cursor, limit, later }: { readonly cursor?: string | undefined; readonly limit: number; readonly later: 'true' | 'false' },
): Promise<AskedPage> {
  const { host, db, clock } = door;
  const after = cursor === undefined ? {} : { after: askedAt(cursor) };
  const damaged: { run: RunId; detail: string }[] = [];
  const onDamaged = (run: RunId, { message }: CorralError) => void damaged.push({ run, detail: message });
  const found = await host.approvals({ ...filter, ...after, limit: limit + 1, onDamaged });
  const all = found.slice(0, limit);
  const last = all.at(-1);
  const next = found.length > limit && last !== undefined ? cursorTo(last) : null;
  const about = db.approvals.about([...new Set(all.map(({ run }) => run))], personOf(door, access), clock.now());
  const claims = new Map(about.claims.map((one) => [keyOf(one), one]));
  const put = new Map(about.later.map((one) => [keyOf(one), one.until]));
  const page = all.map((one) => {
    const claim = claims.get(keyOf(one));
    const { by, since, until } = claim ?? { by: '', since: 0, until: 0 };
    return { ...one, claim: claim === undefined ? null : { by, since, until }, later: put.get(keyOf(one)) ?? null };
  });
  const shown = later === 'true' ? page : page.filter((one) => one.later === null);
  const hidden = page.length - shown.length;
  return { page: shown, next, ...(hidden === 0 ? {} : { later: hidden }), ...(damaged.length === 0 ? {} : { damaged }) };
}

const keyOf = ({ run, call }: { readonly run: string; readonly call: number }): string => `${run} ${call}`;

/** Cursor of the next page: after a call of a run. */
const cursorTo = ({ run, call }: Pick<Approval, 'run' | 'call'>): string => Buffer.from(`${run} ${call}`).toString('base64url');

function askedAt(cursor: string): { readonly run: RunId; readonly call: number } {
  const [, run, call] = /^(run_[a-z0-9]+) (\d{1,15})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1')) ?? [];
  if (run === undefined) throw new CorralError('CORRAL_REQUEST_INVALID', 'The cursor is not one that a list here gave.');
  return { run: run as RunId, call: Number(call) };
}
