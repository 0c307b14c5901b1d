/**
 * Selects runs for a list or a bulk request. Both use one schema, so that an operation with a filter acts on exactly the runs
 * that the list with this filter shows. Every given condition must hold; without conditions, all runs that the principal may
 * touch are selected.
 */
import * as z from 'zod';
import { ToolName } from '../ids.ts';
import { DOOR } from '../limits.ts';
import { digest, inTenant, runId } from './parts.ts';

export const Lifecycle = z.enum(['queued', 'active', 'ended']);
export const Control = z.enum(['none', 'paused', 'quarantined']);
export const Waiting = z.enum(['call', 'message', 'timer', 'child', 'approval', 'resolution', 'upgrade', 'nothing']);

/** Values of one condition that a request may name at most. */
const MOST_VALUES = 50;
/** One value of a condition, or several of which one must hold. In a query the name is repeated: `?agent=a&agent=b`. */
export const oneOrMore = <T extends z.ZodType>(value: T) => z.union([value, z.array(value).min(1).max(MOST_VALUES)]);
/** The values of a condition, each once. */
export const many = <T>(value: T | readonly T[] | undefined): readonly T[] | undefined =>
  value === undefined ? undefined : Array.isArray(value) ? [...new Set(value as readonly T[])] : [value as T];

/** @param ms schema of a number of milliseconds: a number in a body, text in a query */
const conditions = <T extends z.ZodType>(ms: T) => ({
  ...inTenant,
  agent: oneOrMore(z.string().min(1).max(100))
    .exactOptional()
    .describe('name of the agent, or several; the end after its last / suffices if no other agent has it'),
  version: oneOrMore(digest).exactOptional().describe('version of the agent that the run is on, or several'),
  principal: oneOrMore(z.string().min(1).max(200)).exactOptional().describe('who submitted it; a child has the principal of its parent'),
  parent: runId.exactOptional().describe('children of this run'),
  q: z.string().max(100).exactOptional().describe('part of an id, agent, principal or outcome'),
  config: z.string().max(100).exactOptional().describe('version of the configuration at admission'),
  lifecycle: oneOrMore(Lifecycle).exactOptional(),
  control: oneOrMore(Control).exactOptional(),
  stopped_by: oneOrMore(z.string().min(1).max(200))
    .exactOptional()
    .describe(
      'who paused it or put it under quarantine: a principal, `loops` for the detectors of loops, `policy`, `budget`, `quarantine`; ended runs are left out',
    ),
  waiting: oneOrMore(Waiting).exactOptional().describe('what the run waits for now; ended runs wait for nothing and are left out'),
  created_from: ms.exactOptional().describe('admitted at this time or after, in milliseconds since 1970'),
  ended_from: ms.exactOptional().describe('ended at this time or after'),
  ended_until: ms.exactOptional().describe('ended before this time'),
  refused_from: ms.exactOptional().describe('something was refused to it at this time or after, in milliseconds since 1970; 0: ever'),
  withheld_from: ms
    .exactOptional()
    .describe('a call of it was carried out and its agent was not given the answer, at this time or after; 0: ever'),
  holds: ToolName.exactOptional().describe(
    'only runs that have not ended and hold this tool: by a grant that is not revoked, nor one that it was derived from',
  ),
  older_than_ms: ms.exactOptional().describe('admitted at least this long ago'),
  since: ms.exactOptional().describe('not ended before this time, in milliseconds since 1970'),
  until: ms.exactOptional().describe('admitted before this time; with `since`: under way at some moment between the two'),
});

/** For the body of a request. */
export const RunSelector = z
  .strictObject({
    ...conditions(z.int().min(0)),
    runs: z.array(runId).min(1).max(DOOR.settled_at_once.default).exactOptional().describe('only these runs'),
  })
  .meta({
    id: 'RunSelector',
    description: 'Selects runs for which every given condition holds.',
  });
export type RunSelector = z.infer<typeof RunSelector>;

/** For a query, where numbers are text. */
export const runConditions = conditions(z.coerce.number().int().min(0));
