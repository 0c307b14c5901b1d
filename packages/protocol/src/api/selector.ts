/**
 * Selects runs for a list or a bulk request. Both use one schema, so that an operation with a filter acts on exactly the runs
 * that the list with this filter shows. Every given condition must hold; without conditions, all runs that the principal may
 * touch are selected.
 */
import * as z from 'zod';
import { digest, inTenant } from './parts.ts';

export const Lifecycle = z.enum(['queued', 'active', 'ended']);
export const Control = z.enum(['none', 'paused', 'quarantined']);
export const Waiting = z.enum(['call', 'message', 'timer', 'child', 'approval', 'resolution', 'upgrade', 'nothing']);

/** @param ms schema of a number of milliseconds: a number in a body, text in a query */
const conditions = <T extends z.ZodType>(ms: T) => ({
  ...inTenant,
  agent: z.string().min(1).max(100).exactOptional().describe('name of the agent'),
  version: digest.exactOptional().describe('version of the agent that the run is on'),
  lifecycle: Lifecycle.exactOptional(),
  control: Control.exactOptional(),
  waiting: Waiting.exactOptional().describe('what the run waits for now; ended runs wait for nothing and are left out'),
  older_than_ms: ms.exactOptional().describe('admitted at least this long ago'),
  since: ms.exactOptional().describe('not ended before this time, in milliseconds since 1970'),
  until: ms.exactOptional().describe('admitted before this time; with `since`: under way at some moment between the two'),
});

/** For the body of a request. */
export const RunSelector = z.strictObject(conditions(z.int().min(0))).meta({
  id: 'RunSelector',
  description: 'Selects runs for which every given condition holds.',
});
export type RunSelector = z.infer<typeof RunSelector>;

/** For a query, where numbers are text. */
export const runConditions = conditions(z.coerce.number().int().min(0));
