/** URL and URLSearchParams by the WHATWG's own reference implementation. */
import { URL, URLSearchParams } from 'whatwg-url';
import { giveHosts, type Hosts } from './hosts.ts';

export default function url({ more }: { more: (part: string) => unknown }): Record<string, unknown> {
  giveHosts(() => more('idna') as Hosts);
  return { URL, URLSearchParams };
}
