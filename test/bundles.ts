/** Bundles the agents of tests. The same one in another test of the process is not bundled again: it would be the same script. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { bundleAgent, type BundledAgent } from '@corral/cli/bundle';
import type { AgentFile } from './agents/file.ts';

const bundled = new Map<string, Promise<BundledAgent>>();

/** A typed agent of `test/agents`; or the text of a module whose default export is the agent, or only the agent's definition. */
export type AgentSource = AgentFile | string;

/** @param file where to write an agent that is given as text */
export async function bundleSource(source: AgentSource, file: string): Promise<BundledAgent> {
  const key = typeof source === 'string' ? source : source.file;
  if (typeof source === 'string') await write(source, file);
  const known = bundled.get(key);
  if (known !== undefined) return known;
  const made = bundleAgent(typeof source === 'string' ? file : source.file);
  bundled.set(key, made);
  made.catch(() => bundled.delete(key));
  return made;
}

async function write(text: string, file: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(
    file,
    text.includes('import ') ? text : `import { defineAgent } from '@corral/guest';\nexport default defineAgent(${text});`,
  );
}
