/** Bounds how many things there are in a minute, by the times of the facts: this thread has no clock. */
const MINUTE_MS = 60_000;

export class MinuteRate {
  #minute = 0;
  readonly #counts = new Map<string, number>();

  /**
   * Counts one more thing of each key, unless that is too much for one of them.
   * @param at milliseconds since 1970 @param keys with how much there may be of each in a minute
   */
  may(at: number, keys: readonly (readonly [key: string, most: number])[]): boolean {
    const minute = Math.floor(at / MINUTE_MS);
    if (minute !== this.#minute) {
      this.#minute = minute;
      this.#counts.clear();
    }
    if (keys.some(([key, most]) => (this.#counts.get(key) ?? 0) >= most)) return false;
    for (const [key] of keys) this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    return true;
  }
}
