/**
 * `npm run release -- --dry-run`: says what a release would publish: packages, version, files, provenance, the entry of the changelog.
 * Without `--dry-run` it publishes. It refuses a version that the changelog does not name, and one without a place for its provenance.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { inRoot, manifestOf, npm, oneVersion, PUBLISHED } from './pack/packages.ts';

const { values } = parseArgs({
  options: {
    'dry-run': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    /** The output of `npm run pack`, which is run now if this is left out. */
    packed: { type: 'string' },
    changelog: { type: 'string', default: inRoot('CHANGELOG.md') },
  },
});

interface Planned {
  readonly name: string;
  readonly version: string;
  readonly tarball: string;
  readonly bytes: number;
  readonly unpacked_bytes: number;
  readonly files: readonly string[];
  readonly access: string;
  readonly provenance: boolean;
}

/** The text of a version's entry: from `## 1.2.3`, with or without brackets and a date, to the next heading of its kind. */
function entryOf(changelog: string, version: string): string | undefined {
  const [, ...entries] = changelog.split(/^## /m);
  const entry = entries.find((text) => /^\[?([^\]\s]+)/.exec(text)?.[1] === version);
  const body = entry?.split('\n').slice(1).join('\n').trim();
  return body === undefined || body === '' ? undefined : body;
}

function pack(): string {
  if (values.packed !== undefined) return resolve(values.packed);
  const { status, stderr } = spawnSync(process.execPath, [inRoot('scripts/pack.ts')], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return inRoot('dist');
}

function planned(folder: string, packed: string): Planned {
  const at = join(packed, 'packages', basename(folder));
  const { stdout, stderr, status } = npm(['pack', at, '--dry-run', '--json', '--ignore-scripts']);
  if (status !== 0) throw new Error(stderr);
  // A list, or since npm 12 an object by name.
  const [said] = Object.values(JSON.parse(stdout) as Record<string, unknown>) as {
    readonly filename: string;
    readonly size: number;
    readonly unpackedSize: number;
    readonly files: readonly { readonly path: string }[];
  }[];
  if (said === undefined) throw new Error(`npm pack says nothing of ${at}.`);
  const { name, version, publishConfig } = JSON.parse(readFileSync(join(at, 'package.json'), 'utf8')) as {
    readonly name: string;
    readonly version: string;
    readonly publishConfig: { readonly access: string; readonly provenance: boolean };
  };
  return {
    name,
    version,
    tarball: join(packed, 'tarballs', said.filename),
    bytes: said.size,
    unpacked_bytes: said.unpackedSize,
    files: said.files.map(({ path }) => path),
    ...publishConfig,
  };
}

const version = oneVersion();
const packed = pack();
const packages = PUBLISHED.map(({ folder }) => planned(folder, packed));
const entry = entryOf(readFileSync(resolve(values.changelog), 'utf8'), version);
const { repository } = manifestOf('.');
const other = packages.find((one) => one.version !== version);
const refusals = [
  ...(entry === undefined ? [`CHANGELOG.md has no entry "## ${version}"; move what is under Unreleased below it.`] : []),
  ...(other === undefined ? [] : [`${other.name} was packed as ${other.version}, and this is ${version}; run npm run pack.`]),
];
/** These stop a release and not a dry run: they depend on where it runs. */
const missing = [
  ...(repository === undefined
    ? ['package.json has no "repository". npm compares it with the repository in which the package was built.']
    : []),
  ...(process.env['ACTIONS_ID_TOKEN_REQUEST_URL'] === undefined && process.env['SIGSTORE_ID_TOKEN'] === undefined
    ? [
        'npm signs the provenance with the identity token of a CI system, and there is none here. Run the release in CI, with the permission for such a token.',
      ]
    : []),
];

if (values.json) console.log(JSON.stringify({ version, changelog: entry ?? null, packages, refused: refusals, missing }, null, 2));
else {
  for (const { name, bytes, unpacked_bytes, files, access, provenance } of packages) {
    const kib = (size: number) => `${(size / 1024).toFixed(1)} KiB`;
    console.log(`${name}@${version}  ${access}, provenance ${provenance ? 'on' : 'off'}  ${kib(bytes)}, unpacked ${kib(unpacked_bytes)}`);
    for (const file of files) console.log(`  ${file}`);
  }
  const from = repository === undefined ? 'no repository is named' : JSON.stringify(repository);
  console.log(`\nProvenance: npm publish --provenance --access public, signed in CI; built from: ${from}`);
  console.log(`Changelog: ${entry === undefined ? 'no entry' : `an entry of ${entry.split('\n').length} lines`}`);
  for (const one of missing) console.log(`Missing for provenance: ${one}`);
  for (const one of refusals) console.error(`Refused: ${one}`);
}
if (refusals.length > 0 || (!values['dry-run'] && missing.length > 0)) process.exitCode = 1;
else if (!values['dry-run'])
  for (const { name, tarball, access } of packages) {
    const { status } = npm(['publish', tarball, '--access', access, '--provenance'], 'inherit');
    if (status === 0) continue;
    console.error(`${name}@${version} was not published, nor what comes after it in the list above.`);
    process.exitCode = 1;
    break;
  }
