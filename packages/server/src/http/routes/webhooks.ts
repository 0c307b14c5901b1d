/** Deliveries to webhooks and their results. A tenant sees its own receivers; only the host sees the host's. */
import { CorralError } from '@corral/protocol/errors';
import type { ServerContext } from '../context.ts';
import type { Access } from '../../people/access.ts';
import { cursorOf, rowOf } from '@corral/protocol/api/cursor';
import type { DeliveryRow } from '@corral/protocol/ports/front';
import { keyOf, nameOf, placeOf, shownUrl } from '../../events/webhooks/hooks.ts';
import type { Handlers } from './handler.ts';

type Names = 'listWebhooks' | 'listDeliveries' | 'retryDeliveries';

export function webhookRoutes(door: ServerContext): Handlers<Names> {
  const { outbox, settings, clock, lists, reads } = door;
  const { deliveries } = outbox;

  /** Receivers of one tenant; undefined: of all. */
  const hooksOf = (tenant: string | undefined) =>
    settings.inForce().config.webhooks.filter((one) => tenant === undefined || one.tenant === tenant);
  /**
   * Queues of the receivers that a principal of one tenant may see; undefined: all, also those of receivers that were removed
   * from the configuration.
   */
  const visible = (tenant: string | undefined) => (tenant === undefined ? undefined : hooksOf(tenant).map((one) => keyOf(one)));

  const view = ({ n, id, hook, url, tenant, kind, state, at, attempts, due, ended_at, error }: DeliveryRow) => ({
    delivery: `delivery_${n}`,
    message: id,
    hook: nameOf(hook),
    url: shownUrl(url),
    tenant: tenant as never,
    kind,
    state,
    at,
    attempts,
    due,
    ended_at,
    error,
  });

  /** @throws CORRAL_WEBHOOK_UNKNOWN, the same whether there is no such receiver or it is another tenant's */
  const mustSee = (access: Access, hook: string | undefined, what: string): string => {
    const tenant = access.some('webhook.retry', undefined);
    if (hook === undefined || (tenant !== undefined && visible(tenant)?.includes(hook) !== true))
      throw new CorralError('CORRAL_WEBHOOK_UNKNOWN', `There is no ${what} here.`);
    return hook;
  };

  return {
    async listWebhooks({ query }, { access }) {
      const tenant = access.some('webhook.read', query.tenant);
      const hooks = new Map<string, ReturnType<typeof hooksOf>[number]>();
      for (const one of hooksOf(tenant)) if (!hooks.has(keyOf(one))) hooks.set(keyOf(one), one);
      const queues = await lists.take(access.principal.tenant, () => reads.hooks([...hooks.keys()]));
      const items = queues.flatMap(({ hook, ...queue }) => {
        const one = hooks.get(hook);
        if (one === undefined) return [];
        const { failures, rests_until } = outbox.stateOf(hook);
        const state = { ...queue, failures, rests_until: rests_until ?? null };
        return [{ hook: nameOf(hook), url: shownUrl(placeOf(one)), tenant: one.tenant ?? null, events: [...one.events], ...state }];
      });
      return { items };
    },

    async listDeliveries({ query }, { access }) {
      const tenant = access.some('webhook.read', query.tenant);
      const { hook, state, cursor, limit } = query;
      const wanted = { hooks: visible(tenant), tenant, hook, state, before: rowOf(cursor), limit: limit + 1 };
      const rows = await lists.take(access.principal.tenant, () => reads.deliveries(wanted));
      const page = rows.slice(0, limit);
      return { items: page.map((row) => view(row)), next: rows.length > page.length ? cursorOf(page.at(-1)?.n ?? 0) : null };
    },

    async retryDeliveries({ body }, { access, keep }) {
      const row = 'delivery' in body ? deliveries.get(Number(body.delivery.slice('delivery_'.length))) : undefined;
      const named = 'hook' in body ? hooksOf(undefined).map((one) => keyOf(one)) : [];
      const hook =
        'delivery' in body
          ? mustSee(access, row?.hook, `delivery ${body.delivery}`)
          : mustSee(
              access,
              named.find((one) => nameOf(one) === body.hook),
              `webhook ${body.hook}`,
            );
      const retried = deliveries.retry(row === undefined ? { hook } : { n: row.n }, clock.now());
      const tenant = hooksOf(undefined).find((one) => keyOf(one) === hook)?.tenant;
      const name = nameOf(hook);
      const target = row === undefined ? { hook: name } : { hook: name, delivery: `delivery_${row.n}` };
      keep({ target, tenant });
      outbox.tryNow(hook);
      return { retried };
    },
  };
}
