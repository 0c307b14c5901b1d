/** The licences of libraries that are part of a bundle, as their licences ask for. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Metafile } from 'esbuild';
import { inRoot } from './packages.ts';

/** Where a library has no file with its licence, the name of the licence stands for it. @throws if it has neither */
export function licencesOf(metafiles: readonly Metafile[], more: readonly string[] = []): string {
  const folders = new Set(more);
  for (const { inputs } of metafiles)
    for (const path of Object.keys(inputs)) {
      const [, folder] = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path) ?? [];
      if (folder !== undefined) folders.add(folder);
    }
  const texts = [...folders].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(inRoot(folder), 'package.json'), 'utf8')) as Record<string, string>;
    const file = readdirSync(inRoot(folder)).find((each) => /^licen[cs]e/i.test(each));
    if (file === undefined && license === undefined)
      throw new Error(`${folder} has neither a file with its licence nor its name in package.json.`);
    const text = file === undefined ? `Licence: ${license}` : readFileSync(join(inRoot(folder), file), 'utf8').trim();
    return `${name} ${version}\n\n${text}\n`;
  });
  return texts.join(`\n${'-'.repeat(80)}\n\n`);
}

/** Libraries that are part of the cell and of the image, which are built before: their own builds leave no list. */
export function librariesOf(folder: string): readonly string[] {
  const { dependencies = {} } = JSON.parse(readFileSync(inRoot(`${folder}/package.json`), 'utf8')) as {
    dependencies?: Record<string, string>;
  };
  return Object.keys(dependencies)
    .filter((name) => !name.startsWith('@corral/') && existsSync(inRoot(`node_modules/${name}`)) && name !== 'isolated-vm')
    .map((name) => `node_modules/${name}`);
}
