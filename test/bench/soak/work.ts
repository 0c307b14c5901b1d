/** The mixed work of a soak: what is submitted, and the result that it must have. */
import { randomUUID } from 'node:crypto';
import { setInterval as every } from 'node:timers/promises';
import type { Json } from '@corral/protocol/json';
import { pause, type SoakHost } from './host.ts';

const SERVICES = 5;
const ASK_MS = 8_000;
/** Timeout of a call that a person decides about. */
const ASK_PATIENCE_MS = 300_000;
const EXPIRES_MS = 15_000;
const SLEEPS_MS = [20_000, 90_000] as const;
/** Shares of the rate. */
const MIX = [
  ['short', 0.6],
  ['family', 0.12],
  ['send', 0.2],
  ['sleeper', 0.08],
] as const;
/** Maximum number of unanswered submissions. Beyond it the host is too slow for the rate, and work is held back. */
const UNANSWERED_MOST = 200;

export type Kind = (typeof MIX)[number][0] | 'asker';
export type Wanted = 'approve' | 'deny' | 'expire';

/** Work that the host has accepted. */
export interface Job {
  readonly kind: Kind;
  readonly run: string;
  /** For an asker: the decision that the person is to make. */
  readonly want?: Wanted;
}

export class Work {
  readonly jobs: Job[] = [];
  /** By key of the service: the number of accepted messages, and the sum of their bodies. */
  readonly sent = new Map<string, { times: number; sum: number }>();
  /** Refusals that another attempt would not change. */
  readonly refused: string[] = [];
  /** Number of pieces of work that were held back because too many were unanswered. */
  skipped = 0;
  readonly wanted = new Map<string, Wanted>();
  readonly #host: SoakHost;
  readonly #secret: string;
  readonly #open = new Set<Promise<void>>();
  #n = 0;
  #idle = false;

  constructor(host: SoakHost, secret: string) {
    this.#host = host;
    this.#secret = secret;
  }

  /** Submits `rate` pieces of work per second until it is aborted. */
  async go(rate: number, signal: AbortSignal): Promise<void> {
    const asking = this.#asks(signal);
    try {
      for await (const _ of every(1000 / rate, undefined, { signal })) {
        if (this.#idle) continue;
        if (this.#open.size >= UNANSWERED_MOST) this.skipped += 1;
        else this.#start(pick());
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    await asking;
    await Promise.all(this.#open);
  }

  /** Submits nothing for a while. */
  async rest(ms: number): Promise<void> {
    this.#idle = true;
    await pause(ms);
    this.#idle = false;
  }

  async #asks(signal: AbortSignal): Promise<void> {
    const wants: Wanted[] = ['approve', 'deny', 'expire'];
    for (let i = 0; !signal.aborted; i++) {
      if (!this.#idle) this.#start('asker', wants[i % wants.length]);
      await pause(ASK_MS);
    }
  }

  #start(kind: Kind, want?: Wanted): void {
    const done = this.#one(kind, want)
      .catch((error: unknown) => void this.refused.push(`${kind}: ${String(error)}`))
      .finally(() => void this.#open.delete(done));
    this.#open.add(done);
  }

  async #one(kind: Kind, want: Wanted | undefined): Promise<void> {
    const n = (this.#n += 1);
    // One key for all attempts, so that a lost answer does not lead to a second run.
    const headers = { 'idempotency-key': randomUUID() };
    if (kind === 'send') {
      const key = `key-${n % SERVICES}`;
      const params = { service: 'counter' as never, key, handler: 'add' as never };
      const { run } = await this.#host.insist(() => this.#host.as(this.#secret).sendToService({ params, headers, body: n, query: {} }));
      const sent = this.sent.get(key) ?? { times: 0, sum: 0 };
      this.sent.set(key, { times: sent.times + 1, sum: sent.sum + n });
      this.jobs.push({ kind, run });
      return;
    }
    const input: Record<string, Json> = { n };
    if (kind === 'asker') input['timeout_ms'] = want === 'expire' ? EXPIRES_MS : ASK_PATIENCE_MS;
    if (kind === 'sleeper') input['ms'] = SLEEPS_MS[0] + Math.floor(Math.random() * (SLEEPS_MS[1] - SLEEPS_MS[0]));
    const body = { agent: kind, input } as const;
    const { run } = await this.#host.insist(() => this.#host.as(this.#secret).submitRun({ body, headers }));
    if (want !== undefined) this.wanted.set(run, want);
    this.jobs.push({ kind, run, ...(want === undefined ? {} : { want }) });
  }
}

function pick(): Kind {
  let at = Math.random();
  for (const [kind, share] of MIX) if ((at -= share) < 0) return kind;
  return 'short';
}
