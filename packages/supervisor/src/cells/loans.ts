/**
 * Cells that the host borrows to look at a bundle or to replay a run. What runs there is somebody's code, so they count for a tenant:
 * each has a share of them, and waits in turn for more. So nobody's deploys take the cells in which others are to run.
 */
import { CorralError } from '@corral/protocol/errors';
import { MACHINE } from '@corral/protocol/limits';
import { Rota } from '@corral/protocol/rota';
import type { Cell } from './cell.ts';

export interface LoansOptions {
  readonly borrow: () => Cell | undefined;
  /** Cells that are borrowed at once. */
  readonly most: number;
  /** Of them, those of one tenant. */
  readonly each: number;
}

/** What the host borrows on nobody's behalf but its own. */
const HOST = '';

/** Of so many cells that a host has at most: shares that leave most of them to runs. */
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
   * A cell for one use; whoever borrows it kills it.
   * @throws CORRAL_RATE_LIMITED where as many of this tenant wait as may, CORRAL_CELL_START where there is none to be had
   */
  borrow(who: string = HOST): Promise<Cell> {
    const most = MACHINE.loans_waiting.default;
    if (this.#waiting.waiting(who) >= most)
      return Promise.reject(
        new CorralError(
          'CORRAL_RATE_LIMITED',
          `${most} bundles and replays${who === HOST ? '' : ` of ${who}`} wait already for a cell that looks at them.`,
        ),
      );
    const wanted = Promise.withResolvers<Cell>();
    this.#waiting.push(who, wanted);
    this.#lend();
    return wanted.promise;
  }

  /** A cell is gone; one that was borrowed makes room for the next. */
  gone(cell: Cell): void {
    if (this.#out.delete(cell)) this.#lend();
  }

  /** No more are lent. */
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
        next.item.reject(new CorralError('CORRAL_CELL_START', 'No cell is free to look at a bundle, or to replay a run.'));
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
