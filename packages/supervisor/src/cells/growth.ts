/**
 * Memory by which the cranks of each run made a cell grow. A heap is bounded by its isolate, but the memory that the platform allocates
 * outside the heap is not: a guest can make thousands of formatters, a few in each crank, so that no single crank shows it. So once a cell
 * is large, its process is measured before and after every crank, and each run is charged with the growth during its cranks for as long as
 * it stays in the cell.
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
