/**
 * Writes down what people decide about calls, so that it can be listed and counted without reading journals. The journal is authoritative, and the
 * store lists the entries that have decisions: those that have no row here, since the host crashed, the disk was full or they are older than the rows,
 * are read from their journals.
 */
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { DecidedAs, DecidedEntry } from '@corral/protocol/ports/approvals';
import type { FrontStore } from '@corral/protocol/ports/front';
import type { Observation } from '@corral/supervisor';
import { breathe } from '../evidence/serial-queue.ts';
import type { HostPort } from '../ports.ts';

export interface DecisionsOptions {
  readonly host: Pick<HostPort, 'observe' | 'view' | 'decisions' | 'decidedIn'>;
  readonly db: Pick<FrontStore, 'approvals' | 'runs' | 'together' | 'meta' | 'setMeta'>;
  readonly now: () => number;
}

type Verdict = Extract<Observation, { kind: 'decided' }>['verdict'] | 'withdrawn';
type Said = Omit<Extract<Observation, { kind: 'decided' }>, 'kind' | 'verdict'> & { readonly verdict: Verdict };
/** Entries that are looked at in one step: where rows are missing, as many journals may have to be read. */
const STEP = 100;
/** Number of the last entry that was looked at, among the facts about the host. */
const LOOKED = 'decisions';

function verdictOf(verdict: Verdict, question: boolean): DecidedAs {
  if (!question || verdict === 'expired' || verdict === 'withdrawn') return verdict;
  return verdict === 'approve' ? 'answer' : 'decline';
}

export class Decisions {
  readonly #options: DecisionsOptions;
  /** Entries may have been added that were not looked at; and the step that is under way. */
  #behind = true;
  #looking: Promise<void> | undefined;

  constructor(options: DecisionsOptions) {
    this.#options = options;
    options.host.observe((observation) => this.#heard(observation));
  }

  /** Adds some of the decisions that have no row. Called at the start, and periodically: of many, each time takes the next ones. */
  catchUp(): Promise<void> {
    if (!this.#behind) return Promise.resolve();
    return (this.#looking ??= this.#step().finally(() => (this.#looking = undefined)));
  }

  async #step(): Promise<void> {
    const { host, db } = this.#options;
    this.#behind = false;
    try {
      const page = await host.decisions(Number(db.meta(LOOKED) ?? 0), STEP);
      const last = page.at(-1);
      if (last === undefined) return;
      for (const [run, entries] of Map.groupBy(page, (one) => one.run)) await this.#complete(run, entries);
      db.setMeta(LOOKED, String(last.n));
      if (page.length === STEP) this.#behind = true;
    } catch (error) {
      this.#behind = true;
      throw error;
    }
  }

  async #complete(run: RunId, entries: readonly DecidedEntry[]): Promise<void> {
    const { host, db } = this.#options;
    if (entries.every(({ call, nth }) => call > 0 && db.approvals.count(run, call) >= nth)) return;
    await breathe();
    const about = db.runs.get(run);
    const found = await host.decidedIn(run).catch((error: unknown) => {
      // It is erased, pruned or damaged: nothing more will be known of it.
      if (!(error instanceof CorralError) || error.retryable) throw error;
      return [];
    });
    if (about === undefined || found.length === 0) return;
    const { tenant, agent } = about;
    db.together(() => {
      for (const { verdict, question, ...one } of found)
        db.approvals.decided({ run, tenant, agent, ...one, verdict: verdictOf(verdict, question) });
    });
  }

  /** If the disk is full, the run goes on: the decision is in its journal, and gets its row later. */
  #heard(observation: Observation): void {
    try {
      if (observation.kind === 'decided') this.#decided(observation);
      if (observation.kind === 'withdrawn') this.#decided({ ...observation, by: 'host', verdict: 'withdrawn', last: true });
      if (observation.kind === 'ended') this.#options.db.approvals.close(observation.run);
    } catch (error) {
      if (!(error instanceof CorralError) || error.code !== 'CORRAL_DISK_FULL') throw error;
    }
  }

  #decided({ run, call, by, verdict, reason, tool, since, shape, last, question }: Said): void {
    const { host, db, now } = this.#options;
    this.#behind = true;
    const about = host.view(run) ?? db.runs.get(run);
    if (about === undefined) return;
    const { tenant, agent } = about;
    const row = { run, call, tenant, agent, tool, shape, verdict: verdictOf(verdict, question), by, reason, asked_at: since, at: now() };
    db.together(() => {
      db.approvals.decided(row);
      if (last) db.approvals.close(run, call);
    });
  }
}
