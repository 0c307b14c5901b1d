/** The user of this machine under whose id this process runs. */
import { userInfo } from 'node:os';

/** Its name. A container may run under an id for which the machine has no name: then `uid-10001`. */
export function machineUser(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid-${process.getuid?.() ?? 'unknown'}`;
  }
}
