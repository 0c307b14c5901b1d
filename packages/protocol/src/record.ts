/** Objects whose member names are free, such as arguments, aliases and tenants. */
import * as z from 'zod';

/**
 * As `z.record`, which passes over a member named `__proto__` without a word: a narrowing written there would be dropped, and its
 * holder get more than was said.
 * For what comes in only: a schema with a step before it cannot be used to write an answer.
 */
export function recordOf<K extends z.core.$ZodRecordKey, V extends z.core.$ZodType>(key: K, value: V): z.ZodRecord<K, V> {
  const seen = (given: unknown, context: z.core.$RefinementCtx): unknown => {
    if (typeof given === 'object' && given !== null && Object.hasOwn(given, '__proto__'))
      context.issues.push({ code: 'custom', input: given, path: ['__proto__'], message: 'cannot be a name here' });
    return given;
  };
  return z.preprocess(seen, z.record(key, value)) as unknown as z.ZodRecord<K, V>;
}
