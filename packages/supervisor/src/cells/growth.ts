/**
 * Whose cranks made a cell grow. A heap is bounded by its isolate, but what the platform keeps beside it is not: a guest can make
 * thousands of formatters, a little in each crank, and no single crank shows it. So once a cell is large, it is looked at before
 * and after every crank, and each run is charged with what its cranks added, for as long as it stays.
 */
export class Growth {
  readonly #mib = new Map<number, number>();

  /** @param mib less than nothing, where it gave something back */
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

  /** Who added the most. */
  heaviest(): { readonly assignment: number; readonly mib: number } | undefined {
    let heaviest: { assignment: number; mib: number } | undefined;
    for (const [assignment, mib] of this.#mib) if (heaviest === undefined || mib > heaviest.mib) heaviest = { assignment, mib };
    return heaviest;
  }
}
