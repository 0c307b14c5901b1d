/** Sources of a repository that name each other as they are called once they are compiled: `./orders.js` for `orders.ts`, as `module: nodenext` has it. */

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
