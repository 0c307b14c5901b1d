/** What a call to a service says: a service is called like a tool, and these are its arguments. */
import * as z from 'zod';
import { MACHINE } from './limits.ts';
import { textOfBytes } from './bytes.ts';

export const ServiceCall = z.strictObject({
  /** Which instance. */
  key: textOfBytes(MACHINE.service_key_bytes.default),
  /** Which of its handlers. */
  on: z.string().min(1).max(64),
  /** Judged by the handler's schema, in the service's own isolate. */
  message: z.unknown().default(null),
});
export type ServiceCall = z.infer<typeof ServiceCall>;

/** Whatever the handler gave back: its own schema has judged it. */
export const ServiceReply = z.unknown();
