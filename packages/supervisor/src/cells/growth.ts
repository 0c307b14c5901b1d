/**
 * Memory by which the cranks of each run made a cell grow. A heap is bounded by its isolate, but the memory that the platform allocates
 * outside the heap is not: a guest can make thousands of formatters, a few in each crank, so that no single crank shows it. So once a cell
 * is large or grows quickly, its process is measured before and after every crank, and each run is charged with the growth during its
 * cranks for as long as it stays in the cell.
 */
export class Growth {
  readonly #mib = new Map<number, number>();

  /** @param mib growth during a crank; negative if the crank freed memory */
  charge(assignment: number, mib: number): void {
    this.#mib.set(assignment, Math.max(0, this.of(assignment) + mib));
  }

  of(assignment: number): number {
    return this.#mib.get(assignment) ?? 0;
  }

  forget(assignment: number): void {
    this.#mib.delete(assignment);
  }

  clear(): void {
    this.#mib.clear();
  }

  /** The run whose cranks added the most; undefined if no run was charged. */
  heaviest(): { readonly assignment: number; readonly mib: number } | undefined {
    let heaviest: { assignment: number; mib: number } | undefined;
    for (const [assignment, mib] of this.#mib) if (heaviest === undefined || mib > heaviest.mib) heaviest = { assignment, mib };
    return heaviest;
  }
}

/**
 * Growth of a process within RISE_MS that is quick, besides what its new isolates take. The time is long, since a guest takes memory slowly
 * on a busy machine, or because it waits between two pieces.
 */
const QUICK_MIB = 48;
const RISE_MS = 10_000;
/** Memory that a new isolate may take; most take less than two. */
const ISOLATE_MIB = 3;
/** How long a process is measured closely after it grew quickly. */
const CLOSE_MS = 10_000;

/** Notices that a process grows quickly, long before it is large: what a guest keeps outside its heap shows in no isolate. */
export class Rise {
  #from: { readonly rss_mib: number; readonly isolates: number; readonly at: number } | undefined;
  #roseAt = Number.NEGATIVE_INFINITY;

  /**
   * @param isolates made in the process so far
   * @param now monotonic milliseconds
   * @returns whether it grew quickly in the last CLOSE_MS
   */
  look(rss_mib: number, isolates: number, now: number): boolean {
    const from = (this.#from ??= { rss_mib, isolates, at: now });
    if (rss_mib - from.rss_mib - (isolates - from.isolates) * ISOLATE_MIB > QUICK_MIB) this.#roseAt = now;
    if (now - from.at >= RISE_MS || rss_mib < from.rss_mib) this.#from = { rss_mib, isolates, at: now };
    return now - this.#roseAt < CLOSE_MS;
  }
}
