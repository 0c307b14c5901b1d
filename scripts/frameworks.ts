/**
 * `npm run frameworks [-- --newest]`: makes docs/frameworks.md again, with the versions that are pinned in `test/frameworks`, or with the newest
 * that npm has. For a job once a week: the exit code is 1 if a cell is not as rows.ts says, and what changed is in the working tree.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
}

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = `${root}test/frameworks`;
const { values } = parseArgs({ options: { newest: { type: 'boolean', default: false } } });

if (values.newest) pinNewest();
const { status } = spawnSync(process.execPath, [`${root}scripts/long.ts`, 'frameworks'], { cwd: root, stdio: 'inherit' });
process.exitCode = status ?? 1;

/** An alias, such as `npm:ai@6.0.326`, stays within its major version: it is there because of that. */
function pinNewest(): void {
  const manifest = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8')) as Manifest;
  const dependencies = Object.fromEntries(
    Object.entries(manifest.dependencies).map(([name, version]) => {
      const [, of, major] = /^npm:(.+)@(\d+)\./.exec(version) ?? [];
      const newest = of === undefined ? newestOf(name) : `npm:${of}@${newestOf(`${of}@${major}`)}`;
      if (newest !== version) console.log(`${name}: ${version} → ${newest}`);
      return [name, newest];
    }),
  );
  writeFileSync(`${folder}/package.json`, `${JSON.stringify({ ...manifest, dependencies }, null, 2)}\n`);
  const lock = ['install', '--package-lock-only', '--ignore-scripts', '--no-audit', '--no-fund', '--omit-lockfile-registry-resolved'];
  if (npm(lock).status !== 0) throw new Error('The newest versions do not go together; see what npm says above.');
}

/** @param spec a package, or one with a range of versions, of which npm prints all as a list, in no order that it promises */
function newestOf(spec: string): string {
  const { status, stdout } = npm(['view', spec, 'version', '--json']);
  if (status !== 0) throw new Error(`npm does not know ${spec}.`);
  const found = JSON.parse(stdout) as string | readonly string[];
  return typeof found === 'string' ? found : (found.toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1) as string);
}

function npm(args: readonly string[]) {
  return spawnSync('npm', args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}
