/** Values that occur in several parts of a configuration. */
import * as z from 'zod';

export const SecretName = z.string().regex(/^[a-z][a-z0-9_-]{0,63}$/, 'a short name in lower case');
export const Address = z.url({ protocol: /^https?$/ });
