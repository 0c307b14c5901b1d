/** Schemas as data: for documents and for generators. */
import * as z from 'zod';

/** @returns JSON Schema (draft 2020-12) of the input or the output; parts that it cannot express are left open */
export function jsonSchemaOf(schema: z.ZodType, io: 'input' | 'output' = 'input'): Record<string, unknown> {
  const { $schema: _, '~standard': __, ...rest } = z.toJSONSchema(schema, { unrepresentable: 'any', io }) as Record<string, unknown>;
  return rest;
}
