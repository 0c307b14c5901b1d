/**
 * The store of a simulated world: the real tables and logic in memory, behind a simulated disk that takes time, fails, fills up, and
 * loses unsynced data when its host dies. Writes of different runs may overtake each other, as the port allows; those of one run keep
 * their order.
 */
import { createHash } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { KeyRing } from '@corral/protocol/ports/machine';
import type { RunRecord } from '@corral/protocol/model/run';
import type { Commit, Store, Taken } from '@corral/protocol/ports/store';
import { MACHINE } from '@corral/protocol/limits';
import { Stale } from '@corral/store/core/prepared';
import { SqliteCore } from '@corral/store/sqlite/core';
import { migrate } from '@corral/store/sqlite/schema';
import type { Dice } from './dice.ts';
import type { Pulse } from './pulse.ts';
import type { Timeline } from './timeline.ts';

type Op =
  | 'revoke'
  | 'serve'
  | 'noteSeen'
  | 'putQuarantine'
  | 'liftQuarantine'
  | 'deploy'
  | 'admit'
  | 'join'
  | 'beat'
  | 'leave'
  | 'retire'
  | 'claim'
  | 'take'
  | 'park'
  | 'quarantine'
  | 'bury'
  | 'commit'
  | 'keep'
  | 'erase'
  | 'release';
type Read =
  | 'version'
  | 'services'
  | 'changesSince'
  | 'instance'
  | 'sourceMap'
  | 'seen'
  | 'quarantines'
  | 'agents'
  | 'bundle'
  | 'run'
  | 'runs'
  | 'journal'
  | 'replayPage'
  | 'inbox'
  | 'wakeable'
  | 'mail'
  | 'holding'
  | 'revoked'
  | 'resident'
  | 'ids'
  | 'parkedOn'
  | 'parkedForPeople'
  | 'nextDue'
  | 'orphans'
  | 'descendants'
  | 'quarantined'
  | 'isShared'
  | 'downtimes'
  | 'decisions'
  | 'spend'
  | 'usage'
  | 'nodes'
  | 'holder'
  | 'grants';

interface Write {
  readonly op: Op;
  readonly args: readonly unknown[];
  /** Writes of the same lane keep their order. */
  readonly lane: string;
  readonly resolve: (value: never) => void;
  readonly reject: (error: CorralError) => void;
}

/** Observes writes as they take effect. */
export interface DiskObserver {
  /** Called before a write takes effect; the returned function is called with the result. */
  readonly before: (op: Op, args: readonly unknown[]) => (value: unknown) => void;
  readonly broken: (what: string) => void;
}

/** The faults of the disk. */
export interface DiskTemper {
  /** Range of the time that a sync takes. Milliseconds. */
  readonly sync_ms: readonly [number, number];
  /** Probability that a sync fails because there is no space. */
  readonly failing: number;
}

export class Disk {
  /** For those who look on. */
  readonly core: SqliteCore;
  readonly #db: DatabaseSync;
  /** Through which the present host writes. */
  #writer: SqliteCore;
  /** Nodes that joined through this port since it was opened. */
  joined: number[] = [];
  readonly #timeline: Timeline;
  readonly #dice: Dice;
  readonly #observer: DiskObserver;
  readonly #temper: DiskTemper;
  #queue: Write[] = [];
  #syncing: Write[] | undefined;
  #flushing = false;
  /** Time of the last answer in each lane. */
  readonly #answered = new Map<string, number>();
  /** Writes of dead hosts that have neither taken effect nor been lost. */
  readonly #late: { writes: Write[] };
  /** The disk is full. */
  full = false;
  /** Factor by which every operation is slower. */
  slow = 1;
  failures = 0;
  /** Called for each queued write, for tests that provoke races. */
  onQueued: ((op: Op, args: readonly unknown[]) => void) | undefined;

  /** @param beside another port to the same tables */
  constructor(timeline: Timeline, dice: Dice, observer: DiskObserver, temper: DiskTemper, beside?: Disk) {
    this.#timeline = timeline;
    this.#dice = dice;
    this.#observer = observer;
    this.#temper = temper;
    this.#db = beside === undefined ? new DatabaseSync(':memory:') : beside.#db;
    this.#late = beside === undefined ? { writes: [] } : beside.#late;
    if (beside === undefined) {
      this.#db.exec('PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF');
      migrate(this.#db);
    }
    this.core = this.#newCore();
    this.#writer = this.core;
  }

  #newCore(): SqliteCore {
    return new SqliteCore(this.#db, KEYS, undefined, () => this.#timeline.epoch + this.#timeline.now);
  }

  /**
   * Opens the store for a host. A dead host gets no answers.
   * @param fences called when the host asks for a run that another node may hold
   */
  open(pulse: Pulse, fences: (run: RunId) => void = () => undefined): Store {
    this.#writer = this.#newCore();
    this.joined = [];
    const era = this.#writer.nextEra();
    const write = (op: Op, ...args: unknown[]): Promise<never> =>
      new Promise((resolve, reject) => {
        this.#enqueue({
          op,
          // Copied, because the caller may change the arguments later.
          args: structuredClone(args),
          lane: laneOf(op, args),
          resolve: (value) => pulse.when(() => resolve(value)),
          reject: (error) => pulse.when(() => reject(error)),
        });
      });
    const read = (op: Read, ...args: unknown[]): Promise<never> =>
      new Promise((resolve, reject) => {
        this.#timeline.after(this.#dice.spread(0.01, 1) * this.slow, () => {
          if (!pulse.alive()) return;
          let answer: () => void;
          try {
            const value = (this.core[op] as (...args: unknown[]) => unknown)(...args);
            answer = () => resolve(value as never);
          } catch (error) {
            if (!(error instanceof CorralError)) this.#observer.broken(`the store failed to read ${op}: ${String(error)}`);
            answer = () => reject(error);
          }
          this.#timeline.after(this.#dice.spread(0.01, 0.5) * this.slow, () => pulse.when(answer));
        });
      });
    return {
      era,
      deploy: (...args) => write('deploy', ...args),
      admit: (...args) => write('admit', ...args),
      join: (...args) => write('join', ...args),
      beat: (...args) => write('beat', ...args),
      leave: (...args) => write('leave', ...args),
      claim: (...args) => {
        if (args[3] === 'fence') fences(args[0]);
        return write('claim', ...args);
      },
      take: (...args) => write('take', ...args),
      park: (...args) => write('park', ...args),
      bury: (...args) => write('bury', ...args),
      erase: (...args) => write('erase', ...args),
      release: (...args) => write('release', ...args),
      gc: notHere,
      collectable: notHere,
      erasable: notHere,
      verify: notHere,
      logHead: notHere,
      hashes: notHere,
      backup: notHere,
      quarantine: (...args) => write('quarantine', ...args),
      commit: (...args) => write('commit', ...args),
      keep: (...args) => write('keep', ...args),
      version: (...args) => read('version', ...args),
      agents: (...args) => read('agents', ...args),
      bundle: (...args) => read('bundle', ...args),
      sourceMap: (...args) => read('sourceMap', ...args),
      seen: (...args) => read('seen', ...args),
      noteSeen: (...args) => write('noteSeen', ...args),
      quarantines: () => read('quarantines'),
      putQuarantine: (...args) => write('putQuarantine', ...args),
      liftQuarantine: (...args) => write('liftQuarantine', ...args),
      revoke: (...args) => write('revoke', ...args),
      run: (...args) => read('run', ...args),
      runs: (...args) => read('runs', ...args),
      journal: (...args) => read('journal', ...args),
      replayPage: (...args) => read('replayPage', ...args),
      resident: (...args) => read('resident', ...args),
      ids: (...args) => read('ids', ...args),
      parkedOn: (...args) => read('parkedOn', ...args),
      parkedForPeople: () => read('parkedForPeople'),
      inbox: (...args) => read('inbox', ...args),
      wakeable: (...args) => read('wakeable', ...args),
      revoked: (...args) => read('revoked', ...args),
      holding: (...args) => read('holding', ...args),
      mail: (...args) => read('mail', ...args),
      nextDue: () => read('nextDue'),
      orphans: () => read('orphans'),
      descendants: (...args) => read('descendants', ...args),
      quarantined: (...args) => read('quarantined', ...args),
      isShared: (...args) => read('isShared', ...args),
      changesSince: (...args) => read('changesSince', ...args),
      services: () => read('services'),
      serve: (...args) => write('serve', ...args),
      instance: (...args) => read('instance', ...args),
      downtimes: () => read('downtimes'),
      decisions: (...args) => read('decisions', ...args),
      spend: (...args) => read('spend', ...args),
      usage: (...args) => read('usage', ...args),
      nodes: (...args) => read('nodes', ...args),
      forgetSpend: notHere,
      holder: (...args) => read('holder', ...args),
      grants: (...args) => read('grants', ...args),
      // As the writer's thread does, it closes whatever becomes of that.
      close: () =>
        write('retire')
          .catch(() => undefined)
          .then(() => this.#settled()),
    };
  }

  /**
   * The host dies. Writes that it got no answer for may have taken effect or not. Some may take effect late, after another host has taken
   * over, and must then be refused.
   */
  crash(): void {
    const lost = this.#syncing ?? [];
    const waiting = this.#queue;
    this.#syncing = undefined;
    this.#queue = [];
    this.#flushing = false;
    if (lost.length > 0 && !this.full && this.#dice.chance(0.5)) this.#apply(lost);
    else waiting.unshift(...lost);
    if (!this.#dice.chance(0.5)) return;
    for (const write of waiting) if (write.op === 'commit' || write.op === 'keep' || write.op === 'park') this.#late.writes.push(write);
  }

  /** The node as which the present host has joined last. */
  get node(): number {
    return this.joined.at(-1) ?? 0;
  }

  dispose(): void {
    this.#db.close();
  }

  #enqueue(write: Write): void {
    this.#queue.push(write);
    this.onQueued?.(write.op, write.args);
    if (this.#flushing) return;
    const mine = this.#queue;
    if (this.#queue.every((one) => isPatient(one))) {
      // It waits for company; what comes next has it written, or the end of its wait.
      if (this.#queue.length > 1) return;
      this.#timeline.after(MACHINE.with_next_ms.default, () => {
        if (mine === this.#queue && !this.#flushing && this.#queue.length > 0) this.#begin(mine);
      });
      return;
    }
    this.#begin(mine);
  }

  #begin(mine: Write[]): void {
    this.#flushing = true;
    this.#timeline.after(this.#dice.spread(0.01, 0.3), () => {
      if (mine === this.#queue) this.#flush();
    });
  }

  #flush(): void {
    const waiting = this.#queue;
    // Lanes overtake each other; sometimes a part of them has to wait for the next sync.
    const lanes = this.#dice.shuffle([...Map.groupBy(waiting, ({ lane }) => lane).values()]);
    const some = lanes.length > 1 && this.#dice.chance(0.2) ? this.#dice.below(lanes.length - 1) + 1 : lanes.length;
    const batch = lanes.slice(0, some).flat();
    this.#queue = lanes.slice(some).flat();
    this.#syncing = batch;
    const [least, most] = this.#temper.sync_ms;
    this.#timeline.after(this.#dice.spread(least, most) * this.slow, () => {
      if (this.#syncing === batch) this.#synced(batch);
    });
  }

  #synced(batch: Write[]): void {
    this.#syncing = undefined;
    const fails = this.full || this.#dice.chance(this.#temper.failing);
    // If there is hardly any space, small writes may still fit.
    const fits = !this.full && this.#dice.chance(0.5);
    const answers = fails
      ? batch.flatMap((write) => (fits && this.#dice.chance(0.5) ? this.#apply([write]) : [() => write.reject(noSpace())]))
      : this.#apply(batch);
    // Answers in one lane keep their order, also after those of earlier batches.
    const first = Math.max(0, ...batch.map(({ lane }) => (this.#answered.get(lane) ?? 0) - this.#timeline.now));
    if (fails) this.failures += 1;
    if (this.#dice.chance(0.6)) {
      const late = first + this.#dice.spread(0.005, 0.1);
      for (const { lane } of batch) this.#answered.set(lane, this.#timeline.now + late);
      this.#timeline.after(late, () => {
        for (const answer of answers) answer();
      });
    } else {
      // Answers one by one.
      let late = first;
      for (const [i, answer] of answers.entries()) {
        late += this.#dice.spread(0.001, 0.2);
        this.#timeline.after(late, answer);
        this.#answered.set((batch[i] as Write).lane, this.#timeline.now + late);
      }
    }
    if (this.#queue.length > 0) this.#flush();
    else this.#flushing = false;
  }

  /** Makes one transaction, like the writer's thread; the rest of a batch that must be prepared again is another one. */
  #apply(batch: readonly Write[]): (() => void)[] {
    const acts = this.#writer.prepared(batch);
    const answers: (() => void)[] = [];
    this.#writer.putPayloads();
    this.#db.exec('BEGIN');
    for (const [i, act] of acts.entries()) {
      const answer = this.#perform(batch[i] as Write, act);
      if (answer === undefined) break;
      answers.push(answer);
    }
    this.#db.exec('COMMIT');
    if (answers.length === batch.length) return answers;
    this.#writer.doubt();
    return [...answers, ...this.#apply(batch.slice(answers.length))];
  }

  /** @returns undefined: it must be prepared again */
  #perform({ op, args, resolve, reject }: Write, act: () => unknown): (() => void) | undefined {
    const after = this.#observer.before(op, args);
    try {
      const value = act();
      if (op === 'join') this.joined.push(value as number);
      after(value);
      if (op === 'claim') this.#tooLate(args[0] as RunId);
      if (op === 'take') for (const { record } of (value as Taken).runs) this.#tooLate(record.id);
      return () => resolve(value as never);
    } catch (error) {
      if (error instanceof Stale) return undefined;
      if (error instanceof CorralError) return () => reject(error);
      this.#observer.broken(`the store failed half way through ${op}: ${String(error)}`);
      return () => reject(new CorralError('CORRAL_INTERNAL', String(error)));
    }
  }

  /** Lets writes of a dead host arrive, just after another host has taken the run over. */
  #tooLate(run: RunId): void {
    const late = this.#late.writes.filter(({ lane }) => lane === run);
    if (late.length === 0) return;
    this.#late.writes = this.#late.writes.filter(({ lane }) => lane !== run);
    this.#timeline.after(this.#dice.spread(0.01, 20), () =>
      this.#apply(late.map((write) => ({ ...write, resolve: () => undefined, reject: () => undefined }))),
    );
  }

  async #settled(): Promise<void> {
    while (this.#queue.length > 0 || this.#syncing !== undefined) await new Promise<void>((then) => this.#timeline.after(0.5, then));
    // Waits until the answers have arrived.
    await new Promise<void>((then) => this.#timeline.after(5, then));
  }
}

/** These concern no run. */
const PLACELESS: ReadonlySet<Op> = new Set(['deploy', 'serve', 'join', 'beat', 'leave', 'retire', 'take']);

const isPatient = ({ op, args }: Write): boolean => op === 'commit' && (args[0] as Commit).flush === 'with-next';

function laneOf(op: Op, args: readonly unknown[]): string {
  if (op === 'commit') return (args[0] as Commit).run;
  if (op === 'admit') return (args[0] as RunRecord).id;
  return PLACELESS.has(op) ? op : (args[0] as string);
}

/** Operations for operators, which no simulated world uses. */
const notHere = () => Promise.reject(new CorralError('CORRAL_USAGE', 'A simulated store is neither collected, checked nor copied.'));

/** Keys that do not encrypt. */
const KEYS: KeyRing = {
  wrap: (_, key) => ({ version: 1, wrapped: key }),
  unwrap: (_, { wrapped }) => wrapped,
  derive: (tenant, purpose) => createHash('sha256').update(`${tenant} ${purpose}`).digest(),
  fingerprints: () => new Map([[1, 'simulated']]),
};

const noSpace = () => new CorralError('CORRAL_DISK_FULL', 'There is no space left on the simulated disk.');
