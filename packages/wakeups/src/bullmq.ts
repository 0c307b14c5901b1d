/**
 * Wake-ups by BullMQ on Redis or Valkey, for hosts that share their runs. A hint is a job without any content but the run's id, at most
 * one active and one waiting a run. Nothing here is the truth: Redis may be flushed, be away or be full at any moment, and whatever is
 * lost with it is found by the sweep.
 */
import { Queue, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { CorralError } from '@corral/protocol/errors';
import { RunId } from '@corral/protocol/ids';
import { WAKE_UPS } from '@corral/protocol/limits';
import type { Clock, WakeUps, WakeUpTrouble } from '@corral/protocol/ports/machine';
import { Address, connect, look, PREFIX, troubleOf } from './redis.ts';

export interface BullWakeUpsOptions {
  /** `redis://host:6379`, or with TLS `rediss://user:password@host:6379/0`. */
  readonly redis: string;
  /** Prefix of all keys. Hosts that share their runs must have the same one. */
  readonly prefix?: string;
  readonly clock: Clock;
  /** Hints are lost from now on for this reason, or are not any more. */
  readonly onTrouble?: (trouble: WakeUpTrouble | undefined) => void;
}

const QUEUE = 'wake-ups';
const DONE = { removeOnComplete: true, removeOnFail: true, attempts: 1 } as const;
/** Locks of hints that a dead host had taken are over after this. */
const LOCK_MS = 10_000;
/** How long the worker waits after an error before it asks for hints again. */
const RETRY_MS = 1_000;
/** Errors of Redis when this user may not take hints, or nothing can be written. */
const REFUSALS = /^(?:NOPERM|NOAUTH|WRONGPASS|OOM|MISCONF|READONLY) /;
/** Events that BullMQ keeps; nobody reads them. */
const EVENTS = 100;

export class BullWakeUps implements WakeUps {
  readonly #options: BullWakeUpsOptions;
  readonly #address: Address;
  readonly #prefix: string;
  readonly #giving: Redis;
  readonly #queue: Queue;
  #taking: Redis | undefined;
  #worker: Worker | undefined;
  #underway = 0;
  #trouble: WakeUpTrouble | undefined;
  /** Why no hints can be taken, where Redis has said so; undefined once one was. */
  #untaken: CorralError | undefined;
  #looking: (() => void) | undefined;
  #closed = false;

  /** Connects by itself, and again whenever the connection is lost. @throws CORRAL_CONFIG_INVALID for an address that is none */
  constructor(options: BullWakeUpsOptions) {
    this.#options = options;
    this.#address = new Address(options.redis);
    this.#prefix = options.prefix ?? PREFIX;
    this.#giving = connect(this.#address, true);
    this.#giving.on('error', (error) => this.#fails(error));
    // The error that closed the connection was usually told before.
    this.#giving.on('close', () => this.#trouble === undefined && this.#fails(new Error('the connection is closed')));
    this.#giving.on('ready', () => void this.#look());
    this.#queue = new Queue(QUEUE, {
      connection: this.#giving,
      prefix: this.#prefix,
      skipVersionCheck: true,
      skipMetasUpdate: true,
      streams: { events: { maxLen: EVENTS } },
    });
    // Told by the connection already.
    this.#queue.on('error', () => undefined);
    this.#lookLater();
  }

  get trouble(): WakeUpTrouble | undefined {
    return this.#trouble;
  }

  wake(run: RunId, at?: number): void {
    if (this.#closed || this.#giving.status !== 'ready' || this.#underway >= WAKE_UPS.underway.default) return;
    const delay = at === undefined ? 0 : Math.ceil(at - this.#options.clock.now());
    if (delay > WAKE_UPS.ahead_ms.default) return;
    this.#underway += 1;
    // A hint for later has an id of its own: with that of the run, it would swallow those for now until it is due.
    const how =
      delay > 0
        ? { ...DONE, delay, deduplication: { id: `${run}@later`, replace: true } }
        : { ...DONE, deduplication: { id: run, keepLastIfActive: true } };
    this.#queue
      .add('wake', { run }, how)
      .catch((error: unknown) => this.#fails(error))
      .finally(() => (this.#underway -= 1));
  }

  subscribe(handler: (run: RunId) => void | Promise<unknown>): void {
    if (this.#closed || this.#worker !== undefined) return;
    this.#taking = connect(this.#address, false);
    // Told by the connection that gives.
    this.#taking.on('error', () => undefined);
    this.#worker = new Worker(
      QUEUE,
      async ({ data }) => {
        this.#untaken = undefined;
        const run = RunId.safeParse((data as { run?: unknown } | undefined)?.run);
        if (run.success && !this.#closed) await handler(run.data);
      },
      {
        connection: this.#taking,
        prefix: this.#prefix,
        concurrency: WAKE_UPS.at_once.default,
        lockDuration: LOCK_MS,
        stalledInterval: LOCK_MS / 2,
        runRetryDelay: RETRY_MS,
      },
    );
    this.#worker.on('error', (error) => {
      // The rest is told by the connection that gives, or is of no account: a lock that went with a flush.
      if (!REFUSALS.test(error.message)) return;
      this.#untaken = troubleOf(this.#address, error);
      this.#tell(this.#untaken);
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#looking?.();
    const { clock } = this.#options;
    let enough: (() => void) | undefined;
    const late = new Promise<void>((resolve) => (enough = clock.after(WAKE_UPS.close_ms.default, resolve)));
    // Hints under way may be lost; without a bound, a Redis that is away would keep this waiting for ever.
    const ended = Promise.all([this.#worker?.close(), this.#queue.close()]).catch(() => undefined);
    await Promise.race([ended, late]);
    enough?.();
    this.#taking?.disconnect();
    this.#giving.disconnect();
  }

  /** Whether Redis takes hints now, as seen by writing a key and by what it says of itself. */
  async #look(): Promise<void> {
    if (this.#closed) return;
    if (this.#giving.status !== 'ready' && this.#trouble === undefined) return this.#fails(new Error('no connection was made yet'));
    if (this.#giving.status !== 'ready') return;
    try {
      const against = await look(this.#giving, this.#address, this.#prefix);
      this.#tell(this.#untaken ?? against);
    } catch (error) {
      this.#fails(error);
    }
  }

  #lookLater(): void {
    this.#looking = this.#options.clock.after(WAKE_UPS.look_ms.default, () => {
      this.#lookLater();
      void this.#look();
    });
  }

  #fails(error: unknown): void {
    this.#tell(troubleOf(this.#address, error));
  }

  #tell(error: CorralError | undefined): void {
    if (this.#closed) return;
    const last = this.#trouble;
    if (error === undefined && last === undefined) return;
    // One outage has many messages, of which the first is mostly the one that says something.
    if (error !== undefined && last?.error.code === error.code) return;
    this.#trouble = error && { error, since: this.#options.clock.now() };
    this.#options.onTrouble?.(this.#trouble);
  }
}
