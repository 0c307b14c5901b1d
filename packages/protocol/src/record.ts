/** Objects whose member names are free, such as arguments, aliases and tenants. */
import * as z from 'zod';

/**
 * Like `z.record`, which silently ignores a member named `__proto__`: a narrowing under that name would be dropped, and the
 * holder would receive more authority than intended. Only for input: a schema with a preprocessing step cannot serialise an
 * answer.
 */
export function recordOf<K extends z.core.$ZodRecordKey, V extends z.core.$ZodType>(key: K, value: V): z.ZodRecord<K, V> {
  const seen = (given: unknown, context: z.core.$RefinementCtx): unknown => {
    if (typeof given === 'object' && given !== null && Object.hasOwn(given, '__proto__'))
      context.issues.push({ code: 'custom', input: given, path: ['__proto__'], message: 'cannot be a name here' });
    return given;
  };
  return z.preprocess(seen, z.record(key, value)) as unknown as z.ZodRecord<K, V>;
}
