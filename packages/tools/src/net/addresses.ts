/**
 * Addresses that the host connects to on behalf of agents: public ones, and those that a configuration names. Everything that is reachable
 * from the host alone is refused: loopback, private networks, link-local addresses, and those that stand for another address (mapped,
 * translated, tunnelled). The ranges are those of IANA's registries for special purposes (RFC 6890), as `ipaddr.js` has them.
 */
import ipaddr from 'ipaddr.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** Metadata services of clouds, which hand out credentials to whoever asks. No configuration allows them. */
const METADATA: ReadonlySet<string> = new Set([
  // AWS, Azure, Google, DigitalOcean, Oracle; tasks of AWS; AWS by IPv6; Alibaba; the wire server of Azure, which is a public address.
  '169.254.169.254',
  '169.254.170.2',
  '169.254.170.23',
  'fd00:ec2::254',
  'fd00:ec2::23',
  '100.100.100.200',
  '168.63.129.16',
]);

/** Kinds of addresses that no configuration allows: nothing is there, or several machines are. */
const NEVER: ReadonlySet<string> = new Set(['unspecified', 'broadcast', 'multicast']);

/** A range of addresses: `10.1.0.0/16`, `127.0.0.1`. */
export interface AddressRange {
  readonly address: Address;
  readonly bits: number;
}

/** @returns undefined for a text that is not a range, or is one of addresses of which none is ever allowed */
export function rangeOf(text: string): AddressRange | undefined {
  try {
    const [address, bits] = text.includes('/') ? ipaddr.parseCIDR(text) : [ipaddr.parse(text), undefined];
    return { address, bits: bits ?? (address.kind() === 'ipv4' ? 32 : 128) };
  } catch {
    return undefined;
  }
}

/**
 * Why the host does not connect to an address; undefined if it may.
 * @param allowed besides public ones
 */
export function whyNotTo(text: string, allowed: readonly AddressRange[] = []): string | undefined {
  // A zone names an interface of this machine.
  if (text.includes('%') || !ipaddr.isValid(text)) return 'it is not an address';
  const address = ipaddr.process(text);
  const name = address.toString();
  if (METADATA.has(name)) return `${name} is the metadata service of a cloud`;
  const kind = address.range();
  if (NEVER.has(kind)) return `${name} is not the address of one machine (${kind})`;
  if (kind === 'unicast' || allowed.some((one) => isIn(address, one))) return undefined;
  return `${name} is not a public address (${kind})`;
}

const isIn = (address: Address, { address: base, bits }: AddressRange): boolean =>
  address.kind() === base.kind() && address.match(base, bits);

/** The address that is the host name of a URL, as the URL Standard has read it; undefined if it is a name. */
export function literalIn(hostname: string): string | undefined {
  const bare = hostname.startsWith('[') && hostname.endsWith(']') ? hostname.slice(1, -1) : hostname;
  return ipaddr.isValid(bare) ? bare : undefined;
}
