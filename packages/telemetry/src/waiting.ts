/**
 * Spans that wait for a collector. Where there are too many, the tenant with the most of them loses its latest, so that one tenant's flood costs
 * itself and no other.
 */
import type { Span } from './span.ts';

export class WaitingSpans {
  readonly #most: number;
  /** Those of each tenant, the oldest first. */
  readonly #of = new Map<string, Span[]>();
  #size = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#size;
  }

  /** @returns the span that had to go: this one, or another; undefined if there was room */
  keep(span: Span): Span | undefined {
    const own = this.#of.get(span.tenant) ?? [];
    let gone: Span | undefined;
    if (this.#size >= this.#most) {
      const [tenant, longest] = this.#longest();
      if (own.length >= longest.length) return span;
      gone = longest.pop();
      this.#size -= 1;
      if (longest.length === 0) this.#of.delete(tenant);
    }
    own.push(span);
    this.#of.set(span.tenant, own);
    this.#size += 1;
    return gone;
  }

  /** Takes the oldest out, of tenants in turn. @param most how many */
  take(most: number): Span[] {
    const taken: Span[] = [];
    while (taken.length < most && this.#size > 0) {
      const each = Math.max(1, Math.floor((most - taken.length) / this.#of.size));
      for (const [tenant, spans] of this.#of) {
        const some = spans.splice(0, Math.min(each, most - taken.length));
        taken.push(...some);
        this.#size -= some.length;
        if (spans.length === 0) this.#of.delete(tenant);
      }
    }
    return taken;
  }

  #longest(): readonly [string, Span[]] {
    let longest: readonly [string, Span[]] = ['', []];
    for (const one of this.#of) if (one[1].length > longest[1].length) longest = one;
    return longest;
  }
}
