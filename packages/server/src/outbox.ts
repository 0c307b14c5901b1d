/**
 * Tells webhooks what happened, at least once: written down with the event, tried until a 2xx or until the time is up, with
 * growing pauses. Signed as Standard Webhooks says (standardwebhooks.com, 1.0.0): HMAC-SHA256 over `id.timestamp.body`.
 */
import { createHmac } from 'node:crypto';
import type { Event } from '@corral/protocol/api/schemas';
import type { LoadedConfig } from './config/load.ts';
import type { FrontStore } from './store/front.ts';

interface Row {
  readonly n: number;
  readonly id: string;
  readonly url: string;
  readonly body: string;
  readonly at: number;
  readonly attempts: number;
}

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 3_600_000;
const ANSWER_MS = 10_000;
const BATCH = 20;
const DAY_MS = 86_400_000;

export class Outbox {
  readonly #db: FrontStore;
  readonly #config: () => LoadedConfig;
  readonly #now: () => number;
  readonly #log: (message: string) => void;
  #timer: NodeJS.Timeout | undefined;
  #busy = false;
  #closed = false;

  constructor(db: FrontStore, config: () => LoadedConfig, now: () => number, log: (message: string) => void) {
    this.#db = db;
    this.#config = config;
    this.#now = now;
    this.#log = log;
    this.#wake(0);
  }

  readonly add = (event: Event): void => {
    const hooks = this.#config().config.webhooks.filter(
      ({ events, tenant }) => events.includes(event.kind) && (tenant === undefined || tenant === event.tenant),
    );
    if (hooks.length === 0) return;
    // The same event told again after a crash keeps its name, so that the receiver can tell.
    const id = `msg_${event.kind}_${event.run ?? event.id}${event.kind === 'run.ended' ? '' : `_${event.id}`}`;
    const body = JSON.stringify({ type: event.kind, timestamp: new Date(event.at).toISOString(), data: event });
    for (const { url } of hooks)
      this.#db.run('INSERT OR IGNORE INTO outbox (id, url, body, at, due) VALUES (?, ?, ?, ?, ?)', id, url, body, event.at, event.at);
    this.#wake(0);
  };

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #wake(ms: number): void {
    if (this.#closed || this.#busy) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#work(), ms).unref();
  }

  async #work(): Promise<void> {
    this.#busy = true;
    try {
      const now = this.#now();
      const keep_ms = this.#config().config.retention.notifications_days * DAY_MS;
      const { changes } = this.#db.run('DELETE FROM outbox WHERE at < ?', now - keep_ms);
      if (changes > 0) this.#log(`${changes} notifications were given up: their webhooks did not answer.`);
      const rows = this.#db.all<Row>('SELECT n, id, url, body, at, attempts FROM outbox WHERE due <= ? ORDER BY due LIMIT ?', now, BATCH);
      await Promise.all(rows.map((row) => this.#deliver(row)));
    } finally {
      this.#busy = false;
    }
    if (this.#closed) return;
    const next = this.#db.get<{ due: number }>('SELECT due FROM outbox ORDER BY due LIMIT 1');
    if (next !== undefined) this.#wake(Math.max(0, Math.min(next.due - this.#now(), 60_000)));
  }

  async #deliver({ n, id, url, body, attempts }: Row): Promise<void> {
    const delivered = await this.#post(id, url, body).catch(() => false);
    if (this.#closed) return;
    if (delivered) {
      this.#db.run('DELETE FROM outbox WHERE n = ?', n);
      return;
    }
    const pause_ms = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(attempts, 20));
    this.#db.run('UPDATE outbox SET attempts = attempts + 1, due = ? WHERE n = ?', this.#now() + pause_ms, n);
  }

  async #post(id: string, url: string, body: string): Promise<boolean> {
    const { config, vault } = this.#config();
    const hook = config.webhooks.find((one) => one.url === url);
    if (hook === undefined) return true; // Nobody wants it any more.
    const timestamp = Math.floor(this.#now() / 1000);
    const headers = {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': String(timestamp),
      'webhook-signature': sign(await vault.read(hook.secret), id, timestamp, body),
    };
    const answer = await fetch(url, { method: 'POST', headers, body, redirect: 'manual', signal: AbortSignal.timeout(ANSWER_MS) });
    await answer.body?.cancel();
    return answer.ok;
  }
}

/** A `whsec_` secret is base64 of the key; any other is the key itself. */
export function sign(secret: string, id: string, timestamp_s: number, body: string): string {
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice('whsec_'.length), 'base64') : Buffer.from(secret);
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp_s}.${body}`).digest('base64')}`;
}
