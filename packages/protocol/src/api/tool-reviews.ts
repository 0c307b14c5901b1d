/** Lists of tools that others declare, and a person accepts. */
import * as z from 'zod';
import type { Json } from '../json.ts';
import { route } from './route.ts';

const value = z.unknown() as z.ZodType<Json>;
const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/, 'a digest: sha256:…');
const Source = z.strictObject({ source: z.string().min(1).max(100).describe('`mcp:NAME`') });

const Review = z.object({
  source: z.string(),
  accepted: z
    .object({ digest, by: z.string(), at: z.int(), tools: z.int() })
    .nullable()
    .describe('what was accepted; null: nothing was yet'),
  offered: z.object({ digest, tools: z.int() }).nullable().describe('what it declares now; null: it was not heard yet'),
  differences: z
    .array(
      z.object({
        tool: z.string(),
        kind: z.enum(['added', 'removed', 'changed']),
        members: z.array(z.object({ path: z.string(), before: value, now: value })),
      }),
    )
    .describe('a changed or removed tool is suspended, and an added one is not offered; all texts in it are the source’s own'),
  needs_login: z
    .array(z.string())
    .describe('accounts of the server at which somebody has to sign in (`corral tools login NAME`) before its tools can be called'),
  notes: z.array(z.string()).describe('what is known of the source: its last errors, what it asked for and was not given'),
});

export const TOOL_REVIEW_ROUTES = {
  listToolReviews: route({
    method: 'GET',
    path: '/v1/tools/reviews',
    tag: 'configuration',
    summary: 'Lists the sources of tools that others declare, with what differs from what was accepted.',
    operation: 'config.read',
    status: 200,
    response: z.object({ items: z.array(Review) }),
  }),
  acceptTools: route({
    method: 'POST',
    path: '/v1/tools/reviews/:source/accept',
    tag: 'configuration',
    summary: 'Accepts what a source of tools declares now, if it is what the caller has seen.',
    operation: 'config.apply',
    act: 'accept-tools',
    params: Source,
    body: z.strictObject({ digest: digest.describe('of `offered`, as it was seen'), reason: z.string().max(2_000).exactOptional() }),
    status: 200,
    response: z.object({ source: z.string(), digest, tools: z.int() }),
  }),
};
