/** Pauses and resumes a run together with its descendants. The journal of each run records whose pause it was. */
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { Receipt } from '@corral/protocol/model/receipt';
import type { Clock } from '@corral/protocol/ports/machine';
import type { Control } from './control.ts';
import { endChild, UNREADABLE, type FamilyOptions } from '../runs/family.ts';
import { retry } from '../runs/retry.ts';
import type { Transitions } from '../events/transitions.ts';

export interface FamiliesOptions extends FamilyOptions {
  readonly clock: Clock;
  readonly control: Control;
  readonly transitions: Transitions;
}

/** A receipt to which children are still added. */
type Gathered = Omit<Receipt, 'children'> & { readonly children: Receipt[] };

const hasCode = (error: unknown, codes: ReadonlySet<string>): boolean => error instanceof CorralError && codes.has(error.code);
const STANDS: ReadonlySet<string> = new Set(['CORRAL_RUN_STATE']);
const GONE: ReadonlySet<string> = new Set(['CORRAL_RUN_UNKNOWN']);
/** The run has ended, is not paused, was paused by somebody else, must not go on, or cannot be read. */
const NOT_TO_RESUME: ReadonlySet<string> = new Set([...STANDS, ...GONE, ...UNREADABLE, 'CORRAL_QUARANTINED']);

export class Families {
  readonly #options: FamiliesOptions;
  readonly #turns = new Map<RunId, Promise<unknown>>();
  #closed = false;

  constructor(options: FamiliesOptions) {
    this.#options = options;
    options.transitions.lifecycle.onOrphaned.listen((child) => void this.endOrphan(child));
  }

  /** From now on, no orphan's end is tried again. */
  close(): void {
    this.#closed = true;
  }

  /**
   * Ends a child whose parent has ended, also if it is parked; a child that was cancelled keeps the rest of its grace. Resolves once the
   * end is durable, or scheduled to be tried again.
   */
  async endOrphan(child: RunId): Promise<void> {
    const end = () => endChild(this.#options, child, true);
    try {
      await end();
    } catch (error) {
      // A run that cannot be read is in quarantine, so it does nothing.
      if (error instanceof CorralError && error.code === 'CORRAL_JOURNAL_DAMAGED') return;
      // The node that holds it finds it by its sweep.
      if (error instanceof CorralError && error.code === 'CORRAL_RUN_HELD') return;
      retry(this.#options.clock, () => this.#closed, end);
    }
  }

  /**
   * Pauses a run and its descendants. Runs that are stopped already are left as they are. Resolves when every living descendant is stopped;
   * the receipt contains the receipts of those that this pause stopped.
   * @throws CORRAL_RUN_STATE if all of them were stopped already, or if the run was resumed meanwhile
   */
  pause(id: RunId, by: string, reason: string): Promise<Receipt> {
    return this.#inTurn(id, async () => {
      const pause = (run: RunId) => this.#options.control.pause(run, by, reason, 'paused', id);
      // The run itself first: once it is paused it spawns no child that the search below could miss.
      const own = await pause(id).catch((error: unknown) => refusalIf(error, STANDS));
      const children = await this.#stop(id, pause);
      return this.#receipt(id, own, children, { operation: 'pause', by, reason });
    });
  }

  /**
   * Resumes a run, and those descendants that were paused with it; descendants that others paused or quarantined stay stopped.
   * @throws CORRAL_RUN_STATE if there is nothing to resume; CORRAL_QUARANTINED
   */
  resume(id: RunId, by: string, reason: string): Promise<Receipt> {
    return this.#inTurn(id, async () => {
      const { store, control } = this.#options;
      const own = await control.resume(id, by, reason).catch((error: unknown) => refusalIf(error, STANDS));
      const below = await store.descendants(id);
      const resumed = await Promise.all(
        below.map(async (child) => {
          // The store is asked first, so that only paused runs are brought into memory.
          if ((await store.run(child))?.status.control !== 'paused') return undefined;
          const receipt = await control
            .resume(child, by, reason, { family: id })
            .catch((error: unknown) => refusalIf(error, NOT_TO_RESUME));
          return 'refused' in receipt ? undefined : receipt;
        }),
      );
      const receipts = resumed.filter((receipt) => receipt !== undefined);
      return this.#receipt(id, own, await this.#nested(id, receipts), { operation: 'resume', by, reason });
    });
  }

  /** Stops the living descendants of a run; repeats the search until it finds no further one. @returns their receipts, nested by parent */
  async #stop(id: RunId, pause: (child: RunId) => Promise<Receipt>): Promise<Receipt[]> {
    const { store } = this.#options;
    const still = new Set<RunId>();
    const receipts: Receipt[] = [];
    for (;;) {
      await this.#mustStand(id);
      const left = (await store.descendants(id)).filter((child) => !still.has(child));
      if (left.length === 0) return this.#nested(id, receipts);
      const asked = await Promise.allSettled(left.map((child) => this.#stopOne(child, pause, still)));
      for (const one of asked) {
        if (one.status === 'rejected') throw one.reason;
        if (one.value !== undefined) receipts.push(one.value);
      }
    }
  }

  /** @throws the error with which the store refused the pause */
  async #stopOne(child: RunId, pause: (child: RunId) => Promise<Receipt>, still: Set<RunId>): Promise<Receipt | undefined> {
    const { broker } = this.#options;
    try {
      const receipt = await pause(child);
      still.add(child);
      return receipt;
    } catch (error) {
      // The run is stopped already (a pause that was under way has been awaited), or cannot be read and so does not run.
      if (hasCode(error, STANDS) || hasCode(error, UNREADABLE)) still.add(child);
      else if (!hasCode(error, GONE)) throw error;
      // The run's spawn or its end may not be durable yet. The store then tells whether it ended; an end can be refused, and the run goes on.
      await broker.settled(child);
      return undefined;
    }
  }

  async #mustStand(id: RunId): Promise<void> {
    const run = await this.#options.residency.hold(id);
    if (run === undefined || run.outcome !== undefined)
      throw new CorralError('CORRAL_RUN_UNKNOWN', `${id} ended before all of its descendants were paused.`);
    if (run.control === 'none') throw new CorralError('CORRAL_RUN_STATE', `${id} was resumed before all of its descendants were paused.`);
  }

  /** Nests each receipt in that of the nearest ancestor that has one. @returns the receipts without such an ancestor */
  async #nested(id: RunId, receipts: readonly Receipt[]): Promise<Receipt[]> {
    const { store } = this.#options;
    const byRun = new Map(receipts.map((receipt): [RunId, Gathered] => [receipt.run, { ...receipt, children: [...receipt.children] }]));
    const above = async (run: RunId): Promise<Gathered | undefined> => {
      for (let at = await parentOf(run); at !== undefined && at !== id; at = await parentOf(at)) {
        const found = byRun.get(at);
        if (found !== undefined) return found;
      }
      return undefined;
    };
    const parentOf = async (run: RunId) => (await store.run(run))?.record.parent?.run;
    const top: Receipt[] = [];
    for (const one of byRun.values()) ((await above(one.run))?.children ?? top).push(one);
    return top;
  }

  async #receipt(
    id: RunId,
    own: Receipt | Refusal,
    children: readonly Receipt[],
    said: Pick<Receipt, 'operation' | 'by' | 'reason'>,
  ): Promise<Receipt> {
    if (!('refused' in own)) return { ...own, children };
    // The run itself was in that state before, but one of its descendants was not.
    const run = children.length === 0 ? undefined : await this.#options.residency.hold(id);
    if (run === undefined) throw own.refused;
    const { lifecycle, control } = run;
    const nothing = { latency_ms: 0, cell_killed: false, grants_revoked: 0, calls_aborted: 0, calls_unknown: [] };
    return { run: id, ...said, ...nothing, lifecycle, control, children };
  }

  /** Pauses and resumptions of one family run one after the other. */
  async #inTurn<T>(id: RunId, work: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(id) ?? Promise.resolve();
    const turn = before.then(work, work);
    this.#turns.set(id, turn);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(id) === turn) this.#turns.delete(id);
    }
  }
}

interface Refusal {
  readonly refused: unknown;
}

/** @throws the error itself, if it has another code */
function refusalIf(error: unknown, codes: ReadonlySet<string>): Refusal {
  if (hasCode(error, codes)) return { refused: error };
  throw error;
}
