/** Says by which imports a file came into a bundle, for an error about a package that an author may never have heard of. */
import type { Metafile } from 'esbuild';
import { packageOf } from './bundle-builtins.ts';

/** @returns `a.ts imports b.ts, which imports the package c`, from the agent on; nothing for the agent itself and for a file that is unknown */
export type WayTo = (file: string) => string[];

/**
 * @param inputs of a bundle, as the bundler tells them
 * @param entry the module that imports the agent
 */
export const wayIn =
  (inputs: Metafile['inputs'], entry: string): WayTo =>
  (file) => {
    const importers = importersIn(inputs, entry);
    const way: string[] = [];
    for (let at: string | undefined = file; at !== undefined && at !== entry; at = importers.get(at)) {
      const owner = packageOf(at);
      const name = owner === undefined ? at : `the package ${owner}`;
      if (way[0] !== name) way.unshift(name);
    }
    return way.length < 2 ? [] : [`${way[0]} imports ${way.slice(1).join(', which imports ')}`];
  };

/** By file, the one that imports it, on a shortest way from the entry. */
function importersIn(inputs: Metafile['inputs'], entry: string): ReadonlyMap<string, string> {
  const importers = new Map<string, string>();
  let files = [entry];
  while (files.length > 0) {
    const next: string[] = [];
    for (const file of files)
      for (const { path } of inputs[file]?.imports ?? []) {
        if (importers.has(path) || !(path in inputs)) continue;
        importers.set(path, file);
        next.push(path);
      }
    files = next;
  }
  return importers;
}
