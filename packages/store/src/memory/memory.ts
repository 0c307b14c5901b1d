/**
 * `MemoryStore` on SQLite: `memory.db` in the data folder, on a thread of its own, which is started when something is asked of it. It is apart
 * from the store of runs, because values and their index must not delay the commits of journals, and need not be part of them: a write and the
 * call that it belongs to are one transaction here, so a call that is made again after a crash is done once. A folder has one host at a time,
 * and the lock of the store of runs says which.
 */
import { CorralError } from '@corral/protocol/errors';
import type { MemoryStore } from '@corral/protocol/ports/memory';
import type { KeySource } from '../core/keys.ts';
import { ThreadCalls } from '../thread-calls.ts';
import type { MemoryThreadData, Served } from './thread.ts';

class MemoryThread extends ThreadCalls {
  constructor(data: MemoryThreadData, gone: () => void) {
    super(new URL('./start.ts', import.meta.url), 'corral-memory', data, { gone });
  }

  call(op: keyof Served | 'close', ...args: readonly unknown[]): Promise<never> {
    return this.request(op, args);
  }
}

export class SqliteMemory implements MemoryStore {
  readonly #data: MemoryThreadData;
  #thread: Promise<MemoryThread> | undefined;
  #closing: Promise<void> | undefined;

  /** @param folder the data folder, which the store of runs has already opened and locked, so that its keys are there */
  constructor(folder: string, keys: KeySource) {
    this.#data = { folder, keys };
  }

  get: MemoryStore['get'] = (...of) => this.#ask('get', ...of);
  put: MemoryStore['put'] = (...of) => this.#ask('put', ...of);
  remove: MemoryStore['remove'] = (...of) => this.#ask('remove', ...of);
  list: MemoryStore['list'] = (...of) => this.#ask('list', ...of);
  recall: MemoryStore['recall'] = (...of) => this.#ask('recall', ...of);
  spaces: MemoryStore['spaces'] = (...of) => this.#ask('spaces', ...of);
  space: MemoryStore['space'] = (...of) => this.#ask('space', ...of);
  entries: MemoryStore['entries'] = (...of) => this.#ask('entries', ...of);
  read: MemoryStore['read'] = (...of) => this.#ask('read', ...of);
  drop: MemoryStore['drop'] = (...of) => this.#ask('drop', ...of);
  sweep: MemoryStore['sweep'] = () => this.#ask('sweep');
  callers: MemoryStore['callers'] = (...of) => this.#ask('callers', ...of);
  settled: MemoryStore['settled'] = (...of) => this.#ask('settled', ...of);

  close(): Promise<void> {
    this.#closing ??= (async () => {
      const thread = await this.#thread?.catch(() => undefined);
      // A thread that is gone is closed.
      await thread?.call('close').catch(() => undefined);
    })();
    return this.#closing;
  }

  async #ask(op: keyof Served, ...args: readonly unknown[]): Promise<never> {
    return (await this.#started()).call(op, ...args);
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
