/** The embedded store: SQLite in a data folder, written and read on threads of its own. */
import { CorralError } from '@corral/protocol/errors';
import { MACHINE } from '@corral/protocol/limits';
import type { Result } from '@corral/protocol/wire/delivery';
import type { Grant } from '@corral/protocol/model/grant';
import type { Digest, GrantId, RunId, TenantId } from '@corral/protocol/ids';
import type { AgentVersion } from '@corral/protocol/model/manifest';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { LogHead, LogVerification } from '@corral/protocol/model/log';
import type { RunRecord } from '@corral/protocol/model/run';
import type { SpendFilter, UsageWanted } from '@corral/protocol/model/spend';
import type { Quarantine } from '@corral/protocol/model/quarantine';
import type { BackupManifest, Collection, Erased, Freed, Verification } from '@corral/protocol/ports/evidence';
import type { Commit, CommitResult, RunFilter, RunRoom, Seen, Serving, Store, StoredRun, Taken } from '@corral/protocol/ports/store';
import { freeReserve } from './room.ts';
import { ThreadCalls } from '../thread-calls.ts';
import type { ThreadData, Told } from './thread.ts';
import type { SqliteCore } from './core.ts';
import type { Collected, Wanted } from './gc.ts';
import type { StoreOptions } from './open.ts';
import type { Verified } from './verify.ts';

export type { KeySource } from '../core/keys.ts';
export type { StoreOptions } from './open.ts';

/** Most commits that wait for company: to take more at once would be a long turn for both threads. */
const COMPANY = 32;
/** Their text, from which on none waits: what waits is in the heap and counted nowhere else. Characters. */
const COMPANY_CHARS = 256 * 1024;

/** One of the store's threads. */
class Thread extends ThreadCalls {
  #gathered: string[] = [];
  #gatheredChars = 0;
  /** Set while what has gathered is sent at the end of this turn. */
  #isSending = false;
  /** Set while it waits for company. */
  #waitingTimer: NodeJS.Timeout | undefined;
  /** Called when the disk is full, or has space again. */
  onFull: (full: boolean) => unknown = () => undefined;

  constructor(data: ThreadData) {
    super(new URL('./start.ts', import.meta.url), `corral-store-${data.mode}`, data, {
      other: (told) => void this.onFull((told as Told).full),
    });
  }

  call<Op extends keyof SqliteCore | 'backup' | 'makeRoom' | 'close'>(op: Op, ...args: readonly unknown[]): Promise<never> {
    return this.request(op, args, (request) => {
      // A commit consists of JSON, and sending it as text takes a sixth of the time of a structured clone.
      if (op === 'keep') this.#gather(JSON.stringify(request), 'turn');
      else if (op === 'commit' && (args[0] as Commit).flush === 'with-next') this.#gather(JSON.stringify(request), 'company');
      else {
        this.#send();
        this.post(op === 'commit' ? JSON.stringify(request) : request);
      }
    });
  }

  /**
   * Nobody waits for these requests, and many are made: they are sent as one message, before the next request. The commits of an agent that
   * only reads would else wake the thread for each call.
   * @param wait for the end of this turn, or for company
   */
  #gather(request: string, wait: 'turn' | 'company'): void {
    const count = this.#gathered.push(request);
    this.#gatheredChars += request.length;
    if (wait === 'company') {
      if (count >= COMPANY || this.#gatheredChars >= COMPANY_CHARS) this.#send();
      else this.#waitingTimer ??= setTimeout(() => this.#send(), MACHINE.with_next_ms.default);
    } else if (!this.#isSending) {
      this.#isSending = true;
      queueMicrotask(() => this.#send());
    }
  }

  #send(): void {
    clearTimeout(this.#waitingTimer);
    this.#waitingTimer = undefined;
    this.#isSending = false;
    if (this.#gathered.length === 0) return;
    this.post(this.#gathered);
    this.#gathered = [];
    this.#gatheredChars = 0;
  }
}

/** The writer of a store that was opened for reading. */
const READ_ONLY: Pick<Thread, 'call'> = {
  call: (op) =>
    op === 'close'
      ? (Promise.resolve() as Promise<never>)
      : Promise.reject(new CorralError('CORRAL_DATA_UNUSABLE', 'The data folder was opened for reading only.')),
};

export class SqliteStore implements Store {
  readonly era: number;
  readonly #writer: Pick<Thread, 'call'>;
  readonly #reader: Thread;
  readonly #folder: string;
  readonly #options: StoreOptions;
  #full = false;
  readonly #listeners: ((full: boolean) => void)[] = [];

  private constructor(folder: string, options: StoreOptions, era: number, writer: Pick<Thread, 'call'>, reader: Thread) {
    this.#folder = folder;
    this.#options = options;
    this.era = era;
    this.#writer = writer;
    this.#reader = reader;
  }

  /** Ordinary work is refused for lack of space, or soon will be; operations that stop runs still work. */
  get full(): boolean {
    return this.#full;
  }

  /** Calls back when that changes. */
  onFull(listener: (full: boolean) => void): void {
    this.#listeners.push(listener);
    if (this.#full) listener(true);
  }

  /** Frees the reserve on the disk for another writer in the same folder. @returns whether there was any */
  makeRoom(): boolean {
    const freed = freeReserve(this.#folder);
    if (freed) this.#writer.call('makeRoom').catch(() => undefined);
    return freed;
  }

  /**
   * Opens the data folder, creating it if it does not exist.
   * @throws CORRAL_DATA_LOCKED, CORRAL_DATA_UNUSABLE, CORRAL_DATA_CORRUPT, CORRAL_DATA_VERSION, CORRAL_DISK_FULL,
   * CORRAL_KEYS_MISSING, CORRAL_KEYS_WRONG
   */
  static async open(folder: string, options: StoreOptions = {}): Promise<SqliteStore> {
    const writer = new Thread({ folder, mode: 'write', options });
    // The writer may report a full disk before it is ready.
    let found = false;
    writer.onFull = (full) => (found = full);
    const era = await writer.ready<number>();
    const reader = new Thread({ folder, mode: 'read', options });
    await reader.ready();
    const store = new SqliteStore(folder, options, era, writer, reader);
    store.#full = found;
    writer.onFull = (full) => {
      store.#full = full;
      for (const listener of store.#listeners) listener(full);
    };
    return store;
  }

  /**
   * Opens a data folder for reading only. It takes no lock: it works while a host runs on the folder, and on a read-only disk.
   * Writes are refused.
   * @throws CORRAL_DATA_UNUSABLE, CORRAL_DATA_CORRUPT, CORRAL_DATA_VERSION, CORRAL_KEYS_MISSING, CORRAL_KEYS_WRONG
   */
  static async read(folder: string, options: StoreOptions = {}): Promise<SqliteStore> {
    const reader = new Thread({ folder, mode: 'read', options });
    await reader.ready();
    return new SqliteStore(folder, options, 0, READ_ONLY, reader);
  }

  deploy(bundle: { digest: Digest; source: string; source_map: string | undefined }, versions: readonly AgentVersion[]): Promise<void> {
    return this.#writer.call('deploy', bundle, versions);
  }
  join(name: string, now: number, lease_ms?: number): Promise<number> {
    return this.#writer.call('join', name, now, lease_ms);
  }
  beat(node: number, now: number): Promise<boolean> {
    return this.#writer.call('beat', node, now);
  }
  leave(node: number, now: number): Promise<void> {
    return this.#writer.call('leave', node, now);
  }
  admit(record: RunRecord, grants: readonly Grant[], node: number | undefined): Promise<void> {
    return this.#writer.call('admit', record, grants, node);
  }
  claim(run: RunId, node: number, now: number, steal?: 'fence'): ReturnType<Store['claim']> {
    return this.#writer.call('claim', run, node, now, steal);
  }
  take(node: number, room: RunRoom, now: number): Promise<Taken> {
    return this.#writer.call('take', node, room, now);
  }
  park(run: RunId, seen: Seen, deadline: number | undefined, ledger?: string, still?: boolean): Promise<boolean> {
    return this.#writer.call('park', run, seen, deadline, ledger, still);
  }
  quarantine(run: RunId, reason: string): Promise<void> {
    return this.#writer.call('quarantine', run, reason);
  }
  revoke(grant: GrantId, by: string, reason: string, at: number): Promise<boolean> {
    return this.#writer.call('revoke', grant, by, reason, at);
  }
  bury(run: RunId, outcome: Outcome, at: number): ReturnType<Store['bury']> {
    return this.#writer.call('bury', run, outcome, at);
  }
  changesSince(version: number | undefined): ReturnType<Store['changesSince']> {
    return this.#reader.call('changesSince', version);
  }
  services(): ReturnType<Store['services']> {
    return this.#reader.call('services');
  }
  serve(serving: Serving): Promise<void> {
    return this.#writer.call('serve', serving);
  }
  instance(id: string): ReturnType<Store['instance']> {
    return this.#reader.call('instance', id);
  }
  seen(limit: number): ReturnType<Store['seen']> {
    return this.#reader.call('seen', limit);
  }
  noteSeen(fact: string, value: number): Promise<void> {
    return this.#writer.call('noteSeen', fact, value);
  }
  quarantines(): ReturnType<Store['quarantines']> {
    return this.#reader.call('quarantines');
  }
  putQuarantine(quarantine: Quarantine): Promise<void> {
    return this.#writer.call('putQuarantine', quarantine);
  }
  liftQuarantine(...of: Parameters<Store['liftQuarantine']>): Promise<void> {
    return this.#writer.call('liftQuarantine', ...of);
  }
  commit(commit: Commit): Promise<CommitResult> {
    return this.#writer.call('commit', commit);
  }
  keep(run: RunId, epoch: number, results: readonly Result[]): Promise<void> {
    return this.#writer.call('keep', run, epoch, results);
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
  sourceMap(digest: Digest): Promise<string | undefined> {
    return this.#reader.call('sourceMap', digest);
  }
  run(run: RunId): Promise<StoredRun | undefined> {
    return this.#reader.call('run', run);
  }
  runs(filter: RunFilter): Promise<readonly StoredRun[]> {
    return this.#reader.call('runs', filter);
  }
  journal(run: RunId, after?: number, limit?: number, most?: number): ReturnType<Store['journal']> {
    return this.#reader.call('journal', run, after, limit, most);
  }
  replayPage(run: RunId, after: number): ReturnType<Store['replayPage']> {
    return this.#reader.call('replayPage', run, after);
  }
  inbox(run: RunId, after?: number): ReturnType<Store['inbox']> {
    return this.#reader.call('inbox', run, after);
  }
  wakeable(now: number, limit: number, except: readonly TenantId[] = []): ReturnType<Store['wakeable']> {
    return this.#reader.call('wakeable', now, limit, except);
  }
  resident(after: RunId | undefined, limit: number): ReturnType<Store['resident']> {
    return this.#reader.call('resident', after, limit);
  }
  revoked(among: readonly GrantId[]): Promise<GrantId[]> {
    return this.#reader.call('revoked', among);
  }

  holding(node: number): Promise<RunId[]> {
    return this.#reader.call('holding', node);
  }

  mail(node: number): ReturnType<Store['mail']> {
    return this.#reader.call('mail', node);
  }
  nextDue(): Promise<number | undefined> {
    return this.#reader.call('nextDue');
  }
  ids(filter: RunFilter): Promise<readonly RunId[]> {
    return this.#reader.call('ids', filter);
  }
  parkedOn(...args: Parameters<Store['parkedOn']>): ReturnType<Store['parkedOn']> {
    return this.#reader.call('parkedOn', ...args);
  }
  parkedForPeople(): ReturnType<Store['parkedForPeople']> {
    return this.#reader.call('parkedForPeople');
  }

  orphans(): ReturnType<Store['orphans']> {
    return this.#reader.call('orphans');
  }
  quarantined(after: RunId | undefined, limit: number): ReturnType<Store['quarantined']> {
    return this.#reader.call('quarantined', after, limit);
  }

  descendants(run: RunId): ReturnType<Store['descendants']> {
    return this.#reader.call('descendants', run);
  }

  isShared(...of: Parameters<Store['isShared']>): Promise<boolean> {
    return this.#reader.call('isShared', ...of);
  }
  spend(filter: SpendFilter): ReturnType<Store['spend']> {
    return this.#reader.call('spend', filter);
  }
  nodes(most: number): ReturnType<Store['nodes']> {
    return this.#reader.call('nodes', most);
  }
  decisions(after: number, limit: number): ReturnType<Store['decisions']> {
    return this.#reader.call('decisions', after, limit);
  }
  usage(wanted: UsageWanted): ReturnType<Store['usage']> {
    return this.#reader.call('usage', wanted);
  }
  forgetSpend(before: string): Promise<number> {
    return this.#writer.call('forgetSpend', before);
  }
  downtimes(): ReturnType<Store['downtimes']> {
    return this.#reader.call('downtimes');
  }
  holder(grant: GrantId): ReturnType<Store['holder']> {
    return this.#reader.call('holder', grant);
  }
  grants(run: RunId): ReturnType<Store['grants']> {
    return this.#reader.call('grants', run);
  }
  erase(run: RunId, at: number): Promise<Erased> {
    return this.#writer.call('erase', run, at);
  }
  erasable(run: RunId): Promise<Erased> {
    return this.#reader.call('erasable', run);
  }
  release(run: RunId): Promise<void> {
    return this.#writer.call('release', run);
  }
  async gc(now: number, wanted: Collection = {}): Promise<Freed> {
    const freed = { runs: 0, entries: 0, blobs: 0, bytes: 0 };
    // Each step is a write of its own, so that runs go on between them.
    for (let more = true; more;) {
      const step: Collected = await this.#writer.call('gcStep', now, this.#wanted(wanted));
      for (const name of ['runs', 'entries', 'blobs', 'bytes'] as const) freed[name] += step[name];
      ({ more } = step);
    }
    return freed;
  }
  /** Tenants that have runs, ended and erased ones included. */
  tenants(): Promise<readonly string[]> {
    return this.#reader.call('tenants');
  }
  collectable(now: number, wanted: Collection = {}): Promise<Freed> {
    return this.#aside((reader) => reader.call('collectable', now, this.#wanted(wanted)));
  }
  async verify(run?: RunId, tenant?: TenantId, head?: LogHead): Promise<Verification> {
    await this.#sequenced();
    return this.#aside(async (reader) => {
      const sum = { runs: 0, entries: 0, forgotten: 0, damaged: [] as Verification['damaged'] };
      for (let after: number | undefined = 0; after !== undefined;) {
        const step: Verified = await reader.call('verifyStep', run === undefined ? { after, tenant } : { run });
        for (const name of ['runs', 'entries', 'forgotten'] as const) sum[name] += step[name];
        sum.damaged = [...sum.damaged, ...step.damaged];
        after = step.next;
      }
      const log: LogVerification = await reader.call('verifyLog', { run, tenant, head });
      return { ...sum, log };
    });
  }
  async logHead(): Promise<LogHead> {
    await this.#sequenced();
    return this.#reader.call('logHead');
  }
  hashes(run: RunId, after: number, limit: number): ReturnType<Store['hashes']> {
    return this.#reader.call('hashes', run, after, limit);
  }
  /** Resolves when everything that was committed until now is in the log. */
  async #sequenced(): Promise<void> {
    // A store for reading cannot append; what the log does not have yet counts as pending.
    if (this.#writer === READ_ONLY) return;
    const step = (): Promise<ReturnType<SqliteCore['sequence']>> => this.#writer.call('sequence', Date.now(), true);
    try {
      while ((await step()) === 'more');
    } catch (error) {
      // On a full disk the log cannot grow; what it has can still be read and verified.
      if (!(error instanceof CorralError) || error.code !== 'CORRAL_DISK_FULL') throw error;
    }
  }
  async backup(to: string, at: number): Promise<BackupManifest> {
    // A host logs unlogged data of a restored folder as it finds it, so a change to the copy would go unnoticed there.
    await this.#sequenced();
    return this.#aside((reader) => reader.call('backup', to, at));
  }
  #wanted({ retention_ms = this.#options.retention_ms ?? {}, tenant }: Collection): Wanted {
    return { retention_ms, tenant };
  }
  /** Does long work on a thread of its own, so that reads of journals do not wait for it. */
  async #aside<T>(work: (reader: Thread) => Promise<T>): Promise<T> {
    const reader = new Thread({ folder: this.#folder, mode: 'read', options: this.#options });
    await reader.ready();
    try {
      return await work(reader);
    } finally {
      await reader.call('close');
    }
  }
  async close(): Promise<void> {
    await this.#reader.call('close');
    await this.#writer.call('close');
  }
}
