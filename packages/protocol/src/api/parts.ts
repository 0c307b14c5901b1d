/** Parts of the front door's schemas: ids, times, reasons, and any JSON. */
import * as z from 'zod';
import { Digest, RunId, TenantId } from '../ids.ts';
import type { Json } from '../json.ts';
import { CALL_FATES } from '../model/receipt.ts';

/**
 * Any JSON. A value that was parsed from JSON text can be nothing else, so only its absence is checked; the server limits its
 * depth.
 */
export const json = z
  .unknown()
  .refine((value) => value !== undefined, 'is missing')
  .meta({ id: 'Json', description: 'any JSON' }) as unknown as z.ZodType<Json, Json>;
/** The listed form; the brand is internal. */
export const runId = RunId.meta({ id: 'RunId', description: '`run_` and twelve symbols.' });
export const tenant = TenantId.meta({ id: 'TenantId' });
export const digest = Digest.meta({ id: 'Digest', description: '`sha256:` and 64 hex digits.' });
export const time_ms = z.number().describe('milliseconds since 1970');

export const identity = z
  .object({
    token: z.string().exactOptional().describe('id of the token that was used'),
    made_by: z.string().exactOptional().describe('maker of the token or the schedule'),
    person: z.string().describe('the person it counts as, where people are counted'),
  })
  .meta({ id: 'Identity', description: 'The identity behind a name.' });

export const Reason = z.string().min(1).max(500).describe('reason; it is recorded with the operation');

export const shownVersion = z.string().describe('changes with all that a person decides by; a decision may name it');
export const seenVersion = z
  .string()
  .min(1)
  .max(100)
  .exactOptional()
  .describe(
    'the version that was shown; if it has changed since, nothing is decided, and the answer (409, `CORRAL_CHANGED`) says what has',
  );
const ABOUT_DRY = 'only answers what it would: nothing is changed, and nothing is recorded';
/** For the body of a request that takes something away. */
export const dryRun = { dryRun: z.boolean().default(false).describe(ABOUT_DRY) };
/** The same in a query. */
export const dryRunQuery = { dryRun: z.stringbool().default(false).describe(ABOUT_DRY) };

export const inTenant = { tenant: tenant.exactOptional().describe('for principals of the whole host; others belong to one tenant') };

/** The fate of a call that had no result when its grant was revoked. */
export const callFate = z
  .enum(CALL_FATES)
  .describe(
    '`answered`: its tool had answered, so it is done, and its agent is not given the answer; `failed`: it had failed; `unmade`: it waited for people or inspectors, and is not made; `aborted`: its tool was told to stop, and may have acted; `unknown`: its result had been lost, or its tool was told to stop before',
  );
