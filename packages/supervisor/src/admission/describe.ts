/** Asks a bundle which agents it defines. This executes its code, so it happens in a separate cell, which is killed afterwards. */
import { CorralError } from '@corral/protocol/errors';
import type { FaultPayload } from '@corral/protocol/wire/frame';
import type { TenantId } from '@corral/protocol/ids';
import { DEFAULT_CEILINGS, loadCpuMs } from '@corral/protocol/limits';
import type { Cell } from '../cells/cell.ts';
import { digestOf } from './admission.ts';

/** CPU time of a description at least, in milliseconds: it writes schemas, in a cell that is new. */
const DESCRIBE_MS = 2_000;

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
   * @param sources bundles of one author: they are loaded one after the other in the same cell, which must not mix authors
   * @param tenant that owns the bundles; undefined for the host's own
   * @throws CORRAL_BUNDLE_INVALID, CORRAL_MANIFEST_INVALID, CORRAL_SCHEMA_INVALID, CORRAL_CELL_START, CORRAL_RATE_LIMITED
   */
  async describe(sources: readonly string[], tenant: TenantId | undefined): Promise<readonly unknown[]> {
    const cell = await this.#borrow(tenant);
    return new Promise((resolve, reject) => {
      this.#waiting.set(cell, { sources: [...sources], manifests: [], resolve, reject });
      if (cell.dead) this.onGone(cell, 'The cell ended before it had described the bundle.');
      else if (cell.ready) this.next(cell);
    });
  }

  /** Has the cell describe the next bundle. After the last one, resolves with the manifests and kills the cell. */
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
      Math.max(DESCRIBE_MS, loadCpuMs(source, DEFAULT_CEILINGS)),
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
        error instanceof CorralError ? error : new CorralError('CORRAL_BUNDLE_INVALID', 'The description of the bundle is not JSON.'),
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

/** Only text crosses from an isolate, so the prelude begins the messages of its own errors with their code. */
function refusal(fault: FaultPayload): CorralError {
  const code = (['CORRAL_MANIFEST_INVALID', 'CORRAL_SCHEMA_INVALID', 'CORRAL_BUNDLE_INVALID'] as const).find((one) =>
    fault.message.startsWith(`${one}: `),
  );
  if (code !== undefined) return new CorralError(code, fault.message.slice(code.length + 2));
  const what = fault.message.startsWith(NOT_AN_ERROR) ? 'it threw something that is not an Error' : fault.message;
  return new CorralError('CORRAL_BUNDLE_INVALID', `The bundle could not be loaded: ${what}${innermost(fault.stack)}`);
}

/** Start of isolated-vm's message about a thrown value that it cannot copy out of the isolate. */
const NOT_AN_ERROR = 'An object was thrown from supplied code within isolated-vm';

/** Innermost position in the bundle, which the author's source map translates to a position in the source. */
function innermost(stack = ''): string {
  const [position] = /\bagent\.js:\d+:\d+/.exec(stack) ?? [];
  return position === undefined ? '' : ` (at ${position})`;
}
