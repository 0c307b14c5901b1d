/**
 * The capabilities that lower a label (ARCHITECTURE.md, "Policies and labels at the bus"). The tools return their input unchanged. Each
 * use waits for the owner's approval, and the broker then lowers the label of exactly the value that the owner was shown.
 */
import * as z from 'zod';
import type { Tool } from '@corral/protocol/ports/tool';
import { inlineTool } from './define.ts';

const REASON = 500;

/** `label.endorse` and `label.declassify`. @param owner the principal who must approve each use */
export function labelTools(owner: string): Tool[] {
  return [
    make('endorse', owner, 'Has its owner vouch for a value, or for what the run has read so far, even if strangers wrote it.'),
    make('declassify', owner, 'Has its owner let everybody read a value, or what the run has read so far.'),
  ];
}

function make(kind: 'endorse' | 'declassify', owner: string, description: string): Tool {
  return inlineTool({
    name: `label.${kind}`,
    description,
    input: z
      .strictObject({
        value: z.unknown().optional().describe('the value, or a handle to it'),
        run: z.literal(true).optional().describe('the run itself, for what it has read so far'),
        reason: z.string().min(1).max(REASON).describe('for the owner'),
      })
      .refine((input) => (input.value === undefined) !== (input.run === undefined), { error: 'takes either a value or `run: true`' }),
    output: z.unknown(),
    annotations: {
      readOnly: true,
      idempotent: true,
      destructive: false,
      openWorld: false,
      // Unless the owner approves, the result is as untrusted as the input.
      returns: 'untrusted',
      relabels: { kind, owner },
    },
    run: ({ value }) => value ?? null,
  });
}
