/** Which V8 the cells run on is theirs to say; the first that is ready tells. */
import { CorralError } from '@corral/protocol/errors';
import type { ReadyPayload } from '@corral/protocol/frame';

export class Runtime {
  #known: ReadyPayload | undefined;
  readonly #waiting: ((runtime: ReadyPayload) => void)[] = [];

  tell(runtime: ReadyPayload | undefined): void {
    if (this.#known !== undefined || runtime === undefined) return;
    this.#known = runtime;
    for (const then of this.#waiting.splice(0)) then(runtime);
  }

  /** @param hopeless whether no cell will ever be ready @throws CORRAL_CELL_START */
  known(hopeless: boolean): Promise<ReadyPayload> {
    if (this.#known !== undefined) return Promise.resolve(this.#known);
    if (hopeless) return Promise.reject(new CorralError('CORRAL_CELL_START', 'Cells do not start on this machine.'));
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
