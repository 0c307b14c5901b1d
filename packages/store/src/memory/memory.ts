/**
 * `MemoryStore` on SQLite: `memory.db` in the data folder, on a thread of its own, which is started when something is asked of it. It is apart
 * from the store of runs, because values and their index must not delay the commits of journals, and need not be part of them: a write and the
 * call that it belongs to are one transaction here, so a call that is made again after a crash is done once. A folder has one host at a time,
 * and the lock of the store of runs says which.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { CorralError } from '@corral/protocol/errors';
import type { MemoryStore } from '@corral/protocol/ports/memory';
import { Rota } from '@corral/protocol/rota';
import type { KeySource } from '../core/keys.ts';
import { ThreadCalls } from '../thread-calls.ts';
import type { MemoryThreadData, Served } from './thread.ts';

type Op = keyof Served | 'truncate';

/** Requests that the thread has at a time, which share a sync, and those of one tenant among them. The others wait, and tenants take turns. */
const UNDER_WAY = 32;
const OF_ONE = 16;
/** The turns of requests that are of no tenant: those of operators, whom no tenant's own requests hold up, and upkeep. */
const OF_HOST = '';
/** How long a removal waits for a backup that reads from the write-ahead log, and how often it looks. */
const LOG_MS = 10_000;
const LOOK_MS = 100;

class MemoryThread extends ThreadCalls {
  constructor(data: MemoryThreadData, gone: () => void) {
    super(new URL('./start.ts', import.meta.url), 'corral-memory', data, { gone });
  }

  call(op: Op | 'close', ...args: readonly unknown[]): Promise<never> {
    return this.request(op, args);
  }
}

export class SqliteMemory implements MemoryStore {
  readonly #data: MemoryThreadData;
  #thread: Promise<MemoryThread> | undefined;
  #closing: Promise<void> | undefined;
  readonly #waiting = new Rota<() => void>();
  /** Number of requests of each tenant that the thread has. */
  readonly #under = new Map<string, number>();
  #sum = 0;

  /** @param folder the data folder, which the store of runs has already opened and locked, so that its keys are there */
  constructor(folder: string, keys: KeySource) {
    this.#data = { folder, keys };
  }

  get: MemoryStore['get'] = (space, ...of) => this.#ask(space.tenant, 'get', space, ...of);
  put: MemoryStore['put'] = (space, ...of) => this.#ask(space.tenant, 'put', space, ...of);
  remove: MemoryStore['remove'] = (space, ...of) => this.#ask(space.tenant, 'remove', space, ...of);
  recall: MemoryStore['recall'] = (space, ...of) => this.#ask(space.tenant, 'recall', space, ...of);
  spaces: MemoryStore['spaces'] = (...of) => this.#ask(OF_HOST, 'spaces', ...of);
  space: MemoryStore['space'] = (...of) => this.#ask(OF_HOST, 'space', ...of);
  entries: MemoryStore['entries'] = (...of) => this.#ask(OF_HOST, 'entries', ...of);
  read: MemoryStore['read'] = (...of) => this.#ask(OF_HOST, 'read', ...of);
  sweep: MemoryStore['sweep'] = () => this.#ask(OF_HOST, 'sweep');
  callers: MemoryStore['callers'] = (...of) => this.#ask(OF_HOST, 'callers', ...of);
  settled: MemoryStore['settled'] = (...of) => this.#ask(OF_HOST, 'settled', ...of);

  list: MemoryStore['list'] = async (space, caller, wanted) => {
    for (let behind = wanted.after; ;) {
      const { behind: more, ...page } = await this.#ask<ReturnType<Served['list']>>(space.tenant, 'list', space, caller, {
        ...wanted,
        after: behind,
      });
      if (more === undefined) return page;
      behind = more;
    }
  };

  drop: MemoryStore['drop'] = async (removal, dryRun, names) => {
    let [entries, bytes] = [0, 0];
    try {
      let step: ReturnType<Served['drop']> | undefined;
      do {
        step = await this.#ask<ReturnType<Served['drop']>>(OF_HOST, 'drop', removal, dryRun, names, step?.next);
        entries += step.entries;
        bytes += step.bytes;
      } while (step.next !== undefined);
      if (!dryRun) await this.#truncated();
      return { entries, bytes };
    } catch (error) {
      if (dryRun || !(error instanceof CorralError)) throw error;
      return { entries, bytes, stopped: error };
    }
  };

  close(): Promise<void> {
    if (this.#closing === undefined) for (const go of this.#waiting.splice()) go();
    this.#closing ??= (async () => {
      const thread = await this.#thread?.catch(() => undefined);
      // A thread that is gone is closed.
      await thread?.call('close').catch(() => undefined);
    })();
    return this.#closing;
  }

  /** @throws CORRAL_MEMORY_UNAVAILABLE if a connection reads from the log for all that time */
  async #truncated(): Promise<void> {
    for (const end = performance.now() + LOG_MS; performance.now() < end; await sleep(LOOK_MS))
      if (await this.#ask<boolean>(OF_HOST, 'truncate')) return;
    throw new CorralError('CORRAL_MEMORY_UNAVAILABLE', 'memory.db-wal still has what was removed, since a backup reads from it.');
  }

  #ask<T = never>(tenant: string, op: Op, ...args: readonly unknown[]): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#waiting.push(tenant, () => {
      this.#count(tenant, 1);
      const answer = this.#started().then((thread) => thread.call(op, ...args));
      answer.then(resolve, reject).finally(() => {
        this.#count(tenant, -1);
        this.#serve();
      });
    });
    this.#serve();
    return promise;
  }

  #serve(): void {
    while (this.#sum < UNDER_WAY) {
      const taken = this.#waiting.next((tenant) => (this.#under.get(tenant) ?? 0) < OF_ONE);
      if (taken === undefined) return;
      taken.item();
    }
  }

  #count(tenant: string, by: 1 | -1): void {
    this.#sum += by;
    const under = (this.#under.get(tenant) ?? 0) + by;
    if (under === 0) this.#under.delete(tenant);
    else this.#under.set(tenant, under);
  }

  /** @throws CORRAL_MEMORY_UNAVAILABLE after `close`, and what the thread could not be started for */
  #started(): Promise<MemoryThread> {
    if (this.#closing !== undefined) return Promise.reject(new CorralError('CORRAL_MEMORY_UNAVAILABLE', 'This host stops.'));
    if (this.#thread !== undefined) return this.#thread;
    const { promise: starting, resolve, reject } = Promise.withResolvers<MemoryThread>();
    // The next request starts another one.
    const gone = () => {
      if (this.#thread === starting) this.#thread = undefined;
    };
    const thread = new MemoryThread(this.#data, gone);
    thread.ready().then(() => resolve(thread), reject);
    starting.catch(gone);
    this.#thread = starting;
    return starting;
  }
}
