/**
 * Cells that the host borrows to describe a bundle or to replay a run. They execute a tenant's code, so each tenant has a share of them,
 * and requests beyond it wait in turn. So the deploys of one tenant do not take the cells that the runs of others need.
 */
import { CorralError } from '@corral/protocol/errors';
import { MACHINE } from '@corral/protocol/limits';
import { Rota } from '@corral/protocol/rota';
import type { Cell } from './cell.ts';

export interface LoansOptions {
  readonly borrow: () => Cell | undefined;
  /** Maximum of cells that are borrowed at once. */
  readonly most: number;
  /** Maximum of one tenant. */
  readonly each: number;
}

/** Borrower of the cells that the host needs for itself. */
const HOST = '';

/** Shares that leave most of a host's cells to runs. @param cells the maximum of the host */
export function sharesOf(cells: number): Pick<LoansOptions, 'most' | 'each'> {
  const most = Math.max(1, Math.floor(cells / 4));
  return { most, each: Math.max(1, Math.floor(most / 2)) };
}

export class Loans {
  readonly #options: LoansOptions;
  readonly #out = new Map<Cell, string>();
  readonly #waiting = new Rota<PromiseWithResolvers<Cell>>();

  constructor(options: LoansOptions) {
    this.#options = options;
  }

  /**
   * Lends a cell for one use; the borrower kills it.
   * @throws CORRAL_RATE_LIMITED if the maximum of this tenant's requests already waits, CORRAL_CELL_START if no cell can be had
   */
  borrow(who: string = HOST): Promise<Cell> {
    const most = MACHINE.loans_waiting.default;
    if (this.#waiting.waiting(who) >= most)
      return Promise.reject(
        new CorralError('CORRAL_RATE_LIMITED', `${most} bundles and replays${who === HOST ? '' : ` of ${who}`} already wait for a cell.`),
      );
    const wanted = Promise.withResolvers<Cell>();
    this.#waiting.push(who, wanted);
    this.#lend();
    return wanted.promise;
  }

  /** Called when a cell is gone. If it was borrowed, the next request gets one. */
  gone(cell: Cell): void {
    if (this.#out.delete(cell)) this.#lend();
  }

  /** Refuses the requests that wait, because the host is shutting down. */
  close(): void {
    for (const { reject } of this.#waiting.splice()) reject(new CorralError('CORRAL_STOPPING', 'This host is shutting down.'));
  }

  #lend(): void {
    const { borrow, most } = this.#options;
    while (this.#out.size < most) {
      const next = this.#waiting.next((who) => this.#mayBorrow(who));
      if (next === undefined) return;
      const cell = borrow();
      if (cell === undefined)
        next.item.reject(new CorralError('CORRAL_CELL_START', 'No cell is free to describe a bundle or to replay a run.'));
      else {
        this.#out.set(cell, next.who);
        next.item.resolve(cell);
      }
    }
  }

  #mayBorrow(who: string): boolean {
    let out = 0;
    for (const one of this.#out.values()) if (one === who) out += 1;
    return out < this.#options.each;
  }
}
