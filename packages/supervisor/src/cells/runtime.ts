/** The versions of Node, V8 and ICU in the cells. The first cell that is ready reports them; admission waits for that. */
import { CorralError } from '@corral/protocol/errors';
import type { ReadyPayload } from '@corral/protocol/wire/frame';
import type { RunHeader } from '@corral/protocol/model/run';
import type { Cell } from './cell.ts';

export class Runtime {
  #known: ReadyPayload | undefined;
  readonly #waiting: { readonly resolve: (runtime: ReadyPayload) => void; readonly reject: (error: CorralError) => void }[] = [];

  learn({ runtime }: Cell): void {
    if (this.#known !== undefined || runtime === undefined) return;
    this.#known = runtime;
    for (const { resolve } of this.#waiting.splice(0)) resolve(runtime);
  }

  /** Called when cells do not start: rejects everything that waits for the versions. */
  fail(error: CorralError): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  /** The runtime for the header of a new run. @param hopeless whether cells do not start @throws CORRAL_CELL_START */
  async header(image: string, hopeless: () => boolean): Promise<Omit<RunHeader, 'seed'>> {
    const { node, v8, icu } = await this.known(hopeless);
    return { image, node, v8, icu };
  }

  /** Waits for the first report. @param hopeless whether cells do not start @throws CORRAL_CELL_START */
  known(hopeless: () => boolean): Promise<ReadyPayload> {
    if (this.#known !== undefined) return Promise.resolve(this.#known);
    return new Promise((resolve, reject) => {
      if (hopeless()) reject(new CorralError('CORRAL_CELL_START', 'Cells do not start on this machine.'));
      else this.#waiting.push({ resolve, reject });
    });
  }
}
