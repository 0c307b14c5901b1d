/** Reads one package: what its package.json declares, and what its licence files really say. */
import { defineAgent } from '@corral/guest';
import * as z from 'zod/mini';
import { declaredLicense, recognise } from './licenses.ts';

const LICENSE_FILE = /^(licen[cs]e|copying|unlicense|notice)([.-].*)?$/i;
/** More than this of a licence file tells nothing new. */
const TEXT = 4_000;

export const reader = defineAgent({
  name: 'license-audit/reader',
  purpose: 'Find the declared and actual licence of one package.',
  input: z.object({ path: z.string() }),
  output: z.object({ nested: z.array(z.string()) }),
  uses: { read: 'tool:fs.read', list: 'tool:fs.list', judge: 'mailbox' },
  async run({ input: { path }, caps }) {
    const { entries } = await caps.list({ path });
    const names = new Set(entries.map((entry) => entry.name));
    if (!names.has('package.json')) return { nested: [] };
    const declaration = JSON.parse((await caps.read({ path: `${path}/package.json` })).text) as Record<string, unknown>;
    const files = await Promise.all(
      entries
        .filter(({ name, kind }) => kind === 'file' && LICENSE_FILE.test(name))
        .map(async ({ name }) => ({ name, license: recognise((await caps.read({ path: `${path}/${name}` })).text.slice(0, TEXT)) })),
    );
    // Folders inside a package may have a package.json that only sets its module type.
    if (typeof declaration['name'] === 'string' && typeof declaration['version'] === 'string') {
      await caps.judge.send({
        kind: 'package',
        path,
        name: declaration['name'],
        version: declaration['version'],
        declared: declaredLicense(declaration),
        files,
      });
    }
    const nested: string[] = [];
    if (names.has('node_modules')) {
      for (const { name, kind } of (await caps.list({ path: `${path}/node_modules` })).entries) {
        if (kind !== 'folder' || name.startsWith('.')) continue;
        const inner = `${path}/node_modules/${name}`;
        if (!name.startsWith('@')) nested.push(inner);
        else
          for (const scoped of (await caps.list({ path: inner })).entries)
            if (scoped.kind === 'folder') nested.push(`${inner}/${scoped.name}`);
      }
    }
    return { nested };
  },
});
