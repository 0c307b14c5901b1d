/**
 * The people whose private data is in what runs hold: in the entries of their journals, their inputs and their outcomes. Entries say it themselves; of
 * those from before hosts recorded it, it is computed from the journal, and remembered.
 */
import { unionOf } from '@corral/policy/flow/labels';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { Names } from '@corral/protocol/model/label';
import type { Entry, RunRecord } from '@corral/protocol/model/run';
import type { StoredRun } from '@corral/protocol/ports/store';

/** Runs with older entries of which it is remembered. */
const KEPT = 500;
const NONE: Names = [];
/** The label of something about which nothing is known. */
const UNKNOWN: Names = ['*'];
const UNREADABLE: ReadonlySet<string> = new Set(['CORRAL_JOURNAL_DAMAGED', 'CORRAL_RUN_ERASED', 'CORRAL_RUN_UNKNOWN']);

interface Computed {
  /** The last entry that there was. */
  readonly seq: number;
  readonly names: Promise<ReadonlyMap<number, Names> | undefined>;
}

/** The parts of a host that it reads. */
export interface Journals {
  readonly journal: (run: RunId, after: number, limit: number) => Promise<readonly Entry[]>;
  /** @throws CORRAL_JOURNAL_DAMAGED, CORRAL_RUN_ERASED, CORRAL_RUN_UNKNOWN */
  readonly privateIn: (run: RunId) => Promise<ReadonlyMap<number, Names>>;
}

export class Labels {
  readonly #host: Journals;
  readonly #computed = new Map<RunId, Computed>();

  constructor(host: Journals) {
    this.#host = host;
  }

  /** The names for entries that follow each other in one journal. */
  async of(run: RunId, entries: readonly Entry[]): Promise<readonly Names[]> {
    const last = entries.findLast(({ private_to }) => private_to === undefined);
    if (last === undefined) return entries.map(({ private_to }) => private_to as Names);
    const computed = await this.#compute(run, last.seq);
    return entries.map(({ seq, private_to }) => private_to ?? (computed === undefined ? UNKNOWN : (computed.get(seq) ?? NONE)));
  }

  /** An entry with it; undefined if it is no longer there. */
  async entry(of: string, seq: number): Promise<{ readonly entry: Entry; readonly private_to: Names } | undefined> {
    const run = of as RunId;
    const entries = await this.#host.journal(run, seq - 1, 1);
    const [entry] = entries;
    return entry === undefined ? undefined : { entry, private_to: (await this.of(run, entries))[0] ?? UNKNOWN };
  }

  /** The names for what a run holds now, and for its outcome, which has the label of its last entry. */
  async ofRun({ record, status, seq }: Pick<StoredRun, 'record' | 'status' | 'seq'>): Promise<Names> {
    if (status.outcome !== undefined && status.private_to !== undefined) return status.private_to;
    if (seq === 0) return ofInput(record);
    const entries = await this.#host.journal(record.id, seq - 1, 1).catch((error: unknown) => {
      if (!(error instanceof CorralError) || error.audience === 'bug') throw error;
      return undefined;
    });
    if (entries === undefined) return UNKNOWN;
    return (await this.of(record.id, entries))[0] ?? ofInput(record);
  }

  #compute(run: RunId, seq: number): Promise<ReadonlyMap<number, Names> | undefined> {
    const known = this.#computed.get(run);
    if (known !== undefined && known.seq >= seq) return known.names;
    const names = this.#host.privateIn(run).catch((error: unknown) => {
      if (error instanceof CorralError && UNREADABLE.has(error.code)) return undefined;
      this.#computed.delete(run);
      throw error;
    });
    this.#computed.delete(run);
    this.#computed.set(run, { seq, names });
    const [oldest] = this.#computed.keys();
    if (this.#computed.size > KEPT && oldest !== undefined) this.#computed.delete(oldest);
    return names;
  }
}

/** The names for the input of a run, with the values of its handles, of its program and of its key. */
export function ofInput({ label, handles = [] }: Pick<RunRecord, 'label' | 'handles'>): Names {
  return handles.reduce((all, one) => unionOf(all, one.label.private_to), label?.private_to ?? NONE);
}
