/** The pause of a run with all that descends from it, and their resumption: each run's journal says whose pause it was. */
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

/** A receipt's children, as they are gathered. */
type Gathered = Omit<Receipt, 'children'> & { readonly children: Receipt[] };

const hasCode = (error: unknown, codes: ReadonlySet<string>): boolean => error instanceof CorralError && codes.has(error.code);
const STANDS: ReadonlySet<string> = new Set(['CORRAL_RUN_STATE']);
const GONE: ReadonlySet<string> = new Set(['CORRAL_RUN_UNKNOWN']);
/** It has ended or goes on already, was paused by somebody else, may not go on, or cannot be read. */
const NOT_TO_RESUME: ReadonlySet<string> = new Set([...STANDS, ...GONE, ...UNREADABLE, 'CORRAL_QUARANTINED']);

export class Families {
  readonly #options: FamiliesOptions;
  readonly #turns = new Map<RunId, Promise<unknown>>();
  #closed = false;

  constructor(options: FamiliesOptions) {
    this.#options = options;
    options.transitions.lifecycle.onOrphaned.listen((child) => void this.endOrphan(child));
  }

  /** Nothing is begun any more. */
  close(): void {
    this.#closed = true;
  }

  /** A child goes with its parent, wherever it is; one that was cancelled has the rest of its grace. Resolves once its end is durable, or will be tried again. */
  async endOrphan(child: RunId): Promise<void> {
    const end = () => endChild(this.#options, child, true);
    try {
      await end();
    } catch (error) {
      // A run that cannot be read is quarantined, and does nothing any more.
      if (error instanceof CorralError && error.code === 'CORRAL_JOURNAL_DAMAGED') return;
      retry(this.#options.clock, () => this.#closed, end);
    }
  }

  /**
   * Pauses a run and whatever descends from it. What stands still already is left as it is. The receipt comes when every living
   * descendant stands still, and has the receipts of those that this pause stopped.
   * @throws CORRAL_RUN_STATE where all of it stood still already, or somebody resumed the run meanwhile
   */
  pause(id: RunId, by: string, reason: string): Promise<Receipt> {
    return this.#inTurn(id, async () => {
      const pause = (run: RunId) => this.#options.control.pause(run, by, reason, 'paused', id);
      // The run comes first: once it stands still it spawns nothing that the search below could miss.
      const own = await pause(id).catch((error: unknown) => refusalIf(error, STANDS));
      const children = await this.#stop(id, pause);
      return this.#receipt(id, own, children, { operation: 'pause', by, reason });
    });
  }

  /**
   * Lets a run go on, and those below it that its own pause paused; what others paused or put under quarantine stays so.
   * @throws CORRAL_RUN_STATE where there is nothing to resume; CORRAL_QUARANTINED
   */
  resume(id: RunId, by: string, reason: string): Promise<Receipt> {
    return this.#inTurn(id, async () => {
      const { store, control } = this.#options;
      const own = await control.resume(id, by, reason).catch((error: unknown) => refusalIf(error, STANDS));
      const below = await store.descendants(id);
      const resumed = await Promise.all(
        below.map(async (child) => {
          // Only those are brought into memory that the store has as paused.
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

  /** Stops whatever lives below a run, until a search finds nothing that was not looked at. @returns the receipts, as kin */
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

  /** @throws whatever the store refused it for */
  async #stopOne(child: RunId, pause: (child: RunId) => Promise<Receipt>, still: Set<RunId>): Promise<Receipt | undefined> {
    const { broker, residency } = this.#options;
    try {
      const receipt = await pause(child);
      still.add(child);
      return receipt;
    } catch (error) {
      // A pause that was under way has been waited for; what cannot be read does not run.
      if (hasCode(error, STANDS) || hasCode(error, UNREADABLE)) still.add(child);
      else if (!hasCode(error, GONE)) throw error;
      // One that is being born is asked for again; one that ends does nothing any more, though that may not be written yet.
      else if ((await residency.hold(child))?.outcome !== undefined) still.add(child);
      await broker.settled(child);
      return undefined;
    }
  }

  async #mustStand(id: RunId): Promise<void> {
    const run = await this.#options.residency.hold(id);
    if (run === undefined || run.outcome !== undefined)
      throw new CorralError('CORRAL_RUN_UNKNOWN', `${id} ended before all that descends from it stood still.`);
    if (run.control === 'none')
      throw new CorralError('CORRAL_RUN_STATE', `${id} was resumed before all that descends from it stood still.`);
  }

  /** Receipts within that of their parent, or of the nearest run above that has one. @returns those with none above */
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
    // It was so before; something below it was not.
    const run = children.length === 0 ? undefined : await this.#options.residency.hold(id);
    if (run === undefined) throw own.refused;
    const { lifecycle, control } = run;
    const nothing = { latency_ms: 0, cell_killed: false, grants_revoked: 0, calls_aborted: 0, calls_unknown: [] };
    return { run: id, ...said, ...nothing, lifecycle, control, children };
  }

  /** A pause and a resumption of one family do not mix. */
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

/** @throws what was refused for any other reason */
function refusalIf(error: unknown, codes: ReadonlySet<string>): Refusal {
  if (hasCode(error, codes)) return { refused: error };
  throw error;
}
