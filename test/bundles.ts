/** Bundles agents that tests give as text. The same text in another test of the file is not bundled again: it would be the same script. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { bundleAgent, type BundledAgent } from '@corral/cli/bundle';

const bundled = new Map<string, Promise<BundledAgent>>();

/**
 * @param text the text of a module whose default export is the agent, or only its definition
 * @param file where to write it
 */
export async function bundleText(text: string, file: string): Promise<BundledAgent> {
  const known = bundled.get(text);
  if (known !== undefined) return known;
  await mkdir(dirname(file), { recursive: true });
  await writeFile(
    file,
    text.includes('import ') ? text : `import { defineAgent } from '@corral/guest';\nexport default defineAgent(${text});`,
  );
  const made = bundleAgent(file);
  bundled.set(text, made);
  made.catch(() => bundled.delete(text));
  return made;
}
