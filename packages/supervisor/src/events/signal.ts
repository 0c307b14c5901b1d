/** One kind of event with its listeners. */
export class Signal<A extends readonly unknown[]> {
  readonly #listeners: ((...of: A) => void)[] = [];

  listen(listener: (...of: A) => void): void {
    this.#listeners.push(listener);
  }

  /**
   * Returns once all listeners have run, in the order in which they registered, which is the order in which the parts of a host are built.
   */
  readonly emit = (...of: A): void => {
    for (const listener of this.#listeners) listener(...of);
  };
}

/** A signal for each event of the interface `E`. */
export type Signals<E> = { readonly [K in keyof E]: E[K] extends (...of: infer A) => void ? Signal<A> : never };

/** The interface `E` by which events are emitted. */
export const emitters = <E>(signals: Signals<E>): E =>
  Object.fromEntries(Object.entries<Signal<readonly unknown[]>>(signals).map(([name, { emit }]) => [name, emit])) as E;
