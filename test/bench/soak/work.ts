/** The mixed work of a soak: what is submitted, and what must come of it. */
import { randomUUID } from 'node:crypto';
import { setInterval as every } from 'node:timers/promises';
import type { Json } from '@corral/protocol/json';
import { pause, type SoakHost } from './host.ts';

const SERVICES = 5;
const ASK_MS = 8_000;
/** A person decides within this time; beyond it, nobody did. */
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
/** A submission that takes longer than this is one too many: the host is too slow for the rate, and others wait. */
const UNANSWERED_MOST = 200;

export type Kind = (typeof MIX)[number][0] | 'asker';
export type Wanted = 'approve' | 'deny' | 'expire';

/** Work that the host has accepted. */
export interface Job {
  readonly kind: Kind;
  readonly run: string;
  /** Of an asker: what the person is to say. */
  readonly want?: Wanted;
}

export class Work {
  readonly jobs: Job[] = [];
  /** By key of the service: how many messages were accepted, and the sum of what was in them. */
  readonly sent = new Map<string, { times: number; sum: number }>();
  /** Refusals that another attempt would not change. */
  readonly refused: string[] = [];
  /** Work that was held back since too much was unanswered. */
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

  /** Submits so much a second until it is told to stop. */
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

  /** Nothing is submitted for a while. */
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
    // One key for all attempts, so that an answer that a kill has cut off does not make a second run.
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
