/**
 * The wall clock of a run: how much of its `wall_ms` is used. Only this class computes it, for a live run, a parked one and one that is
 * read back:
 *
 *     used = now − began − paused − queued − away
 *
 * `paused`: according to its journal the run is stopped, because it is paused or held, or waits for people to approve a call or to say
 * what became of one. `queued`: the run had something to do and got no CPU; each entry carries the time measured since the previous one.
 * `away`: no host was working on the store. All of it can be derived from the journal.
 */

/** The part of the clock that snapshots save. */
export interface SavedWall {
  readonly began_at?: number;
  readonly paused_ms: number;
  readonly paused_at: number | undefined;
  readonly queued_ms?: number;
  /** The part of `paused_ms` in which no host was working either. */
  readonly paused_away_ms?: number;
}

export class WallClock {
  /** Beginning of the first crank, in milliseconds since 1970. */
  began_at: number | undefined;
  /** Total of ended pauses in milliseconds, and the beginning of the present one. */
  paused_ms = 0;
  paused_at: number | undefined;
  queued_ms = 0;
  /** Time of the last entry. */
  stamped_at = 0;
  /** Milliseconds between two times in which no host was working on the store; set by the host. */
  absent: (from: number, until: number) => number = () => 0;
  #pausedAway_ms = 0;
  /** The original, if this is a draft. */
  #of: WallClock | undefined;

  /**
   * On a host: `#own_ms` is the run's time up to `#mark`, on the monotonic clock. `#mark` is undefined while its time does not run here.
   */
  #mark: number | undefined;
  #own_ms = 0;
  #stands = false;
  #given = true;
  /** The last entry, on the monotonic clock. */
  #stamped = 0;

  /** A draft for a crank that is being decided. Times that are measured meanwhile are recorded here. */
  draft(): WallClock {
    // Only the first crank changes the clock: it sets `began_at`.
    if (this.began_at !== undefined) return this;
    const draft = new WallClock();
    draft.#of = this;
    draft.load(this.save());
    return draft;
  }

  adopt(): void {
    if (this.#of !== undefined) this.#of.began_at = this.began_at;
  }

  /** Milliseconds used at `at`, from the journal. */
  used(at: number): number {
    return Math.max(0, this.#folded(at));
  }

  /** Like `used`, but times without a host count: it can be computed from the journal alone. */
  age(at: number): number {
    return this.began_at === undefined ? 0 : Math.max(0, this.#gross(at));
  }

  /** Starts the clock on this host with the time used so far. */
  start(monotonic: number, used_ms: number): void {
    this.#mark = monotonic;
    this.#own_ms = used_ms;
    this.#stamped = monotonic;
    this.#given = true;
  }

  /** Stops the clock on this host. */
  stop(): void {
    this.#mark = undefined;
    this.#own_ms = 0;
  }

  /** Whether the run's time passes at present. */
  get runs(): boolean {
    return this.#mark !== undefined && !this.#stands && this.#given;
  }

  /** Milliseconds used, by the monotonic clock. */
  own(monotonic: number): number {
    return this.#own_ms + (this.runs ? Math.max(0, monotonic - (this.#mark as number)) : 0);
  }

  /**
   * From `monotonic` on the host gives the run CPU, or keeps it waiting. A time before the last known one does not change what was
   * counted.
   */
  give(monotonic: number, given: boolean): void {
    this.#advance(monotonic);
    this.#given = given;
  }

  /** Records afterwards that the run has waited for its host since `since`; it had nothing to do between its last entry and then. */
  waited(since: number): void {
    const before = this.#mark;
    this.give(since, false);
    if (before !== undefined && before > since) this.forgive(before, before - Math.max(since, this.#stamped));
  }

  /** Subtracts time that was counted although the host caused it. */
  forgive(monotonic: number, ms: number): void {
    this.#advance(monotonic);
    if (this.#mark !== undefined) this.#own_ms = Math.max(0, this.#own_ms - Math.max(0, ms));
  }

  /**
   * The `queued_ms` that an entry at this moment must carry, so that folding the journal gives the measured time. It also compensates
   * changes of the host's clock, so it may be negative; a difference of less than a millisecond, by which `at` is cut off, is none.
   * @param monotonic read before `at`, so that what happens to this process in between counts as time that its host took
   */
  owed(at: number, monotonic: number): number {
    return this.#mark === undefined || this.began_at === undefined ? 0 : Math.trunc(this.#folded(at) - this.own(monotonic));
  }

  /**
   * Takes the times of an entry that is now part of the journal.
   * @param stands whether the run is stopped from here on, according to its journal
   * @param monotonic for a live entry; absent for one that is read back
   */
  stamp(at: number, queued_ms: number, stands: boolean, monotonic?: number): void {
    if (monotonic !== undefined) {
      this.#advance(monotonic);
      this.#stamped = monotonic;
    }
    this.#stands = stands;
    this.stamped_at = Math.max(this.stamped_at, at);
    if (this.began_at !== undefined) this.queued_ms += queued_ms;
    if (stands) this.paused_at ??= at;
    else if (this.paused_at !== undefined) {
      // Before its first crank the run has no time that a pause could stop.
      if (this.began_at !== undefined) {
        this.paused_ms += Math.max(0, at - this.paused_at);
        this.#pausedAway_ms += this.absent(this.paused_at, at);
      }
      this.paused_at = undefined;
    }
  }

  save(): SavedWall {
    const { began_at, paused_ms, paused_at, queued_ms } = this;
    return {
      ...(began_at === undefined ? {} : { began_at }),
      paused_ms,
      paused_at,
      ...(queued_ms === 0 ? {} : { queued_ms }),
      ...(this.#pausedAway_ms === 0 ? {} : { paused_away_ms: this.#pausedAway_ms }),
    };
  }

  load(saved: SavedWall): void {
    this.began_at = saved.began_at ?? undefined;
    this.paused_ms = saved.paused_ms;
    this.paused_at = saved.paused_at;
    this.queued_ms = saved.queued_ms ?? 0;
    this.#pausedAway_ms = saved.paused_away_ms ?? 0;
  }

  /** Sets whether the run is stopped after loading. Older snapshots do not contain since when people are asked. */
  loaded(stands: boolean, since: number): void {
    this.#stands = stands;
    this.stamped_at = since;
    if (stands) this.paused_at ??= since;
  }

  #gross(at: number): number {
    return (this.paused_at ?? at) - (this.began_at ?? at) - this.paused_ms - this.queued_ms;
  }

  #folded(at: number): number {
    if (this.began_at === undefined) return 0;
    return this.#gross(at) - this.absent(this.began_at, this.paused_at ?? at) + this.#pausedAway_ms;
  }

  #advance(monotonic: number): void {
    if (this.#mark === undefined) return;
    if (this.runs) this.#own_ms += Math.max(0, monotonic - this.#mark);
    this.#mark = Math.max(this.#mark, monotonic);
  }
}
