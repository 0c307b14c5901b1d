/** Values that occur in several parts of a configuration. */
import * as z from 'zod';
import { FIELD_PATH_CHARS, FIELD_PATHS_MAX } from '@corral/protocol/model/field-path';

export const SecretName = z.string().regex(/^[a-z][a-z0-9_-]{0,63}$/, 'a short name in lower case');
const FieldPaths = z.array(z.string().min(1).max(FIELD_PATH_CHARS)).min(1).max(FIELD_PATHS_MAX);
/** The writer of what a tool returns, as a whole or by fields. */
export const Returns = z
  .union([
    z.enum(['trusted', 'untrusted']),
    z.strictObject({ untrusted: FieldPaths.describe('fields that strangers may write; the others of the result’s schema they do not') }),
    z.strictObject({ trusted: FieldPaths.describe('fields that the system writes itself; strangers may write everything else') }),
  ])
  .describe(
    'whether strangers may have written what it returns; of single fields by their paths: `{ untrusted: ["comments[].body"] }`, or `{ trusted: ["items[].id"] }` where no schema says which fields there are',
  );
export const Address = z.url({ protocol: /^https?$/ });
