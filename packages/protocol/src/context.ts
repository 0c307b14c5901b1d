/**
 * What changed about the circumstances of a run: its label, what it holds, its purse, its version, the policies that decide about it.
 * Each follows from an entry of its journal, and is worked out from that wherever it is asked for; nothing else is kept of it.
 */
import * as z from 'zod';

const common = { entry: z.int().describe('of the journal'), at: z.number(), cause: z.string().describe('what did it, in words') };
const names = z.object({
  influenced_by: z.array(z.string()),
  private_to: z.array(z.string()),
  marks: z.array(z.string()).describe('`untrusted_input`, `private_data`, `outside_effect`'),
});

export const ContextChange = z
  .discriminatedUnion('kind', [
    z.object({ kind: z.literal('label'), ...common, gained: names, lost: names }),
    z.object({
      kind: z.literal('grant'),
      ...common,
      how: z.enum(['gained', 'lost']),
      cap: z.int().describe('its index in the run'),
      grant: z.string().nullable(),
      target: z.string().nullable().describe('`tool:fs.read`, `mailbox`; null where its journal does not say'),
    }),
    z.object({
      kind: z.literal('purse'),
      ...common,
      amounts: z.record(z.string(), z.number()).describe('less than zero: moved to a child; more: it came back'),
    }),
    z.object({ kind: z.literal('version'), ...common, from: z.string(), to: z.string() }),
    z.object({ kind: z.literal('policies'), ...common, from: z.string(), to: z.string() }),
  ])
  .meta({ id: 'ContextChange' });
export type ContextChange = z.infer<typeof ContextChange>;
