/**
 * Refuses a definition with a field that there is not: `use: { … }` would be as good as none, and only a type check would see it. The
 * definition is refused where it is made, so with the bundle, before anything is deployed.
 */

/**
 * The host reads the code at the beginning of the message: nothing else of an error leaves an isolate.
 * @param by what was called
 * @param fields those that there are
 * @throws an error that begins with CORRAL_MANIFEST_INVALID
 */
export function checkFields(by: string, options: object, fields: Readonly<Record<string, true>>): void {
  const strange = Object.keys(options).find((field) => !Object.hasOwn(fields, field));
  if (strange === undefined) return;
  const known = Object.keys(fields);
  const near = known.find((field) => areAlike(field, strange));
  const { name } = options as { readonly name?: unknown };
  throw new Error(
    `CORRAL_MANIFEST_INVALID: ${typeof name === 'string' ? `${name.slice(0, CHARS)}: ` : ''}${by} has no field ${strange.slice(0, CHARS)}.${near === undefined ? '' : ` Did you mean ${near}?`} Fields are ${known.join(', ')}.`,
  );
}
const CHARS = 100;

/** One is the beginning of the other, as of `use` and `uses`, `on_unknown` and `onUnknown`. Every bundle has this, so it is no more. */
function areAlike(one: string, other: string): boolean {
  const [a, b] = [plain(one), plain(other)];
  return b.length > 1 && (a.startsWith(b) || b.startsWith(a));
}
const plain = (text: string): string => text.toLowerCase().replaceAll(/[^a-z]/g, '');
