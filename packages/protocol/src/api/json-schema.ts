/** Schemas as data: for documents, and for whoever generates from them. */
import * as z from 'zod';

/** @returns JSON Schema (draft 2020-12) of what goes in, or of what comes out; what it cannot say is left open */
export function jsonSchemaOf(schema: z.ZodType, io: 'input' | 'output' = 'input'): Record<string, unknown> {
  const { $schema: _, '~standard': __, ...rest } = z.toJSONSchema(schema, { unrepresentable: 'any', io }) as Record<string, unknown>;
  return rest;
}

/** Patterns of zod's own formats, which take no longer than their text is long. */
const OWN_PATTERNS: ReadonlySet<string> = new Set([
  ...Object.values(z.regexes).flatMap((one) => (one instanceof RegExp ? [one.source] : [])),
  z.regexes.uuid().source,
  z.regexes.mac().source,
  z.regexes.time({}).source,
  ...[{}, { offset: true }, { local: true }, { offset: true, local: true }].map((one) => z.regexes.datetime(one).source),
]);
/** Schemas whose check is code of their author. */
const CODE: ReadonlySet<string> = new Set(['pipe', 'transform', 'custom', 'promise', 'function', 'catch']);

/** Whether a check by the schema runs patterns or code of its author, which may take for ever over some values. */
export function mayHang(schema: z.ZodType): boolean {
  let found = false;
  const described = z.toJSONSchema(schema, {
    unrepresentable: 'any',
    io: 'input',
    override({ zodSchema }) {
      const { type, checks = [] } = zodSchema._zod.def;
      if (CODE.has(type) || checks.some((one) => one._zod.def.check === 'custom')) found = true;
    },
  });
  JSON.stringify(described, (word, value: unknown) => {
    if (word === 'pattern' && typeof value === 'string' && !OWN_PATTERNS.has(value)) found = true;
    return value;
  });
  return found;
}
