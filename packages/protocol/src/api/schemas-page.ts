/** Names and pages that requests of many routes share. */
import * as z from 'zod';

export const AliasName = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,31}$/, 'a short name in lower case')
  .meta({ id: 'AliasName', examples: ['prod'] });
/** `audit` (its latest version), `audit@prod` (an alias), `audit@sha256:…` (a version, at least 8 hex digits of it). */
export const AgentRef = z
  .string()
  .max(240)
  .regex(/^[a-z0-9][a-z0-9._/-]*(@([a-z][a-z0-9-]{0,31}|sha256:[0-9a-f]{8,64}))?$/, 'NAME, NAME@ALIAS or NAME@sha256:…')
  .meta({ id: 'AgentRef', examples: ['hello@prod'] });
export const Page = z.strictObject({
  cursor: z.string().max(64).exactOptional().describe('`next` of the page before'),
  limit: z.coerce.number().int().min(1).max(500).default(50),
});
/** A list, a page at a time. */
export const listOf = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), next: z.string().nullable().describe('cursor of the next page; null on the last') });
