/** Rate limits: a token bucket for each caller, forgotten once it is full again. */
import { CorralError } from '@corral/protocol/errors';

interface Bucket {
  left: number;
  at: number;
}

/** Most buckets that are kept. Beyond that the oldest is dropped, which can only let through more. */
const MOST = 10_000;

/** A refusal that says when to retry. */
export class TooSoon extends CorralError {
  readonly retry_after_s: number;
  constructor(code: 'CORRAL_RATE_LIMITED' | 'CORRAL_QUEUE_FULL', message: string, retry_after_s: number) {
    super(code, message);
    this.retry_after_s = retry_after_s;
  }
}

export class Rate {
  readonly #buckets = new Map<string, Bucket>();

  /**
   * @param now monotonic milliseconds
   * @throws CORRAL_RATE_LIMITED
   */
  take(who: string, { rate_per_s, burst }: { readonly rate_per_s: number; readonly burst: number }, now: number): void {
    let bucket = this.#buckets.get(who);
    if (bucket === undefined) {
      if (this.#buckets.size >= MOST) for (const [oldest] of this.#buckets) if (this.#buckets.delete(oldest)) break;
      bucket = { left: burst, at: now };
      this.#buckets.set(who, bucket);
    }
    bucket.left = Math.min(burst, bucket.left + ((now - bucket.at) / 1000) * rate_per_s);
    bucket.at = now;
    if (bucket.left < 1) {
      const wait_s = Math.max(1, Math.ceil((1 - bucket.left) / rate_per_s));
      throw new TooSoon('CORRAL_RATE_LIMITED', `Too many requests: at most ${rate_per_s} a second, ${burst} at once.`, wait_s);
    }
    bucket.left -= 1;
  }
}
