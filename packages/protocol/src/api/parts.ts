/** What schemas of the front door are made of: ids, times, reasons, and any JSON. */
import * as z from 'zod';
import { Digest, RunId, TenantId } from '../ids.ts';
import type { Json } from '../json.ts';

/** Any JSON. What was parsed from JSON text is nothing else, so only its absence is looked for; the server bounds its depth. */
export const json = z
  .unknown()
  .refine((value) => value !== undefined, 'is missing')
  .meta({ id: 'Json', description: 'any JSON' }) as unknown as z.ZodType<Json, Json>;
/** As it is listed; the brand stays on the inside. */
export const runId = RunId.meta({ id: 'RunId', description: '`run_` and twelve symbols.' });
export const tenant = TenantId.meta({ id: 'TenantId' });
export const digest = Digest.meta({ id: 'Digest', description: '`sha256:` and 64 hex digits.' });
export const time_ms = z.number().describe('milliseconds since 1970');

export const identity = z
  .object({
    token: z.string().exactOptional().describe('id of the token that was used'),
    made_by: z.string().exactOptional().describe('who made the token, or the schedule'),
    person: z.string().describe('whom it counts as, where people are counted'),
  })
  .meta({ id: 'Identity', description: 'Who stands behind a name.' });

export const Reason = z.string().min(1).max(500).describe('why; it is kept with what was done');

export const inTenant = { tenant: tenant.exactOptional().describe('for principals of the whole host; others are in one tenant anyway') };
