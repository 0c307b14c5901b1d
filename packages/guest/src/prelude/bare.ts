/**
 * Objects and arrays of the prelude without a prototype. An agent may define `toJSON`, `handles` or `error` on Object.prototype; what
 * the prelude reads from its own objects, and what JSON.stringify reads from them, must not come from there.
 */
export function bare<T extends object>(made: T): T {
  return Object.setPrototypeOf(made, null) as T;
}

/** A member that may be absent. Reads nothing from a prototype; for objects of which one a crank would make `bare` too dear. */
export function own<T extends object, K extends keyof T>(of: T, name: K): T[K] | undefined {
  return Object.hasOwn(of, name) ? of[name] : undefined;
}
