/**
 * The requests that a host makes to MCP servers elsewhere, and to their authorization servers: to public addresses alone unless the
 * configuration says otherwise, without following redirects to other origins, and with a bound on what comes back.
 */
import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';
import { MCP } from '@corral/protocol/limits-mcp';

type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>;

/** Addresses that are not public (IANA's registries of special-purpose addresses), and that of Azure's metadata service. */
const NOT_PUBLIC = new BlockList();
for (const [net, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
  ['168.63.129.16', 32],
] as [string, number][])
  NOT_PUBLIC.addSubnet(net, bits, 'ipv4');
/** In IPv6, all but 2000::/3, and what carries an address of IPv4 in it. */
for (const [net, bits] of [
  ['::', 3],
  ['4000::', 2],
  ['8000::', 1],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as [string, number][])
  NOT_PUBLIC.addSubnet(net, bits, 'ipv6');

/** @param mayBePrivate the servers may be on this machine or in a private network */
export function boundedFetch(mayBePrivate: boolean): Fetch {
  return async (url, init) => {
    const { hostname, protocol } = new URL(url);
    if (!mayBePrivate) await mustBePublic(hostname.replace(/^\[|\]$/g, ''), protocol);
    const response = await fetch(url, { ...init, redirect: 'manual' });
    return bounded(response);
  };
}

async function mustBePublic(host: string, protocol: string): Promise<void> {
  if (protocol !== 'https:') throw refused(`${host} is not reached by https`);
  const family = isIP(host);
  const addresses = family === 0 ? await lookup(host, { all: true }) : [{ address: host, family }];
  const other = addresses.find((one) => NOT_PUBLIC.check(one.address, one.family === 6 ? 'ipv6' : 'ipv4'));
  if (other !== undefined) throw refused(`${host} is ${other.address}, which is not a public address`);
}

const refused = (why: string) => Object.assign(new Error(`${why}; \`private: true\` of the server allows it`), { code: 'CORRAL_DENIED' });

/** The response, whose body ends with an error once it is larger than one message may be. */
function bounded(response: Response): Response {
  if (response.body === null) return response;
  const most = MCP.message_bytes.default;
  let bytes = 0;
  const counted = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      bytes += chunk.byteLength;
      if (bytes > most) controller.error(new Error(`The server answered with more than ${most} bytes.`));
      else controller.enqueue(chunk);
    },
  });
  const { status, statusText, headers } = response;
  return new Response(response.body.pipeThrough(counted), { status, statusText, headers });
}
