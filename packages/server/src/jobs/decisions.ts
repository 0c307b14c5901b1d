/**
 * Writes down what people decide about calls, so that it can be listed and counted without reading journals. The journal is authoritative: what a
 * crash kept from being written is added from the journals of the calls that were open then.
 */
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import { ASK_OWNER } from '@corral/protocol/model/question';
import type { Asked, Decided, DecidedAs } from '@corral/protocol/ports/approvals';
import type { FrontStore } from '@corral/protocol/ports/front';
import type { Observation } from '@corral/supervisor';
import { pagesOf } from '../evidence/pages.ts';
import { breathe } from '../evidence/serial-queue.ts';
import type { HostPort } from '../ports.ts';

export interface DecisionsOptions {
  readonly host: Pick<HostPort, 'observe' | 'stored' | 'journal' | 'view' | 'approvals'>;
  readonly db: Pick<FrontStore, 'approvals' | 'runs' | 'together'>;
  readonly now: () => number;
}

type Said = Extract<Observation, { kind: 'decided' }>;
/** Entries of a journal that are read at a time. */
const PAGE = 200;

const verdictOf = (verdict: Said['verdict'], question: boolean): DecidedAs =>
  !question || verdict === 'expired' ? verdict : verdict === 'approve' ? 'answer' : 'decline';

export class Decisions {
  readonly #options: DecisionsOptions;

  constructor(options: DecisionsOptions) {
    this.#options = options;
    options.host.observe((observation) => this.#heard(observation));
  }

  /** Adds decisions that a crash kept from being written. @param inOrder the host before stopped in order, so there are none */
  async catchUp(inOrder: boolean): Promise<void> {
    if (inOrder) return;
    const { host, db } = this.#options;
    const opened = Map.groupBy(db.approvals.opened(), ({ run }) => run);
    for (const [run, calls] of opened) {
      await this.#addFrom(run as RunId, calls).catch((error: unknown) => {
        // It is erased or damaged: nothing more will be known of it.
        if (!(error instanceof CorralError)) throw error;
        db.approvals.close(run);
      });
      await breathe();
    }
    // Those that were asked about while the crash came have no row either.
    for (const { run, call, tool, shape, since } of await host.approvals({ onDamaged: () => undefined }))
      db.approvals.open({ run, call, tool, shape, asked_at: since });
  }

  /** If the disk is full, the run goes on: the decision is in its journal. */
  #heard(observation: Observation): void {
    const { approvals } = this.#options.db;
    try {
      if (observation.kind === 'asked') {
        const { run, call, tool, shape } = observation;
        approvals.open({ run, call, tool, shape, asked_at: this.#options.now() });
      }
      if (observation.kind === 'decided') this.#decided(observation);
      if (observation.kind === 'ended') approvals.close(observation.run);
    } catch (error) {
      if (!(error instanceof CorralError) || error.code !== 'CORRAL_DISK_FULL') throw error;
    }
  }

  #decided({ run, call, by, verdict, reason, tool, since, shape, last, question }: Said): void {
    const { host, db, now } = this.#options;
    const about = host.view(run) ?? db.runs.get(run);
    if (about === undefined) return;
    const { tenant, agent } = about;
    const row = {
      run,
      call,
      tenant,
      agent,
      tool,
      shape,
      verdict: verdictOf(verdict, question),
      by,
      reason,
      asked_at: since,
      at: now(),
    };
    db.together(() => {
      db.approvals.decided(row);
      if (last) db.approvals.close(run, call);
    });
  }

  async #addFrom(run: RunId, calls: readonly Asked[]): Promise<void> {
    const { host, db } = this.#options;
    const stored = await host.stored(run);
    if (stored === undefined) return db.approvals.close(run);
    const { tenant, agent } = stored.record;
    const asked = new Map(calls.map((one) => [one.call, one]));
    const found: Decided[] = [];
    for await (const page of pagesOf((...of) => host.journal(...of), run, PAGE))
      for (const { event, at } of page) {
        const of = event?.kind === 'approval' ? asked.get(event.id) : undefined;
        if (event?.kind !== 'approval' || of === undefined) continue;
        const { tool, shape, asked_at } = of;
        const { id: call, by, reason, verdict, answer, goes_on } = event;
        const question = tool === ASK_OWNER || answer !== undefined || goes_on === true;
        found.push({ run, call, tenant, agent, tool, shape, verdict: verdictOf(verdict, question), by, reason, asked_at, at });
      }
    const waiting = new Set((await host.approvals({ run })).map(({ call }) => call));
    db.together(() => {
      for (const row of found) db.approvals.decided(row);
      for (const { call } of calls) if (!waiting.has(call)) db.approvals.close(run, call);
    });
  }
}
