/** Looks for a way out of its isolate along constructors, frames and species. It gains the cell’s process. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'completed', output: [] };

export default defineAgent({
  name: 'ways-out',
  async run(context) {
    const found: string[] = [];
    const seen = new Set<unknown>();
    const walk = (one: unknown, path: string, depth: number): void => {
      if ((typeof one !== 'object' && typeof one !== 'function') || one === null || depth > 4 || seen.has(one)) return;
      seen.add(one);
      for (const name of Reflect.ownKeys(one)) {
        if (['process', 'require', 'module', 'ivm', 'mainModule', 'binding'].includes(String(name))) found.push(`${path}.${String(name)}`);
        let next: unknown;
        try {
          next = (one as Record<PropertyKey, unknown>)[name];
        } catch {
          continue;
        }
        if (next !== one) walk(next, `${path}.${String(name)}`, depth + 1);
      }
      walk(Reflect.getPrototypeOf(one), `${path}.^`, depth + 1);
    };
    walk(context, 'context', 0);
    walk((globalThis as unknown as { corral: unknown }).corral, 'corral', 0);
    return found;
  },
});
