/**
 * Delivers events to webhooks, at least once: queued with the event, retried until a 2xx or until the time is up, with growing
 * pauses. Each receiver has its own queue and pauses, so one that hangs or fails delays no other; within one, tenants take turns.
 * Signed as Standard Webhooks says (standardwebhooks.com, 1.0.0): HMAC-SHA256 over `id.timestamp.body`.
 */
import { createHmac } from 'node:crypto';
import type { EventKind } from '@corral/protocol/api/event-kinds';
import type { Event } from '@corral/protocol/api/schemas';
import type { Json } from '@corral/protocol/json';
import { WEBHOOKS } from '@corral/protocol/limits';
import type { Asked } from '@corral/supervisor';
import type { LoadedConfig } from '../../config/load.ts';
import type { DeliveryTable, FrontStore, Queued } from '@corral/protocol/ports/front';
import { failureOf, type Failure } from './failure.ts';
import { keyOf, nameOf, placeOf, receiverOf, receiversOf, type Webhook } from './hooks.ts';
import { withLink, withPlace, type Linked } from './approval-links.ts';
import { linkTo } from './links.ts';
import { noticeOf } from './notice.ts';
import { slackMessage } from './slack.ts';

const FIRST_PAUSE_MS = 1_000;
const SWEEP_MS = 60_000;
const DAY_MS = 86_400_000;

/** Sends an event about deliveries that were given up, to followers and to the receivers that ask for it. */
export type TellWebhookEvent = (kind: EventKind, about: { readonly tenant?: string; readonly data: Json }) => Event;

export interface OutboxOptions {
  readonly db: FrontStore;
  readonly config: () => LoadedConfig;
  readonly now: () => number;
  /** Origin at which people open this host, for links; undefined if it is not known. */
  readonly base: () => string | undefined;
  readonly log: (message: string) => void;
  readonly tell: TellWebhookEvent;
}

/** State of a receiver since the start. */
interface Receiver {
  /** Notifications being delivered. */
  readonly underway: Set<number>;
  /** Consecutive failed attempts. */
  failures: number;
  /** No attempt is made before this time. */
  rests_until: number;
  /** Tenant of the notification that was taken last. */
  last: string | null | undefined;
  timer: NodeJS.Timeout | undefined;
}

export class Outbox {
  readonly deliveries: DeliveryTable;
  readonly #options: OutboxOptions;
  readonly #receivers = new Map<string, Receiver>();
  #sweeping: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.deliveries = options.db.deliveries;
  }

  /** Resumes the queues of the previous start. */
  start(): void {
    for (const one of this.#webhooks)
      if (one.id !== undefined && one.tenant !== undefined) this.deliveries.adopt(one.id, one.tenant, keyOf(one));
    this.deliveries.address((event) => receiversOf(this.#webhooks, event).map((one) => ({ hook: keyOf(one), url: placeOf(one) })));
    this.#sweep();
  }

  /** @param asked for `run.asked`: what a person needs to decide */
  readonly add = (event: Event, asked?: Asked): void => {
    const hooks = receiversOf(this.#webhooks, event);
    if (hooks.length === 0) return;
    // An event that is sent again after a crash has the same id, so that the receiver can recognise it.
    const id = `msg_${event.kind}_${event.run ?? event.id}${event.kind === 'run.ended' ? '' : `_${event.id}`}`;
    for (const hook of hooks) {
      const told = bodyFor(hook, event, asked, this.#options.base());
      const linked = this.#linked(hook, event, asked);
      const body = linked === undefined ? told : withPlace(told, linked);
      this.deliveries.enqueue({ id, hook: keyOf(hook), url: placeOf(hook), tenant: event.tenant, kind: event.kind, body, at: event.at });
      this.#wake(keyOf(hook), 0);
    }
  };

  /** The call that a link in this notification would be for; undefined: it has none. */
  #linked(hook: Webhook, { kind, run, data, at }: Event, asked: Asked | undefined): Linked | undefined {
    const { links } = this.#options.config().config.approvals ?? {};
    if (kind !== 'run.asked' || run === null || asked === undefined || asked.is_question || links === undefined) return undefined;
    const { call } = data as { readonly call: number };
    return { run, call, version: asked.version, hook: keyOf(hook), until: Math.min(at + links.minutes * 60_000, asked.expires_at) };
  }

  /** A configuration was applied: receivers may have been added or removed, or have other secrets. */
  readonly reconfigured = (): void => this.#sweep();

  /** Consecutive failures of a receiver, and until when it is left alone. */
  stateOf(hook: string): { readonly failures: number; readonly rests_until: number | undefined } {
    const known = this.#receivers.get(hook);
    if (known === undefined || known.failures === 0) return { failures: 0, rests_until: undefined };
    return { failures: known.failures, rests_until: known.rests_until };
  }

  /** Tries a receiver now, even within its pause. */
  tryNow(hook: string): void {
    this.#receiver(hook).rests_until = 0;
    this.#wake(hook, 0);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#sweeping);
    for (const { timer } of this.#receivers.values()) clearTimeout(timer);
  }

  get #webhooks(): readonly Webhook[] {
    return this.#options.config().config.webhooks;
  }

  #receiver(hook: string): Receiver {
    let known = this.#receivers.get(hook);
    if (known === undefined)
      this.#receivers.set(hook, (known = { underway: new Set(), failures: 0, rests_until: 0, last: undefined, timer: undefined }));
    return known;
  }

  #wake(hook: string, ms: number): void {
    if (this.#closed) return;
    const receiver = this.#receiver(hook);
    clearTimeout(receiver.timer);
    receiver.timer = setTimeout(() => this.#work(hook, receiver), ms).unref();
  }

  /** Starts deliveries to a receiver: several at a time while it answers, one at a time while it fails. */
  #work(hook: string, receiver: Receiver): void {
    const { now, config } = this.#options;
    const at = now();
    if (receiver.rests_until > at) return this.#wake(hook, receiver.rests_until - at);
    const most = receiver.failures > 0 ? 1 : WEBHOOKS.deliveries_at_once.default;
    while (receiver.underway.size < most) {
      const row = this.deliveries.next(hook, at, receiver.underway, receiver.last);
      if (row === undefined) break;
      receiver.last = row.tenant;
      receiver.underway.add(row.n);
      void this.#deliver(row, receiver, config());
    }
    // Each delivery that ends calls this again.
    if (receiver.underway.size > 0) return;
    const next = this.deliveries.nextDue(hook);
    if (next !== undefined) this.#wake(hook, Math.max(0, Math.min(next - at, SWEEP_MS)));
  }

  async #deliver(row: Queued, receiver: Receiver, loaded: LoadedConfig): Promise<void> {
    const hook = receiverOf(loaded.config.webhooks, row);
    const failure = hook === undefined ? { told: 'the configuration names no such webhook' } : await this.#post(row, hook, loaded);
    receiver.underway.delete(row.n);
    if (this.#closed) return;
    const { now, log } = this.#options;
    const at = now();
    if (failure === undefined) {
      if (receiver.failures > 0) log(`Webhook ${nameOf(row.hook)} answers again, after ${receiver.failures} attempts that failed.`);
      receiver.failures = 0;
      this.deliveries.delivered(row, at);
    } else {
      const { told, why = told } = failure;
      if (receiver.failures === 0) log(`Webhook ${nameOf(row.hook)} fails: ${why}`);
      receiver.failures += 1;
      receiver.rests_until = at + pause(receiver.failures - 1, WEBHOOKS.receiver_rest_ms.default);
      this.deliveries.failed(row, at, at + pause(row.attempts, WEBHOOKS.retry_pause_ms.default), told);
    }
    this.#work(row.hook, receiver);
  }

  /** @returns why it was not delivered; undefined if it was */
  async #post({ id, body: queued, kind }: Queued, hook: Webhook, { vault, config }: LoadedConfig): Promise<Failure | undefined> {
    const answer_ms = WEBHOOKS.answer_ms.default;
    try {
      const secret = await vault.read(hook.secret);
      const body = kind === 'run.asked' ? withLink(queued, config.approvals?.links === undefined ? undefined : secret) : queued;
      const timestamp = Math.floor(this.#options.now() / 1000);
      const signed = {
        'webhook-id': id,
        'webhook-timestamp': String(timestamp),
        'webhook-signature': sign(secret, id, timestamp, body),
      };
      const url = hook.url ?? secret;
      // The error of `fetch` about an address that it cannot read has the address in it.
      if (!/^https?:$/.test(URL.parse(url)?.protocol ?? '')) return { told: `the secret ${hook.secret} is not an address` };
      const headers = { 'content-type': 'application/json', ...(hook.url === undefined ? {} : signed) };
      const answer = await fetch(url, { method: 'POST', headers, body, redirect: 'manual', signal: AbortSignal.timeout(answer_ms) });
      await answer.body?.cancel();
      return answer.ok ? undefined : { told: `it answered ${answer.status}` };
    } catch (error) {
      return failureOf(error, answer_ms);
    }
  }

  /** Gives up what was tried for too long or has no receiver any more, deletes old records, and wakes every queue. */
  #sweep(): void {
    if (this.#closed) return;
    clearTimeout(this.#sweeping);
    this.#sweeping = setTimeout(() => this.#sweep(), SWEEP_MS).unref();
    const { now, config } = this.#options;
    const at = now();
    const keep_ms = config().config.retention.notifications_days * DAY_MS;
    this.#giveUp(this.deliveries.expire(at - keep_ms, at), 'its time was up');
    for (const queue of this.deliveries.queues()) {
      const heir = receiverOf(this.#webhooks, queue);
      if (heir === undefined) this.#giveUp(this.deliveries.abandon(queue, at), 'the configuration names no such webhook any more');
      else if (keyOf(heir) !== queue.hook) this.deliveries.hand(queue, keyOf(heir));
    }
    this.deliveries.forget(at - keep_ms, WEBHOOKS.delivered_kept.default);
    for (const { hook } of this.deliveries.queues()) this.#wake(hook, 0);
  }

  #giveUp(
    given: readonly { readonly hook: string; readonly url: string; readonly tenant: string | null; readonly count: number }[],
    why: string,
  ) {
    const { log, tell } = this.#options;
    for (const { hook, tenant, count } of given) {
      const name = nameOf(hook);
      log(`${count} notifications for webhook ${name} were given up: ${why}.`);
      const event = tell('webhook.given_up', { ...(tenant === null ? {} : { tenant }), data: { hook: name, count, why } });
      this.add(event);
    }
  }
}

/** The text that a receiver gets about an event. */
function bodyFor({ format, texts }: Webhook, event: Event, asked: Asked | undefined, base: string | undefined): string {
  const link = base === undefined ? undefined : linkTo(base, event, asked?.is_question === true);
  if (format === 'slack') return JSON.stringify(slackMessage(noticeOf(event, asked, texts), link, event.at));
  const { question, ...decision } = asked ?? {};
  return JSON.stringify({
    type: event.kind,
    timestamp: new Date(event.at).toISOString(),
    data: event,
    ...(asked === undefined ? {} : { decision: texts && question !== undefined ? { question, ...decision } : decision }),
    ...(link === undefined ? {} : { link }),
  });
}

const pause = (times: number, most_ms: number) => Math.min(most_ms, FIRST_PAUSE_MS * 2 ** Math.min(times, 20));

/** A `whsec_` secret is base64 of the key; any other is the key itself. */
export function sign(secret: string, id: string, timestamp_s: number, body: string): string {
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice('whsec_'.length), 'base64') : Buffer.from(secret);
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp_s}.${body}`).digest('base64')}`;
}
