/** Types of a route's handler: its arguments and its answer. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { RouteName, RouteReply, RouteRequest } from '@corral/protocol/api/routes';
import { CorralError } from '@corral/protocol/errors';
import type { Operation } from '@corral/protocol/api/roles';
import type { ServerContext } from '../context.ts';
import type { Recorder } from '../../operation-log.ts';
import type { Reader } from '../../people/reader.ts';
import type { Access } from '../../people/access.ts';
import type { Held } from '../../people/sessions.ts';
import type { RunRow } from '@corral/protocol/ports/front';

export interface Context {
  readonly access: Access;
  /** Which labels allow the caller to read what runs hold. */
  readonly reader: Reader;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  /** Records what was done. A route that changes something and records nothing gets a default row. */
  readonly keep: Recorder;
  /** Holds the request open: `end` is called once its credential is not valid any more. */
  readonly hold: (end: () => void) => Held;
}
export type Handler<K extends RouteName> = (request: RouteRequest<K>, context: Context) => Promise<RouteReply<K>>;
export type Handlers<K extends RouteName> = { readonly [Name in K]: Handler<Name> };

/**
 * A run that the principal may see.
 * @throws CORRAL_RUN_UNKNOWN, the same whether there is no such run or it is another tenant's
 */
export function findRun(door: ServerContext, access: Access, operation: Operation, id: string): RunRow {
  const row = door.index.get(id);
  if (row === undefined || !access.may(operation, row.tenant)) throw new CorralError('CORRAL_RUN_UNKNOWN', `There is no run ${id} here.`);
  return row;
}

/** Why one act of several was not done, or may not have been. The others are done and recorded. */
export function refusalOf({ log }: FastifyRequest, error: unknown): { readonly code: string; readonly detail: string } {
  const { code, message, audience } = error instanceof CorralError ? error : new CorralError('CORRAL_INTERNAL', 'It failed.');
  if (audience !== 'bug') return { code, detail: message };
  log.error({ err: error }, 'failed');
  return { code, detail: 'Corral failed at this; its log says how. Whether it was done is not known.' };
}

/**
 * Waits for the end of a run, for as long as the caller's credential is valid.
 * @throws CORRAL_UNAUTHENTICATED if it was revoked or has expired meanwhile
 */
export async function waitForEnd({ projection }: ServerContext, { hold }: Context, run: string, ms: number): Promise<void> {
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const held = hold(resolve);
  try {
    await Promise.race([projection.waitForEnd(run, ms), over]);
    await mustStand(held);
  } finally {
    held.close();
  }
}

/** @throws CORRAL_UNAUTHENTICATED if the credential of the held request was revoked or has expired */
export async function mustStand(held: Held): Promise<void> {
  await held.checking;
  if (held.ended) throw new CorralError('CORRAL_UNAUTHENTICATED', 'The credential of this request was revoked or has expired.');
}
