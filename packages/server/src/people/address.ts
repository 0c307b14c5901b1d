/**
 * Checks the address that a request was sent to. A page in a browser can make its visitor's machine call a port on loopback, or
 * have its own name resolve to it (DNS rebinding); the names in Host and Origin show both.
 */
import { CorralError } from '@corral/protocol/errors';
import type { Config } from '../config/schema.ts';

const LOOPBACK: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);

/** The names of this host besides those of loopback. */
export const namesOf = ({ hosts, url }: Config['door']): readonly string[] =>
  url === undefined ? hosts : [...hosts, new URL(url).hostname];

/**
 * @param hosts further names of this host, from its configuration
 * @returns why the request is refused, or undefined
 */
export function hostRefusal(
  headers: { readonly host?: string | undefined; readonly origin?: string | undefined },
  hosts: readonly string[],
): CorralError | undefined {
  const known = (name: string) => LOOPBACK.has(name) || hosts.includes(name);
  const { host, origin } = headers;
  const name = host?.replace(/:\d+$/, '').toLowerCase();
  if (name === undefined || !known(name))
    return new CorralError('CORRAL_ORIGIN_REFUSED', 'The Host header names no address of this Corral.');
  if (origin === undefined) return undefined;
  const from = URL.parse(origin);
  if (from === null || !known(from.hostname) || from.host !== host?.toLowerCase())
    return new CorralError('CORRAL_ORIGIN_REFUSED', 'A page of another origin may not call this Corral.');
  return undefined;
}
