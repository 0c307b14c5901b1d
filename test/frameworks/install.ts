/** Installs the frameworks beside the agents of the table, in a folder outside of the repository, which is not to have them all. */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(new URL('.', import.meta.url));

/** The versions that are pinned, by the name of the package. */
export const pinned = (): Readonly<Record<string, string>> =>
  (JSON.parse(readFileSync(join(HERE, 'package.json'), 'utf8')) as { readonly dependencies: Readonly<Record<string, string>> })
    .dependencies;

/**
 * Installs what package-lock.json names, from the registry that npm is configured with, unless the folder has packages already. The agents are
 * in `agents` then.
 */
export function install(folder: string): void {
  for (const name of ['package.json', 'package-lock.json', 'agents']) cpSync(join(HERE, name), join(folder, name), { recursive: true });
  if (!existsSync(join(folder, 'node_modules'))) {
    const { status } = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: folder, stdio: ['ignore', 2, 2] });
    if (status !== 0) throw new Error(`npm ci of the frameworks ended with ${status}.`);
  }
}
