/** Schemas as data: for documents, and for whoever generates from them. */
import * as z from 'zod';

/** @returns JSON Schema (draft 2020-12) of what goes in, or of what comes out; what it cannot say is left open */
export function jsonSchemaOf(schema: z.ZodType, io: 'input' | 'output' = 'input'): Record<string, unknown> {
  const { $schema: _, '~standard': __, ...rest } = z.toJSONSchema(schema, { unrepresentable: 'any', io }) as Record<string, unknown>;
  return rest;
}
