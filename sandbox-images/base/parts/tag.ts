/** Gives a class the name that its instances have as text, as Web IDL says; the build shortens its own. */
export function tag<T extends { readonly prototype: object }>(made: T, name: string): T {
  Object.defineProperty(made, 'name', { value: name, configurable: true });
  Object.defineProperty(made.prototype, Symbol.toStringTag, { value: name, configurable: true });
  return made;
}
