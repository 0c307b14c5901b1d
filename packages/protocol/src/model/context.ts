/**
 * Changes to a run's label, grants, purse, version and policies. Each follows from an entry of its journal and is computed from
 * it on demand; nothing else is stored.
 */
import * as z from 'zod';

const common = { entry: z.int().describe('of the journal'), at: z.number(), cause: z.string().describe('the cause, as text') };
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
      target: z.string().nullable().describe('`tool:fs.read`, `mailbox`; null if its journal does not say'),
    }),
    z.object({
      kind: z.literal('purse'),
      ...common,
      amounts: z.record(z.string(), z.number()).describe('negative: moved to a child; positive: came back'),
    }),
    z.object({ kind: z.literal('version'), ...common, from: z.string(), to: z.string() }),
    z.object({ kind: z.literal('policies'), ...common, from: z.string(), to: z.string() }),
  ])
  .meta({ id: 'ContextChange' });
export type ContextChange = z.infer<typeof ContextChange>;
