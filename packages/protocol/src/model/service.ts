/** The arguments of a call to a service, which is called like a tool. */
import * as z from 'zod';
import { MACHINE } from '../limits.ts';
import { textOfBytes } from '../bytes.ts';

export const ServiceCall = z.strictObject({
  /** Key of the instance. */
  key: textOfBytes(MACHINE.service_key_bytes.default),
  /** Name of the handler. */
  on: z.string().min(1).max(64),
  /** Checked by the handler's schema, in the service's own isolate. */
  message: z.unknown().default(null),
});
export type ServiceCall = z.infer<typeof ServiceCall>;

/** The handler's result, already checked by its own schema. */
export const ServiceReply = z.unknown();
