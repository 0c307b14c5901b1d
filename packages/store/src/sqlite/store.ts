/** The embedded store: SQLite in a data folder, written and read on threads of its own. */
import { Worker } from 'node:worker_threads';
import { CorralError } from '@corral/protocol/errors';
import type { Grant } from '@corral/protocol/grant';
import type { Digest, RunId } from '@corral/protocol/ids';
import type { AgentVersion } from '@corral/protocol/manifest';
import type { RunRecord } from '@corral/protocol/run';
import type { Commit, CommitResult, RunFilter, Store, StoredRun } from '@corral/protocol/store';
import type { Answer, Request, ThreadData } from './thread.ts';
import type { SqliteCore } from './core.ts';

/** One of the store's threads, as a function call that takes a while. */
class Thread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, { resolve: (value: never) => void; reject: (error: CorralError) => void }>();
  #lastId = 0;
  #gone: CorralError | undefined;

  constructor(data: ThreadData) {
    this.#worker = new Worker(new URL('./thread.ts', import.meta.url), { workerData: data, name: `corral-store-${data.mode}` });
    this.#worker.on('message', (answers: readonly Answer[]) => {
      for (const answer of answers) {
        const waiter = this.#waiting.get(answer.id);
        this.#waiting.delete(answer.id);
        if ('error' in answer) waiter?.reject(CorralError.from(answer.error));
        else waiter?.resolve(answer.value as never);
      }
    });
    this.#worker.on('error', (error) =>
      this.#fail(
        new CorralError('CORRAL_INTERNAL', `A thread of the store failed: ${error instanceof Error ? error.message : String(error)}`, {
          cause: error,
        }),
      ),
    );
    this.#worker.on('exit', () => this.#fail(new CorralError('CORRAL_STOPPING', 'The store is closed.')));
  }

  /** Resolves with the thread's first message: it is ready, or could not be. */
  ready<T>(): Promise<T> {
    return new Promise((resolve, reject) => this.#waiting.set(0, { resolve, reject }));
  }

  call<Op extends keyof SqliteCore | 'close'>(op: Op, ...args: readonly unknown[]): Promise<never> {
    if (this.#gone !== undefined) return Promise.reject(this.#gone);
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, op, args } satisfies Request);
    });
  }

  #fail(error: CorralError): void {
    this.#gone ??= error;
    for (const waiter of this.#waiting.values()) waiter.reject(this.#gone);
    this.#waiting.clear();
  }
}

export class SqliteStore implements Store {
  readonly era: number;
  readonly #writer: Thread;
  readonly #reader: Thread;

  private constructor(era: number, writer: Thread, reader: Thread) {
    this.era = era;
    this.#writer = writer;
    this.#reader = reader;
  }

  /**
   * Opens the data folder, making it where there is none.
   * @throws CORRAL_DATA_LOCKED, CORRAL_DATA_UNUSABLE, CORRAL_DATA_CORRUPT, CORRAL_DATA_VERSION, CORRAL_DISK_FULL
   */
  static async open(folder: string): Promise<SqliteStore> {
    const writer = new Thread({ folder, mode: 'write' });
    const era = await writer.ready<number>();
    const reader = new Thread({ folder, mode: 'read' });
    await reader.ready();
    return new SqliteStore(era, writer, reader);
  }

  deploy(bundle: { digest: Digest; source: string; source_map: string | undefined }, versions: readonly AgentVersion[]): Promise<void> {
    return this.#writer.call('deploy', bundle, versions);
  }
  admit(record: RunRecord, grants: readonly Grant[], claim: boolean): Promise<void> {
    return this.#writer.call('admit', record, grants, claim);
  }
  claim(run: RunId): Promise<StoredRun | undefined> {
    return this.#writer.call('claim', run);
  }
  commit(commit: Commit): Promise<CommitResult> {
    return this.#writer.call('commit', commit);
  }
  version(version: Digest): Promise<AgentVersion | undefined> {
    return this.#reader.call('version', version);
  }
  agents(bundle: Digest): Promise<readonly AgentVersion[]> {
    return this.#reader.call('agents', bundle);
  }
  bundle(digest: Digest): Promise<string | undefined> {
    return this.#reader.call('bundle', digest);
  }
  run(run: RunId): Promise<StoredRun | undefined> {
    return this.#reader.call('run', run);
  }
  runs(filter: RunFilter): Promise<readonly StoredRun[]> {
    return this.#reader.call('runs', filter);
  }
  journal(run: RunId, after?: number, limit?: number): ReturnType<Store['journal']> {
    return this.#reader.call('journal', run, after, limit);
  }
  inbox(run: RunId): ReturnType<Store['inbox']> {
    return this.#reader.call('inbox', run);
  }
  grants(run: RunId): ReturnType<Store['grants']> {
    return this.#reader.call('grants', run);
  }
  async close(): Promise<void> {
    await this.#reader.call('close');
    await this.#writer.call('close');
  }
}
