/** Telemetry in a configuration. */
import * as z from 'zod';
import { TenantId } from '@corral/protocol/ids';
import { Address, SecretName } from './parts.ts';

export const Telemetry = z
  .strictObject({
    otlp: z
      .strictObject({
        url: Address.refine((url) => {
          const { username, password } = URL.parse(url) ?? { username: '', password: '' };
          return username === '' && password === '';
        }, 'holds a user or password, which errors would show: name a secret in `telemetry.otlp.headers` instead').describe(
          'address of a collector, to which `/v1/traces`, `/v1/metrics` and `/v1/logs` are added',
        ),
        headers: z
          .record(z.string().regex(/^[A-Za-z0-9-]{1,100}$/, 'the name of a header'), SecretName)
          .default({})
          .describe('the secret that is the value of each header, by the name of the header'),
      })
      .exactOptional()
      .describe('send spans and figures to this collector by OTLP over HTTP; left out: figures at `/metrics` alone'),
    sample: z
      .number()
      .min(0)
      .max(1)
      .default(1)
      .describe('share of families of runs whose spans are all sent; errors, refusals and stops are sent of all'),
    content: z
      .union([z.boolean(), z.array(TenantId).min(1)])
      .default(false)
      .describe(
        'send arguments and results of calls, and messages of models, as attributes of spans: of all tenants, or of those that are listed; what is private to somebody is never sent',
      ),
    logs: z
      .boolean()
      .default(false)
      .describe('send the lines of the host’s log, and those that agents write; what is private to somebody is never sent'),
  })
  .exactOptional()
  .describe('make spans and figures of what runs do; it holds from the next start. Left out: none are made, and `/metrics` answers 404');
