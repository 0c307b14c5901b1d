/**
 * Published flaws of what cells and the host run on, for `corral doctor`. SECURITY.md says how this table is kept: with each release of
 * Node.js or isolated-vm that closes a flaw comes a row, whose source is the vendor's own advisory.
 *
 * The rows were compared with these sources. Node, December 2025 to July 2026: the pages themselves. October: the notes of Node 26.12.1,
 * without its page. November: the record of CVE-2026-123866, whose severity was not read; CVE-2026-123864, -123872 and -123874 came out on
 * the same day, and are not in the table because the versions that fix them were not read. isolated-vm: the CVE records of the two older
 * flaws; for GHSA-864f-rcv7-6rh4, reports of others and the versions that npm has.
 */

export type Component = 'Node' | 'isolated-vm';
type Severity = 'critical' | 'high' | 'medium';

export interface Advisory {
  readonly component: Component;
  /** Ids of its CVEs or its GHSA, the gravest first. Lesser ones may be missing. */
  readonly ids: readonly string[];
  readonly severity: Severity;
  /** The first version of each line that is sound, by its major number. A line that is not named was not affected. */
  readonly fixed: Readonly<Record<number, string>>;
  /** All versions below this one are affected too, whatever their line. */
  readonly below?: string;
  readonly source: string;
  readonly about: string;
}

/** The day on which the table was last compared with its sources. */
const ADVISORIES_AS_OF = '2026-11-29';

/** The newest of each component first. */
export const ADVISORIES: readonly Advisory[] = [
  {
    component: 'Node',
    ids: ['CVE-2026-123866'],
    severity: 'high',
    fixed: { 24: '24.22.3', 26: '26.13.1' },
    source: 'https://www.cve.org/CVERecord?id=CVE-2026-123866',
    about: 'use after free in HTTP/2 streams, which discloses memory',
  },
  {
    component: 'Node',
    ids: [
      'CVE-2026-111497',
      'CVE-2026-105482',
      'CVE-2026-105483',
      'CVE-2026-106069',
      'CVE-2026-106072',
      'CVE-2026-105481',
      'CVE-2026-106074',
    ],
    severity: 'high',
    fixed: { 24: '24.22.1', 26: '26.12.1' },
    source: 'https://nodejs.org/en/blog/vulnerability/october-2026-security-releases',
    about: 'write out of bounds in the Brotli decoder; host names and addresses taken for others in TLS and DNS',
  },
  {
    component: 'Node',
    ids: [
      'CVE-2026-56848',
      'CVE-2026-56846',
      'CVE-2026-58043',
      'CVE-2026-58040',
      'CVE-2026-58041',
      'CVE-2026-58042',
      'CVE-2026-58045',
      'CVE-2026-56850',
    ],
    severity: 'high',
    fixed: { 24: '24.18.1', 26: '26.5.1' },
    source: 'https://nodejs.org/en/blog/vulnerability/july-2026-security-releases',
    about: 'use after free in HTTP/2; the permission model passed; iterators of node:sqlite that outlive their statement',
  },
  {
    component: 'Node',
    ids: ['CVE-2026-48618', 'CVE-2026-48933', 'CVE-2026-48930', 'CVE-2026-48934', 'CVE-2026-48619', 'CVE-2026-48617'],
    severity: 'high',
    fixed: { 24: '24.17.0', 26: '26.3.1' },
    source: 'https://nodejs.org/en/blog/vulnerability/june-2026-security-releases',
    about: 'the identity of TLS servers; the length of what WebCrypto writes; the permission model passed',
  },
  {
    component: 'Node',
    ids: ['CVE-2026-21637', 'CVE-2026-21710', 'CVE-2026-21712', 'CVE-2026-21713', 'CVE-2026-21714', 'CVE-2026-21717'],
    severity: 'high',
    fixed: { 24: '24.14.1' },
    source: 'https://nodejs.org/en/blog/vulnerability/march-2026-security-releases',
    about: 'headers and server names that end a process; collisions of hashes in V8',
  },
  {
    component: 'Node',
    ids: ['CVE-2025-55131', 'CVE-2025-55130', 'CVE-2025-59465', 'CVE-2025-59466', 'CVE-2025-59464', 'CVE-2025-55132'],
    severity: 'high',
    fixed: { 24: '24.13.0' },
    source: 'https://nodejs.org/en/blog/vulnerability/december-2025-security-releases',
    about: 'buffers that show old memory; the permission model passed by links; HTTP/2 frames that end a process',
  },
  {
    component: 'isolated-vm',
    ids: ['GHSA-864f-rcv7-6rh4'],
    severity: 'critical',
    fixed: { 6: '6.2.0', 7: '7.0.1' },
    below: '6.0.0',
    source: 'https://github.com/laverdet/isolated-vm/security/advisories/GHSA-864f-rcv7-6rh4',
    about: 'type confusion in ExternalCopy, by which a guest takes over its process',
  },
  {
    component: 'isolated-vm',
    ids: ['CVE-2022-39266', 'GHSA-2jjq-x548-rhpv'],
    severity: 'critical',
    fixed: { 4: '4.3.7' },
    below: '4.0.0',
    source: 'https://github.com/laverdet/isolated-vm/security/advisories/GHSA-2jjq-x548-rhpv',
    about: 'cached code is trusted like code of the host',
  },
  {
    component: 'isolated-vm',
    ids: ['CVE-2021-21413', 'GHSA-mmhj-4w6j-76h7'],
    severity: 'high',
    fixed: {},
    below: '4.0.0',
    source: 'https://github.com/laverdet/isolated-vm/security/advisories/GHSA-mmhj-4w6j-76h7',
    about: 'a guest with a Reference reaches the host’s own isolate',
  },
];

type Numbers = readonly [number, number, number];

/** A release, or undefined for a version that is none: a nightly or a release candidate. */
function parse(version: string): Numbers | undefined {
  const [, ...parts] = /^v?(\d+)\.(\d+)\.(\d+)$/.exec(version) ?? [];
  return parts.length === 3 ? (parts.map(Number) as unknown as Numbers) : undefined;
}

const before = (a: Numbers, b: Numbers) => (a[0] - b[0] || a[1] - b[1] || a[2] - b[2]) < 0;

/** The advisories that apply to a version. @returns undefined for nightlies and release candidates, about which nothing is published */
export function flawsOf(component: Component, version: string, table: readonly Advisory[] = ADVISORIES): readonly Advisory[] | undefined {
  const numbers = parse(version);
  if (numbers === undefined) return undefined;
  return table.filter((advisory) => {
    if (advisory.component !== component) return false;
    const below = parse(advisory.below ?? '');
    const fixed = parse(advisory.fixed[numbers[0]] ?? '');
    return (below !== undefined && before(numbers, below)) || (fixed !== undefined && before(numbers, fixed));
  });
}

/** Where each component comes from. */
const FROM: Readonly<Record<Component, string>> = {
  Node: 'from https://nodejs.org/en/download',
  'isolated-vm': 'which a newer release of corral brings',
};

/**
 * The words of `corral doctor` about a version: the gravest advisory, the version to move to, and where to get it.
 * @param brought the Node is that of @corral/node, which has no newer one in this release
 */
export function soundness(component: Component, version: string, brought = false): { readonly ok: boolean; readonly says: string } {
  const flaws = flawsOf(component, version);
  if (flaws === undefined) return { ok: false, says: `${version} is not a release, so nothing is known about it; run a release` };
  const [first] = flaws;
  if (first === undefined) return { ok: true, says: `none known of ${version} on ${ADVISORIES_AS_OF}` };
  const major = parse(version)?.[0] ?? 0;
  const target = flaws.map(({ fixed }) => fixed[major]).find((one) => one !== undefined) ?? newest(component);
  const gravest = flaws.find(({ severity }) => severity === 'critical') ?? first;
  const more = flaws.length === 1 ? '' : ` and ${flaws.length - 1} earlier ${flaws.length === 2 ? 'advisory' : 'advisories'}`;
  const how = brought
    ? `this release of @corral/node has no newer Node, so until the next one: install ${target} or later ${FROM[component]}, run \`npm uninstall @corral/node\`, and start corral by that Node`
    : `move to ${target} or later, ${FROM[component]}`;
  return {
    ok: false,
    says: `${version}: ${gravest.ids[0]} (${gravest.severity}: ${gravest.about})${more}; see ${gravest.source}; ${how}`,
  };
}

/** The sound version of the newest line that is named. */
function newest(component: Component): string {
  const lines = ADVISORIES.find((one) => one.component === component)?.fixed ?? {};
  return Object.entries(lines).sort(([a], [b]) => Number(b) - Number(a))[0]?.[1] ?? 'the newest release';
}
