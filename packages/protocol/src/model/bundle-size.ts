/** The limit on the size of a bundle, with one message for both the developer's side and the host. */
import { CorralError } from '../errors.ts';
import { ADMISSION } from '../limits.ts';

/** @throws CORRAL_BUNDLE_TOO_LARGE */
export function refuseLargeBundle(bytes: number): void {
  const most = ADMISSION.bundle_bytes.default;
  if (bytes > most) throw new CorralError('CORRAL_BUNDLE_TOO_LARGE', `The bundle has ${bytes} bytes; at most ${most} are accepted.`);
}
