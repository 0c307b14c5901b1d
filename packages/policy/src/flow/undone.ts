/** Changes from `begin` on can be undone, until `keep` or `undo` is called. */
export class Undone {
  #undo: (() => void)[] | undefined;

  /** @param undo takes back a change that was just made */
  protected did(undo: () => void): void {
    this.#undo?.push(undo);
  }

  begin(): void {
    this.#undo = [];
  }

  keep(): void {
    this.#undo = undefined;
  }

  undo(): void {
    for (const one of this.#undo?.reverse() ?? []) one();
    this.#undo = undefined;
  }
}
