/** The host's side of the scene: tools that reach the world outside of it. */
import * as z from 'zod';
import type { Tool } from '@corral/protocol/ports/tool';
import { inlineTool, ToolError } from '@corral/tools/define';
import type { OutsidePort } from './outside.ts';

const READING = { readOnly: true, idempotent: true, destructive: false, openWorld: false } as const;

export const sceneTools = (outside: Pick<OutsidePort, 'read' | 'pay'>): readonly Tool[] => [
  inlineTool({
    name: 'mail.read',
    description: 'The text of one mail.',
    input: z.strictObject({ id: z.int() }),
    output: z.object({ text: z.string() }),
    annotations: { ...READING, returns: 'untrusted' },
    async run({ id }) {
      const text = await outside.read(id);
      if (text === null) throw new ToolError(`There is no mail ${id}.`);
      return { text };
    },
  }),
  inlineTool({
    name: 'payments.send',
    description: 'Pays, in EUR.',
    input: z.strictObject({ to: z.string(), amount: z.number().positive(), reference: z.string() }),
    output: z.object({ payment: z.int() }),
    annotations: {
      readOnly: false,
      idempotent: false,
      destructive: true,
      openWorld: true,
      returns: 'trusted',
      destinations: ['to'],
      money: 'amount',
    },
    run: async (payment, { run }) => ({ payment: await outside.pay({ run, ...payment }) }),
  }),
  inlineTool({
    name: 'pulse.read',
    description: 'Answers at once.',
    input: z.strictObject({}),
    output: z.object({ beat: z.boolean() }),
    annotations: { ...READING, returns: 'trusted', polled: true },
    run: () => ({ beat: true }),
  }),
];
