/** What a route's handler is given, and how it answers. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { RouteName, RouteReply, RouteRequest } from '@corral/protocol/api/routes';
import { CorralError } from '@corral/protocol/errors';
import type { Operation } from '@corral/protocol/api/roles';
import type { Door } from '../door.ts';
import type { Recorder } from '../kept.ts';
import type { Access } from '../people/access.ts';
import type { Held } from '../people/sessions.ts';
import type { RunRow } from '../store/runs.ts';

export interface Context {
  readonly access: Access;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  /** Says what was done, for the record. A route that changes something and says nothing is recorded by its name. */
  readonly keep: Recorder;
  /** Says that the request is held open: `end` is called once what it came with is worth nothing any more. */
  readonly hold: (end: () => void) => Held;
}
export type Handler<K extends RouteName> = (request: RouteRequest<K>, context: Context) => Promise<RouteReply<K>>;
export type Handlers<K extends RouteName> = { readonly [Name in K]: Handler<Name> };

/**
 * A run the principal may know of.
 * @throws CORRAL_RUN_UNKNOWN, the same whether there is none or it is another tenant's
 */
export function findRun(door: Door, access: Access, operation: Operation, id: string): RunRow {
  const row = door.index.get(id);
  if (row === undefined || !access.may(operation, row.tenant)) throw new CorralError('CORRAL_RUN_UNKNOWN', `There is no run ${id} here.`);
  return row;
}

/** Why one act of many was not done, or nobody knows whether it was. The others are done, and on record, all the same. */
export function refusalOf({ log }: FastifyRequest, error: unknown): { readonly code: string; readonly detail: string } {
  const { code, message, audience } = error instanceof CorralError ? error : new CorralError('CORRAL_INTERNAL', 'It failed.');
  if (audience !== 'bug') return { code, detail: message };
  log.error({ err: error }, 'failed');
  return { code, detail: 'Corral failed at this; its log says how. Whether it was done is not known.' };
}

/**
 * Waits for the end of a run, for as long as whoever asks may.
 * @throws CORRAL_UNAUTHENTICATED where their credential was revoked or has expired meanwhile
 */
export async function waitForEnd({ projection }: Door, { hold }: Context, run: string, ms: number): Promise<void> {
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const held = hold(resolve);
  try {
    await Promise.race([projection.waitForEnd(run, ms), over]);
    await mustStand(held);
  } finally {
    held.close();
  }
}

/** @throws CORRAL_UNAUTHENTICATED where the credential of what is held open was revoked or has expired */
export async function mustStand(held: Held): Promise<void> {
  await held.checking;
  if (held.ended) throw new CorralError('CORRAL_UNAUTHENTICATED', 'What this request came with was revoked or has expired.');
}
