/** Receivers of events in a configuration. */
import * as z from 'zod';
import { EventKind } from '@corral/protocol/api/event-kinds';
import { TenantId } from '@corral/protocol/ids';
import { Address, SecretName } from './parts.ts';

export const Webhooks = z
  .array(
    z
      .strictObject({
        id: z
          .string()
          .regex(/^[a-z][a-z0-9-]{0,63}$/, 'a short name in lower case')
          .exactOptional()
          .describe('name of this receiver in lists; it keeps its queue when its address or secret changes'),
        format: z
          .enum(['json', 'slack'])
          .default('json')
          .describe('`json`: the event, signed; `slack`: a message for an incoming webhook of Slack, or of what takes the same'),
        url: Address.exactOptional().describe('where it is sent; left out for `slack`'),
        secret: SecretName.describe(
          'name of a secret: for `json` the one that signs (HMAC-SHA256, Standard Webhooks), for `slack` the address, since whoever knows that can post',
        ),
        tenant: TenantId.exactOptional().describe('only events of this tenant'),
        texts: z
          .boolean()
          .default(false)
          .describe('also send the text of questions, which agents write; one that is private to somebody is never sent'),
        events: z
          .array(EventKind)
          .min(1)
          .default([
            'run.ended',
            'run.paused',
            'run.budget_low',
            'spend.warned',
            'run.asked',
            'quarantine.put',
            'policy.alarm',
            'host.disk_full',
            'host.disk_free',
            'host.stalled',
            'host.moves',
          ]),
      })
      .refine(({ format, url }) => format === 'slack' || url !== undefined, { path: ['url'], error: 'is missing' })
      .refine(({ format, url }) => format !== 'slack' || url === undefined, {
        path: ['url'],
        error: 'is not for `slack`: the address is a secret there, which `secret` names',
      }),
  )
  .max(32)
  .default([])
  .describe('receivers of events; each event is delivered at least once');
