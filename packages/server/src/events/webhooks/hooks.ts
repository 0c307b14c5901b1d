/**
 * Identifies webhooks. A receiver is identified by its whole key: the tenant whose events it is sent, with its address and
 * secret, or with the id that the configuration gives it. Two tenants with the same address are two receivers.
 */
import { hash } from 'node:crypto';
import type { Event } from '@corral/protocol/api/schemas';
import type { Config } from '../../config/schema.ts';

export type Webhook = Config['webhooks'][number];

const DIGITS = 12;

/** Separates id and tenant; neither can contain it. */
const OF = '@';

/**
 * The key of a receiver's queue; it stays the same when only its events change. The tenant is part of it, so that an id which
 * moves to another tenant does not take the queue, the records and the errors along.
 */
export function keyOf({ id, tenant, url, secret }: Webhook): string {
  if (id === undefined) return `hook_${hash('sha256', JSON.stringify([tenant ?? null, url ?? null, secret])).slice(0, DIGITS)}`;
  return tenant === undefined ? id : `${id}${OF}${tenant}`;
}

/** The name of the receiver of a queue: its id, if it has one. */
export const nameOf = (key: string): string => key.split(OF, 1)[0] as string;

/** The receivers of an event. */
export function receiversOf(webhooks: readonly Webhook[], { kind, tenant }: Pick<Event, 'kind' | 'tenant'>): readonly Webhook[] {
  return webhooks.filter((one) => one.events.includes(kind) && (one.tenant === undefined || one.tenant === tenant));
}

/** The receiver and the subject of a queued notification. */
export interface Addressed {
  readonly hook: string;
  readonly url: string;
  readonly kind: Event['kind'];
  readonly tenant: string | null;
}

/**
 * The receiver that a queued notification is for, or its replacement: if the receiver was removed from the configuration, one
 * that is sent the same events of that tenant and has its id, or is the only such one at its address.
 */
export function receiverOf(webhooks: readonly Webhook[], queued: Addressed): Webhook | undefined {
  const same = webhooks.find((one) => keyOf(one) === queued.hook);
  if (same !== undefined) return same;
  const told = receiversOf(webhooks, queued);
  const heirs = told.filter((one) => placeOf(one) === queued.url);
  return told.find(({ id }) => id === nameOf(queued.hook)) ?? (heirs.length === 1 ? heirs[0] : undefined);
}

/** In the place of an address that is a secret. */
const SECRET = 'secret:';

/** The address of a receiver, or the name of the secret that is it: what its queue is known by. */
export const placeOf = ({ url, secret }: Webhook): string => url ?? `${SECRET}${secret}`;

/** An address without credentials and query, both of which may be secrets. @param place as of `placeOf` */
export function shownUrl(place: string): string {
  if (place.startsWith(SECRET)) return `the secret ${place.slice(SECRET.length)}`;
  const { origin, pathname } = new URL(place);
  return `${origin}${pathname}`;
}
