/** Imports modules of Node and files of the machine. It gains everything that the cell’s own process can read. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'completed', output: [] };

export default defineAgent({
  name: 'import',
  async run() {
    const found: string[] = [];
    const get = new Function('name', 'return import(name)') as (name: string) => Promise<unknown>;
    for (const name of [
      'node:fs',
      'fs',
      'isolated-vm',
      '/proc/self/environ',
      'file:///etc/passwd',
      'data:text/javascript,export default 1',
    ])
      await get(name).then(
        () => found.push(name),
        () => undefined,
      );
    return found;
  },
});
