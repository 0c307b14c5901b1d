/** Asks a bundle what it defines. Its code runs, so this happens in a cell of its own that is thrown away afterwards. */
import { CorralError } from '@corral/protocol/errors';
import type { FaultPayload } from '@corral/protocol/frame';
import { DEFAULT_CEILINGS } from '@corral/protocol/limits';
import type { Cell } from './cells/cell.ts';
import { digestOf } from './admission.ts';

/** Loading a large bundle for the first time takes longer than a crank may. */
const LOAD_CPU_US = 2_000_000;

interface Waiting {
  readonly source: string;
  readonly resolve: (manifests: unknown) => void;
  readonly reject: (error: CorralError) => void;
}

export class Describer {
  readonly #borrow: () => Cell | undefined;
  readonly #waiting = new Map<Cell, Waiting>();

  constructor(borrow: () => Cell | undefined) {
    this.#borrow = borrow;
  }

  /** @throws CORRAL_BUNDLE_INVALID, CORRAL_MANIFEST_INVALID, CORRAL_SCHEMA_INVALID, CORRAL_CELL_START */
  describe(source: string): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const cell = this.#borrow();
      if (cell === undefined) {
        reject(new CorralError('CORRAL_CELL_START', 'No cell is free to look at the bundle.'));
        return;
      }
      this.#waiting.set(cell, { source, resolve, reject });
      if (cell.ready) this.onReady(cell);
    });
  }

  onReady(cell: Cell): void {
    const waiting = this.#waiting.get(cell);
    if (waiting === undefined) return;
    const { memory_mib, message_bytes } = DEFAULT_CEILINGS;
    cell.describe(
      { digest: digestOf(waiting.source), source: waiting.source },
      { agent: '', at: 0, memory_mib, seed: '0'.repeat(64), message_bytes, log_bytes: message_bytes, load_cpu_us: LOAD_CPU_US },
    );
  }

  onDescribed(cell: Cell, result: { readonly manifests: string } | { readonly fault: FaultPayload }): void {
    const waiting = this.#waiting.get(cell);
    if (waiting === undefined) return;
    this.#waiting.delete(cell);
    cell.kill();
    if ('fault' in result) waiting.reject(refusal(result.fault));
    else {
      try {
        waiting.resolve(JSON.parse(result.manifests));
      } catch {
        waiting.reject(new CorralError('CORRAL_BUNDLE_INVALID', 'The bundle describes itself in something that is no JSON.'));
      }
    }
  }

  onGone(cell: Cell, message: string): void {
    const waiting = this.#waiting.get(cell);
    if (waiting === undefined) return;
    this.#waiting.delete(cell);
    waiting.reject(new CorralError(cell.runtime === undefined ? 'CORRAL_CELL_START' : 'CORRAL_BUNDLE_INVALID', message));
  }
}

/** The prelude's own errors carry their code in front of the message, since only text crosses. */
function refusal(fault: FaultPayload): CorralError {
  if (fault.fault !== 'load') return new CorralError('CORRAL_BUNDLE_INVALID', `The bundle could not be loaded: ${fault.message}`);
  const code = (['CORRAL_MANIFEST_INVALID', 'CORRAL_SCHEMA_INVALID'] as const).find((one) => fault.stack?.includes(one) === true);
  return new CorralError(code ?? 'CORRAL_BUNDLE_INVALID', code === undefined ? `The bundle could not be loaded: ${fault.message}` : fault.message);
}
