/**
 * Which webhook is meant. A receiver is known by its whole key: the tenant whose events it is sent, its address and the secret
 * that signs, or the id that the configuration gives it. Two tenants behind one address are two receivers.
 */
import { hash } from 'node:crypto';
import type { Event } from '@corral/protocol/api/schemas';
import type { Config } from '../config/schema.ts';

export type Webhook = Config['webhooks'][number];

const DIGITS = 12;

/** Names a receiver in the queue and in lists; stays the same when only its events change. */
export function keyOf({ id, tenant, url, secret }: Webhook): string {
  return id ?? `hook_${hash('sha256', JSON.stringify([tenant ?? null, url, secret])).slice(0, DIGITS)}`;
}

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
 * The receiver that a queued notification is for, or the one that took its place: where a receiver has left the configuration and
 * exactly one other at its address is sent the same events of that tenant.
 */
export function receiverOf(webhooks: readonly Webhook[], queued: Addressed): Webhook | undefined {
  const same = webhooks.find((one) => keyOf(one) === queued.hook);
  if (same !== undefined) return same;
  const heirs = receiversOf(webhooks, queued).filter(({ url }) => url === queued.url);
  return heirs.length === 1 ? heirs[0] : undefined;
}

/** An address as people are shown it: credentials and what follows the path may be secrets. */
export function shownUrl(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}
