/** Asks a bundle what it defines. Its code runs, so this happens in a cell of its own that is thrown away afterwards. */
import { CorralError } from '@corral/protocol/errors';
import type { FaultPayload } from '@corral/protocol/wire/frame';
import type { TenantId } from '@corral/protocol/ids';
import { DEFAULT_CEILINGS } from '@corral/protocol/limits';
import type { Cell } from '../cells/cell.ts';
import { digestOf } from './admission.ts';

/** Loading a large bundle for the first time takes longer than a crank may. */
const LOAD_MS = 2_000;

interface Waiting {
  readonly sources: string[];
  readonly manifests: unknown[];
  readonly resolve: (manifests: readonly unknown[]) => void;
  readonly reject: (error: CorralError) => void;
}

export class Describer {
  readonly #borrow: (tenant: TenantId | undefined) => Promise<Cell>;
  readonly #waiting = new Map<Cell, Waiting>();

  constructor(borrow: (tenant: TenantId | undefined) => Promise<Cell>) {
    this.#borrow = borrow;
  }

  /**
   * @param sources bundles of one author, who may as well look into their own
   * @param tenant whose they are; undefined for the host's own
   * @throws CORRAL_BUNDLE_INVALID, CORRAL_MANIFEST_INVALID, CORRAL_SCHEMA_INVALID, CORRAL_CELL_START, CORRAL_RATE_LIMITED
   */
  async describe(sources: readonly string[], tenant: TenantId | undefined): Promise<readonly unknown[]> {
    const cell = await this.#borrow(tenant);
    return new Promise((resolve, reject) => {
      this.#waiting.set(cell, { sources: [...sources], manifests: [], resolve, reject });
      if (cell.dead) this.onGone(cell, 'The cell that was to look at it has ended.');
      else if (cell.ready) this.next(cell);
    });
  }

  /** Goes on with the next bundle that a cell is to look at. */
  next(cell: Cell): void {
    const waiting = this.#waiting.get(cell);
    if (waiting === undefined) return;
    const source = waiting.sources.shift();
    if (source === undefined) {
      this.#done(cell);
      waiting.resolve(waiting.manifests);
      return;
    }
    const { memory_mib, message_bytes } = DEFAULT_CEILINGS;
    cell.describe(
      { digest: digestOf(source), source },
      { agent: '', at: 0, memory_mib, seed: '0'.repeat(64), message_bytes, log_bytes: message_bytes },
      LOAD_MS,
    );
  }

  onDescribed(cell: Cell, result: { readonly manifests: string } | { readonly fault: FaultPayload }): void {
    const waiting = this.#waiting.get(cell);
    if (waiting === undefined) return;
    try {
      if ('fault' in result) throw refusal(result.fault);
      waiting.manifests.push(JSON.parse(result.manifests));
    } catch (error) {
      this.#done(cell);
      waiting.reject(
        error instanceof CorralError
          ? error
          : new CorralError('CORRAL_BUNDLE_INVALID', 'The bundle describes itself in something that is not JSON.'),
      );
      return;
    }
    this.next(cell);
  }

  onGone(cell: Cell, message: string): void {
    const waiting = this.#waiting.get(cell);
    if (waiting === undefined) return;
    this.#waiting.delete(cell);
    waiting.reject(new CorralError(cell.runtime === undefined ? 'CORRAL_CELL_START' : 'CORRAL_BUNDLE_INVALID', message));
  }

  #done(cell: Cell): void {
    this.#waiting.delete(cell);
    cell.kill();
  }
}

/** The prelude's own errors are known by their code, which the prelude puts where only text crosses. */
function refusal(fault: FaultPayload): CorralError {
  const code = (['CORRAL_MANIFEST_INVALID', 'CORRAL_SCHEMA_INVALID', 'CORRAL_BUNDLE_INVALID'] as const).find((one) =>
    fault.message.startsWith(`${one}: `),
  );
  if (code !== undefined) return new CorralError(code, fault.message.slice(code.length + 2));
  const what = fault.message.startsWith(NOT_AN_ERROR) ? 'it threw something that is not an Error' : fault.message;
  return new CorralError('CORRAL_BUNDLE_INVALID', `The bundle could not be loaded: ${what}${innermost(fault.stack)}`);
}

/** How isolated-vm says that an isolate threw what cannot be carried out of it. */
const NOT_AN_ERROR = 'An object was thrown from supplied code within isolated-vm';

/** Where in the bundle it happened, which its author's source map leads further. */
function innermost(stack = ''): string {
  const [position] = /\bagent\.js:\d+:\d+/.exec(stack) ?? [];
  return position === undefined ? '' : ` (at ${position})`;
}
