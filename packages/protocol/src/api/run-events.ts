/**
 * The events that a follower of one run gets. They are read from the run's journal, so nothing is lost or told twice when the connection, the host or
 * its process ends in between: the id of an event is its place in the journal.
 */
import * as z from 'zod';
import { RunId } from '../ids.ts';
import { withheld } from './withheld.ts';

const place = z.string().regex(/^\d{1,15}-\d{1,9}$/, 'the id of an event of this run, such as 12-0');
const common = { id: place.describe('place in the journal, to resume after'), at: z.number(), run: RunId };

export const RunEvent = z
  .discriminatedUnion('kind', [
    z.object({
      ...common,
      kind: z.literal('chunk').describe('parts of a streamed answer, in order; the run was given them'),
      call: z.int().describe('number of the call'),
      offset: z.int().describe('how many parts of that stream came before these'),
      parts: z.array(z.unknown()).describe('of a model: `{ type: "text-delta", id, delta }` and others'),
      withheld,
    }),
    z.object({ ...common, kind: z.literal('emitted'), event: z.string(), data: z.unknown(), withheld }),
    z.object({ ...common, kind: z.literal('logged'), level: z.string(), text: z.string(), withheld }),
    z.object({ ...common, kind: z.literal('ended').describe('nothing follows'), ended_as: z.string() }),
  ])
  .meta({ id: 'RunEvent' });
export type RunEvent = z.infer<typeof RunEvent>;

export const RunEventQuery = z.strictObject({ after: place.exactOptional().describe('as `Last-Event-ID`, which counts before it') });
export const RunEventHeaders = z.object({ 'last-event-id': place.optional().describe('resume after this event') });
