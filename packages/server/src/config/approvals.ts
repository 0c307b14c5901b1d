/** Settings of approvals (`approvals`): those that take the person's credential once more, and links to them in notifications. */
import * as z from 'zod';
import { argumentAt } from '@corral/policy/capability/predicate';
import type { Json } from '@corral/protocol/json';
import type { Tool } from '@corral/protocol/ports/tool';

/** A tool's name, in which `*` stands for any text. */
const ToolPattern = z
  .string()
  .regex(/^[a-zA-Z0-9_*][a-zA-Z0-9_.*:-]{0,127}$/, 'must be the name of a tool, or a pattern such as `payments.*`');

export const ApprovalSettings = z.strictObject({
  proof: z
    .strictObject({
      above: z.number().min(0).exactOptional().describe('calls that move more money than this, in units of the currency'),
      tools: z.array(ToolPattern).max(100).default([]).describe('calls to these tools: `payments.*`'),
    })
    .exactOptional()
    .describe('approvals for which a person shows their token once more'),
  links: z
    .strictObject({
      minutes: z.int().min(1).max(1_440).default(60).describe('how long a link is good'),
      alone: z
        .boolean()
        .default(false)
        .describe('whoever has a link may decide without signing in, as `link:` and the receiver; it then counts as one person'),
    })
    .exactOptional()
    .describe(
      'webhooks that are told that people are asked get a link to the call, good for one decision; the host must know at which `url` people open it',
    ),
});
export type ApprovalSettings = z.infer<typeof ApprovalSettings>;

/** @param tool undefined if it is not offered any more: then its amount is not known, and counts as any */
export function needsProof(settings: ApprovalSettings | undefined, name: string, tool: Tool | undefined, input: Json): boolean {
  const proof = settings?.proof;
  if (proof === undefined) return false;
  if (proof.tools.some((pattern) => matches(pattern, name))) return true;
  const amount = amountOf(tool, input);
  return proof.above !== undefined && (tool === undefined || (amount !== undefined && !(amount <= proof.above)));
}

/** The money that a call moves; infinite if it cannot be read. */
export function amountOf(tool: Tool | undefined, input: Json): number | undefined {
  const money = tool?.annotations.money;
  if (money === undefined) return undefined;
  const value = argumentAt(input, money);
  if (value === undefined) return undefined;
  return typeof value === 'number' && value >= 0 ? value : Number.POSITIVE_INFINITY;
}

function matches(pattern: string, name: string): boolean {
  const text = pattern
    .split('*')
    .map((part) => RegExp.escape(part))
    .join('.*');
  return new RegExp(`^${text}$`).test(name);
}
