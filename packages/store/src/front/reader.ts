/** `FrontReads` on SQLite: a thread with a connection of its own, which is started when the first list is asked for. */
import type { ActsWanted, DeliveriesWanted, FrontReads, QueueWanted, RunPageWanted, SpansWanted } from '@corral/protocol/ports/front-reads';
import type { DecidedPageWanted, DecidedWanted } from '@corral/protocol/ports/approvals';
import { CorralError } from '@corral/protocol/errors';
import { ThreadCalls } from '../thread-calls.ts';
import type { Reads } from './reads.ts';

class ReadingThread extends ThreadCalls {
  constructor(folder: string, gone: () => void) {
    super(new URL('./start.ts', import.meta.url), 'corral-front-read', { folder }, { gone });
  }

  call(op: keyof Reads | 'close', ...args: readonly unknown[]): Promise<never> {
    return this.request(op, args);
  }
}

export class FrontReader implements FrontReads {
  readonly #folder: string;
  #thread: Promise<ReadingThread> | undefined;
  #closing: Promise<void> | undefined;

  /** @param folder the data folder, whose `front.db` was opened for writing before */
  constructor(folder: string) {
    this.#folder = folder;
  }

  async runs(wanted: RunPageWanted): ReturnType<FrontReads['runs']> {
    return (await this.#started()).call('runs', wanted);
  }

  async family(runs: readonly string[]): ReturnType<FrontReads['family']> {
    return (await this.#started()).call('family', runs);
  }

  async states(tenant: string | undefined): ReturnType<FrontReads['states']> {
    return (await this.#started()).call('states', tenant);
  }

  async spans(wanted: SpansWanted): ReturnType<FrontReads['spans']> {
    return (await this.#started()).call('spans', wanted);
  }

  async queue(wanted: QueueWanted): ReturnType<FrontReads['queue']> {
    return (await this.#started()).call('queue', wanted);
  }

  async oldestQueued(tenant: string | undefined): ReturnType<FrontReads['oldestQueued']> {
    return (await this.#started()).call('oldestQueued', tenant);
  }

  async notifications(): ReturnType<FrontReads['notifications']> {
    return (await this.#started()).call('notifications');
  }

  async deliveries(wanted: DeliveriesWanted): ReturnType<FrontReads['deliveries']> {
    return (await this.#started()).call('deliveries', wanted);
  }

  async hooks(keys: readonly string[]): ReturnType<FrontReads['hooks']> {
    return (await this.#started()).call('hooks', keys);
  }

  async acts(wanted: ActsWanted): ReturnType<FrontReads['acts']> {
    return (await this.#started()).call('acts', wanted);
  }

  async decided(wanted: DecidedPageWanted): ReturnType<FrontReads['decided']> {
    return (await this.#started()).call('decided', wanted);
  }

  async decidedCounts(wanted: DecidedWanted): ReturnType<FrontReads['decidedCounts']> {
    return (await this.#started()).call('decidedCounts', wanted);
  }

  async holdings(tool: string, runs: readonly string[]): ReturnType<FrontReads['holdings']> {
    return (await this.#started()).call('holdings', tool, runs);
  }

  async toolVersions(tenant: string, tool: string, requests: readonly string[]): ReturnType<FrontReads['toolVersions']> {
    return (await this.#started()).call('toolVersions', tenant, tool, requests);
  }

  async lateCalls(tenant: string, tool: string): ReturnType<FrontReads['lateCalls']> {
    return (await this.#started()).call('lateCalls', tenant, tool);
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      const thread = await this.#thread?.catch(() => undefined);
      // A thread that is gone is closed.
      await thread?.call('close').catch(() => undefined);
    })();
    return this.#closing;
  }

  /** @throws CORRAL_STOPPING after `close`, and what the thread could not be started for */
  #started(): Promise<ReadingThread> {
    if (this.#closing !== undefined) return Promise.reject(new CorralError('CORRAL_STOPPING', 'The store is closed.'));
    if (this.#thread !== undefined) return this.#thread;
    const { promise: starting, resolve, reject } = Promise.withResolvers<ReadingThread>();
    // The next request starts another one.
    const gone = () => {
      if (this.#thread === starting) this.#thread = undefined;
    };
    const thread = new ReadingThread(this.#folder, gone);
    thread.ready().then(() => resolve(thread), reject);
    starting.catch(gone);
    this.#thread = starting;
    return starting;
  }
}
