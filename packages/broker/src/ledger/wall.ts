/**
 * The wall clock of a run: how much of its `wall_ms` is used. It is the one place that computes it, for a live run, a parked one and
 * one that is read back:
 *
 *     used = now − began − paused − queued − away
 *
 * `paused`: its journal says that it stands still, because somebody paused or held it, or because people are asked about a call or
 * about what came of one. `queued`: it had something to do and the host did not give it a CPU; each entry carries what was measured
 * since the entry before. `away`: no host was at work on the store. All of it is folded from the journal.
 */

/** What a snapshot keeps of it. */
export interface SavedWall {
  readonly began_at?: number;
  readonly paused_ms: number;
  readonly paused_at: number | undefined;
  readonly queued_ms?: number;
  /** Part of `paused_ms` in which no host was at work either. */
  readonly paused_away_ms?: number;
}

export class WallClock {
  /** When its first crank began, in milliseconds since 1970. */
  began_at: number | undefined;
  /** How long its journal says that it stood still since then, and since when it does. */
  paused_ms = 0;
  paused_at: number | undefined;
  queued_ms = 0;
  /** Time stamp of its last entry. */
  stamped_at = 0;
  /** Milliseconds between two times in which no host was at work on the store; set by the host. */
  absent: (from: number, until: number) => number = () => 0;
  #pausedAway_ms = 0;
  /** What this is a draft of. */
  #of: WallClock | undefined;

  /** On a host: its own time up to `#mark`, on the monotonic clock. Undefined: its time does not run here. */
  #mark: number | undefined;
  #own_ms = 0;
  #stands = false;
  #given = true;
  /** Its last entry, on the monotonic clock. */
  #stamped = 0;

  /** Its time as the journal has it, for a crank that is being decided. What is measured on this host goes on here. */
  draft(): WallClock {
    // Only its first crank begins its time.
    if (this.began_at !== undefined) return this;
    const draft = new WallClock();
    draft.#of = this;
    draft.load(this.save());
    return draft;
  }

  adopt(): void {
    if (this.#of !== undefined) this.#of.began_at = this.began_at;
  }

  /** Milliseconds that are used at `at`, as its journal has it. */
  used(at: number): number {
    return Math.max(0, this.#folded(at));
  }

  /** As `used`, times without a host included: what can be said of it with the journal alone. */
  age(at: number): number {
    return this.began_at === undefined ? 0 : Math.max(0, this.#gross(at));
  }

  /** Its time begins to run on this host, with so much of it used. */
  start(monotonic: number, used_ms: number): void {
    this.#mark = monotonic;
    this.#own_ms = used_ms;
    this.#stamped = monotonic;
    this.#given = true;
  }

  /** Its time does not run here any more, and begins at nothing when it does again. */
  stop(): void {
    this.#mark = undefined;
    this.#own_ms = 0;
  }

  /** Whether its time passes at present. */
  get runs(): boolean {
    return this.#mark !== undefined && !this.#stands && this.#given;
  }

  /** Milliseconds that are used, by the monotonic clock. */
  own(monotonic: number): number {
    return this.#own_ms + (this.runs ? Math.max(0, monotonic - (this.#mark as number)) : 0);
  }

  /** From here on the host gives it what it needs, or keeps it waiting. A time before the last one known changes nothing before it. */
  give(monotonic: number, given: boolean): void {
    this.#advance(monotonic);
    this.#given = given;
  }

  /** It has waited for its host since then, as turns out only now: since its last entry it had nothing to do. */
  waited(since: number): void {
    const before = this.#mark;
    this.give(since, false);
    if (before !== undefined && before > since) this.forgive(before, before - Math.max(since, this.#stamped));
  }

  /** Time that was counted turns out to have been the host's. */
  forgive(monotonic: number, ms: number): void {
    this.#advance(monotonic);
    if (this.#mark !== undefined) this.#own_ms = Math.max(0, this.#own_ms - Math.max(0, ms));
  }

  /**
   * What an entry of this moment must carry, so that a fold comes to what was measured here. It also takes in what the host's clock
   * was put forward, or back: then it may be below zero.
   */
  owed(at: number, monotonic: number): number {
    return this.#mark === undefined || this.began_at === undefined ? 0 : Math.round(this.#folded(at) - this.own(monotonic));
  }

  /**
   * An entry is part of the journal now.
   * @param stands whether the run stands still from here on, by its journal
   * @param monotonic where it is lived through; left out where it is read back
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
      // Before its first crank it had no time that could stand still.
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

  /** Whether it stands still as it was loaded; older snapshots do not say since when people are asked. */
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
