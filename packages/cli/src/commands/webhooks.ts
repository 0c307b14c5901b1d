/** Commands about webhooks: what was sent, what waits, and retrying. */
import type { Command } from 'commander';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { connect, hostFlags, print, type HostFlags } from '../connect.ts';
import { table } from '../screen/table.ts';
import { moment } from '../screen/time.ts';
import { wholeNumber } from '../whole-number.ts';
import { inTenant } from './agents.ts';

type Delivery = RouteAnswer<'listDeliveries'>['items'][number];
interface Flags extends HostFlags {
  readonly tenant?: string;
  readonly limit: string;
  readonly hook?: string;
  readonly state?: Delivery['state'];
  readonly reason: string;
}

export function webhookCommands(program: Command): void {
  const webhooks = program.command('webhooks').description('receivers of events, and what was sent to them');
  hostFlags(webhooks.command('list'))
    .description('list receivers with the state of their queues')
    .option('--tenant <name>', 'of one tenant')
    .addHelpText('after', `\nExample:\n  corral webhooks list`)
    .action(async (flags: Flags) => {
      const { items } = await connect(flags).listWebhooks({ query: inTenant(flags) });
      print(flags, items, () =>
        table(
          ['WEBHOOK', 'URL', 'TENANT', 'WAIT', 'GIVEN UP', 'LAST TAKEN', 'PROBLEM'].map((title) => ({ title })),
          items.map((one) => [
            one.hook,
            one.url,
            one.tenant ?? '*',
            String(one.pending),
            String(one.given_up),
            moment(one.delivered_at),
            one.failures === 0 ? '' : `${one.failures} failures: ${one.error ?? ''}`,
          ]),
        ).join('\n'),
      );
    });
  hostFlags(webhooks.command('deliveries'))
    .description('list notifications, newest first')
    .option('--tenant <name>', 'of one tenant')
    .option('--hook <webhook>', 'for one receiver, from `corral webhooks list`')
    .option('--state <state>', 'pending, delivered or given_up')
    .option('--limit <number>', 'how many', '50')
    .addHelpText('after', `\nExample:\n  corral webhooks deliveries --state given_up`)
    .action(async (flags: Flags) => {
      const { hook, state } = flags;
      const { items } = await connect(flags).listDeliveries({
        query: {
          ...inTenant(flags),
          ...(hook === undefined ? {} : { hook }),
          ...(state === undefined ? {} : { state }),
          limit: wholeNumber(flags.limit, '--limit'),
        },
      });
      print(flags, items, () =>
        table(
          ['DELIVERY', 'WEBHOOK', 'EVENT', 'STATE', 'QUEUED', 'TRIES', 'NEXT', 'PROBLEM'].map((title) => ({ title })),
          items.map((one) => [
            one.delivery,
            one.hook,
            one.kind,
            one.state,
            moment(one.at),
            String(one.attempts),
            moment(one.due),
            one.error ?? '',
          ]),
        ).join('\n'),
      );
    });
  hostFlags(webhooks.command('retry'))
    .description('send what waits for a receiver now, and send again what was given up')
    .argument('<what>', 'a webhook, or one delivery')
    .requiredOption('-m, --reason <text>', 'why')
    .addHelpText('after', `\nExample:\n  corral webhooks retry pager -m 'the receiver is back'`)
    .action(async (what: string, flags: Flags) => {
      const { reason } = flags;
      const body = /^delivery_\d+$/.test(what) ? { delivery: what, reason } : { hook: what, reason };
      const done = await connect(flags).retryDeliveries({ body });
      print(flags, done, () => `${done.retried} notifications are sent again`);
    });
}
