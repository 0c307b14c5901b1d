/**
 * Loads sources of a repository by TypeScript's rules where Node's are stricter: a file is named as it is called once it is compiled
 * (`./orders.js` for `orders.ts`), and a package of CommonJS, which `npm init` makes, has sources that are written as modules.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const sourceOf = (specifier: string): string | undefined =>
  /^(?:\.{0,2}\/|file:)/.test(specifier) && /\.[cm]?js$/.test(specifier) ? `${specifier.slice(0, -2)}ts` : undefined;

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && /^(?:ERR_)?MODULE_NOT_FOUND$/.test(String(error.code));

/**
 * @param next resolves a specifier, as a hook of Node is given it
 * @param lent taken instead of a module that is missing
 * @throws what `next` throws, by the name that the author wrote
 */
export function resolveSource<T>(specifier: string, next: (specifier: string) => T, lent?: string): T {
  try {
    return next(specifier);
  } catch (error) {
    const instead = lent ?? sourceOf(specifier);
    if (instead === undefined || !isMissing(error)) throw error;
    try {
      return next(instead);
    } catch (also) {
      throw lent === undefined && isMissing(also) ? error : also;
    }
  }
}

const MODULE_SYNTAX = /^(?:import\s*[\w{*'"]|export\s*[\w{*])/m;

/** @returns the format in which Node should load a file, if that is another one than it would take */
export function formatOf(url: string, format: string | null | undefined): 'module-typescript' | undefined {
  if (format !== 'commonjs-typescript' || !url.startsWith('file:') || !url.endsWith('.ts')) return undefined;
  return MODULE_SYNTAX.test(readFileSync(fileURLToPath(url), 'utf8')) ? 'module-typescript' : undefined;
}
