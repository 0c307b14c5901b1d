/**
 * Which webhook is meant. A receiver is known by its whole key: the tenant whose events it is sent, its address and the secret
 * that signs, or the id that the configuration gives it. Two tenants behind one address are two receivers.
 */
import { hash } from 'node:crypto';
import type { Event } from '@corral/protocol/api/schemas';
import type { Config } from '../config/schema.ts';

export type Webhook = Config['webhooks'][number];

const DIGITS = 12;

/** Stands in no id and no name of a tenant. */
const OF = '@';

/**
 * Names the queue of a receiver; stays the same when only its events change. The tenant is a part of it, so that an id which goes over
 * to another tenant leaves what is queued, the records and the errors behind.
 */
export function keyOf({ id, tenant, url, secret }: Webhook): string {
  if (id === undefined) return `hook_${hash('sha256', JSON.stringify([tenant ?? null, url, secret])).slice(0, DIGITS)}`;
  return tenant === undefined ? id : `${id}${OF}${tenant}`;
}

/** What people call the receiver of a queue: its id, if it has one. */
export const nameOf = (key: string): string => key.split(OF, 1)[0] as string;

/** The receivers of an event. */
export function receiversOf(webhooks: readonly Webhook[], { kind, tenant }: Pick<Event, 'kind' | 'tenant'>): readonly Webhook[] {
  return webhooks.filter((one) => one.events.includes(kind) && (one.tenant === undefined || one.tenant === tenant));
}

/** What is known of a queued notification: whom it is for, and what it is about. */
export interface Addressed {
  readonly hook: string;
  readonly url: string;
  readonly kind: Event['kind'];
  readonly tenant: string | null;
}

/**
 * The receiver that a queued notification is for, or the one that took its place: where a receiver has left the configuration, and
 * one that is sent the same events of that tenant has its id, or is the only such one at its address.
 */
export function receiverOf(webhooks: readonly Webhook[], queued: Addressed): Webhook | undefined {
  const same = webhooks.find((one) => keyOf(one) === queued.hook);
  if (same !== undefined) return same;
  const told = receiversOf(webhooks, queued);
  const heirs = told.filter(({ url }) => url === queued.url);
  return told.find(({ id }) => id === nameOf(queued.hook)) ?? (heirs.length === 1 ? heirs[0] : undefined);
}

/** An address as people are shown it: credentials and what follows the path may be secrets. */
export function shownUrl(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}
