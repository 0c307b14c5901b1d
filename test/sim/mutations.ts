/**
 * Puts a deliberate bug into the product, to check that the simulator finds it. Each bug (planted.ts) replaces a piece of a module's
 * source while it is loaded; the product does not know of it. If a piece no longer exists, that is an error, so that no bug is forgotten.
 */
import { registerHooks } from 'node:module';
import { MUTATIONS } from './planted.ts';

/** @throws Error for an unknown name, and during loading if a piece does not occur exactly once in its file */
export function mutate(name: string): void {
  const edits = MUTATIONS[name];
  if (edits === undefined) throw new Error(`There is no mutation ${name}; there are ${Object.keys(MUTATIONS).join(', ')}.`);
  const missing = new Set(edits);
  registerHooks({
    load(url, context, next) {
      const mine = edits.filter(({ file }) => url.endsWith(`/packages/${file}`));
      const loaded = next(url, context);
      if (mine.length === 0) return loaded;
      const text = loaded.source ?? '';
      let source = typeof text === 'string' ? text : Buffer.from(text as Uint8Array).toString();
      for (const edit of mine) {
        const parts = source.split(edit.piece);
        if (parts.length !== 2)
          throw new Error(`${edit.file} has ${parts.length - 1} times what the mutation ${name} replaces: ${edit.piece}`);
        source = parts.join(edit.becomes);
        missing.delete(edit);
      }
      return { ...loaded, source };
    },
  });
  process.on('exit', () => {
    if (missing.size === 0) return;
    console.error(`The mutation ${name} was never put in.`);
    process.exitCode = 2;
  });
}
