/** Webhooks as people see them: receivers, what they were sent, and what came of it. */
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
    tenant: tenant.nullable().describe('whose events alone it is sent; null: of all, and of the host'),
    events: z.array(EventKind),
    pending: z.int(),
    given_up: z.int(),
    failures: z.int().describe('attempts in a row that failed, since the host started'),
    rests_until: time_ms.nullable().describe('it is not tried before, unless somebody says so'),
    delivered_at: time_ms.nullable().describe('when it last took one'),
    error: z.string().nullable().describe('what was wrong last with one that waits'),
  })
  .meta({ id: 'Webhook' });
export const WebhookDelivery = z
  .object({
    delivery,
    message: z.string().describe('`webhook-id` of the request'),
    hook,
    url: z.string(),
    tenant: tenant.nullable().describe('whose event it is; null: of the host'),
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
    summary: 'Tries at once what waits for a receiver, and again what was given up.',
    operation: 'webhook.retry',
    act: 'webhook.retry',
    body: z.union([z.strictObject({ hook, reason: Reason }), z.strictObject({ delivery, reason: Reason })]).meta({ id: 'WebhookRetry' }),
    status: 200,
    response: z.object({ retried: z.int() }),
  }),
};
