/** Schemas of webhooks: receivers, deliveries, and their results. */
import * as z from 'zod';
import { inTenant, Reason, tenant, time_ms } from './parts.ts';
import { route } from './route.ts';
import { EventKind } from './event-kinds.ts';
import { Page } from './schemas.ts';

const hook = z.string().min(1).max(64).describe('its `id`, or a digest of its tenant, address and secret’s name');
const delivery = z.string().regex(/^delivery_\d{1,15}$/, 'delivery_ and a number');
const state = z.enum(['pending', 'delivered', 'given_up']);

export const Webhook = z
  .object({
    hook,
    url: z.string().describe('without credentials and query'),
    tenant: tenant.nullable().describe('the only tenant whose events are sent to it; null: all, and the host’s'),
    events: z.array(EventKind),
    pending: z.int(),
    given_up: z.int(),
    failures: z.int().describe('consecutive failed attempts since the host started'),
    rests_until: time_ms.nullable().describe('no attempt is made before this time, unless it is requested'),
    delivered_at: time_ms.nullable().describe('time of its last successful delivery'),
    error: z.string().nullable().describe('last error of a delivery that waits'),
  })
  .meta({ id: 'Webhook' });
export const WebhookDelivery = z
  .object({
    delivery,
    message: z.string().describe('`webhook-id` of the request'),
    hook,
    url: z.string(),
    tenant: tenant.nullable().describe('tenant of the event; null: of the host'),
    kind: EventKind,
    state,
    at: time_ms.describe('when it was queued'),
    attempts: z.int(),
    due: time_ms.nullable().describe('when it is tried next'),
    ended_at: time_ms.nullable().describe('when it was delivered or given up'),
    error: z.string().nullable(),
  })
  .meta({ id: 'WebhookDelivery' });

export const WEBHOOK_ROUTES = {
  listWebhooks: route({
    method: 'GET',
    path: '/v1/webhooks',
    tag: 'webhooks',
    summary: 'Lists receivers with the state of their queues.',
    operation: 'webhook.read',
    query: z.strictObject(inTenant),
    status: 200,
    response: z.object({ items: z.array(Webhook) }),
  }),
  listDeliveries: route({
    method: 'GET',
    path: '/v1/webhooks/deliveries',
    tag: 'webhooks',
    summary: 'Lists notifications, newest first: those that wait, that were given up, and the latest that were delivered.',
    operation: 'webhook.read',
    query: Page.extend({ ...inTenant, hook: hook.exactOptional(), state: state.exactOptional() }),
    status: 200,
    response: z.object({ items: z.array(WebhookDelivery), next: z.string().nullable() }),
  }),
  retryDeliveries: route({
    method: 'POST',
    path: '/v1/webhooks/retry',
    tag: 'webhooks',
    summary: 'Sends what waits for a receiver now, and sends again what was given up.',
    operation: 'webhook.retry',
    act: 'webhook.retry',
    body: z.union([z.strictObject({ hook, reason: Reason }), z.strictObject({ delivery, reason: Reason })]).meta({ id: 'WebhookRetry' }),
    status: 200,
    response: z.object({ retried: z.int() }),
  }),
};
