/**
 * Trial replay: replays a run from its journal, on its own bundle or on another one, in a borrowed cell that is killed afterwards. The
 * effects of each crank are compared with the recorded ones and dropped; none of them is carried out.
 */
import { differenceText, firstDifferenceOf, type Difference } from '@corral/protocol/wire/difference';
import { CorralError } from '@corral/protocol/errors';
import { loadCpuMs } from '@corral/protocol/limits';
import type { FaultKind } from '@corral/protocol/wire/frame';
import type { Digest, TenantId } from '@corral/protocol/ids';
import type { ProcessExit } from '@corral/protocol/ports/machine';
import type { Entry, RunRecord } from '@corral/protocol/model/run';
import { lastWords } from '../runs/outcomes.ts';
import { programText } from '../admission/programs.ts';
import type { Cell, CellEvents } from '../cells/cell.ts';
import type { BundleText } from '../cells/wire.ts';
import type { Signals } from '../events/signal.ts';
import { REPLAY_FACTOR, REPLAY_SLACK_US, segmentSeed, segmentsOf } from '../runs/segment.ts';

/** One replayed crank. */
export interface TrialStep {
  /** Number of the crank's entry. */
  readonly crank: number;
  /** Effects of the replay, as a JSON array; undefined if the isolate did not survive the crank. */
  readonly effects: string | undefined;
  readonly cpu_us: number;
  readonly difference: TrialDifference | undefined;
  /** Where the agent was when its isolate did not survive the crank, as the cell reported it. */
  readonly stack?: string | undefined;
}

/** The first difference of a replay. `fault`: the isolate did not survive the crank, and `seen` says why. */
export interface TrialDifference extends Omit<Difference, 'kind'> {
  readonly crank: number;
  readonly kind: Difference['kind'] | 'fault';
  readonly fault?: FaultKind | 'crashed';
}

/** Says to people how a crank differs from the recorded one. */
export const trialDifferenceText = ({ crank, kind, seen, ...rest }: TrialDifference): string =>
  kind === 'fault' ? `crank ${crank} did not return: ${seen}` : `crank ${crank}: ${differenceText({ ...rest, kind, seen })}`;

export interface TrialOptions {
  readonly record: RunRecord;
  /** The bundle on which the run is replayed, or a function that loads the bundle on which a segment was recorded. */
  readonly bundle: BundleText | ((digest: Digest) => Promise<BundleText>);
  readonly entries: readonly Entry[];
  /** Number of the checkpoint's entry that precedes `entries`; 0 if they begin with the first entry. */
  readonly checkpoint?: number;
  /** The last crank to replay. */
  readonly to?: number;
  /** The crank that the cell itself interrupts once it, or the load before it, has used the run's limit, so that its stack is known. */
  readonly armed?: number;
  readonly onStep?: (step: TrialStep) => void;
}

export interface TrialResult {
  /** Cranks that were replayed, the one that differs included. */
  readonly cranks: number;
  /** CPU time of all of them in microseconds. */
  readonly cpu_us: number;
  readonly difference: TrialDifference | undefined;
}

/** A cell's answer to a crank. */
type Answer =
  | { readonly effects: string; readonly cpu_us: number }
  | { readonly fault: FaultKind | 'crashed'; readonly message: string; readonly cpu_us: number; readonly stack?: string | undefined };

interface Underway {
  readonly memory_mib: number;
  /** Resolves once the cell has started; rejects if it ends before that. */
  readonly ready: PromiseWithResolvers<undefined>;
  answer: ((answer: Answer) => void) | undefined;
  /** The limit for which the cell was killed. */
  exceeded: string | undefined;
  /** Why the cell has ended. */
  gone: string | undefined;
}

/** Time for loading at least, in milliseconds: another bundle, or a new cell, may take longer than was recorded. */
const LOAD_MS = 2_000;

export class Trials {
  readonly #borrow: (tenant: TenantId) => Promise<Cell>;
  readonly #onCpu: () => void;
  readonly #underway = new Map<Cell, Underway>();

  /**
   * @param cells events of all cells, of which most are not borrowed
   * @param onCpu called when a cell gets work, so that the watchdog checks it soon
   */
  constructor(borrow: (tenant: TenantId) => Promise<Cell>, cells: Signals<CellEvents>, onCpu: () => void) {
    this.#borrow = borrow;
    this.#onCpu = onCpu;
    cells.onReady.listen((cell) => this.#underway.get(cell)?.ready.resolve(undefined));
    cells.onCranked.listen((cell, _, effects, { cpu_us }) => this.#answer(cell, { effects, cpu_us }));
    cells.onFault.listen((cell, _, _assignment, { fault, message, stack }, { cpu_us }) =>
      this.#answer(cell, { fault, message, cpu_us, stack }),
    );
    cells.onExit.listen((cell, exit, error) => this.#gone(cell, exit, error));
  }

  /**
   * Replays until the end, or until something differs.
   * @throws CORRAL_CELL_START, CORRAL_RATE_LIMITED
   */
  async run(options: TrialOptions): Promise<TrialResult> {
    const { record, bundle, entries, to = Number.POSITIVE_INFINITY, onStep } = options;
    const { memory_mib, message_bytes, model_request_bytes, log_bytes, crank_cpu_ms } = record.ceilings;
    const cell = await this.#borrow(record.tenant);
    const underway: Underway = { memory_mib, ready: Promise.withResolvers(), answer: undefined, exceeded: undefined, gone: undefined };
    this.#underway.set(cell, underway);
    if (cell.dead) underway.ready.reject(new CorralError('CORRAL_CELL_START', 'The cell ended before the replay began.'));
    else if (cell.ready) underway.ready.resolve(undefined);
    let cranks = 0;
    let cpu_us = 0;
    try {
      await underway.ready.promise;
      for (const segment of segmentsOf(entries, record.bundle, options.checkpoint)) {
        if ((segment.cranks[0]?.seq ?? 0) > to) break;
        const seed = segmentSeed(record.header.seed, segment.checkpoint);
        const start = { agent: record.agent, at: record.created_at, memory_mib, seed, message_bytes, model_request_bytes, log_bytes };
        const text = programText(record) ?? (typeof bundle === 'function' ? await bundle(segment.bundle) : bundle);
        const load_ms = loadCpuMs(text.source, record.ceilings);
        const isArmed = segment.cranks[0]?.seq === options.armed;
        const assignment = cell.start(text, start, load_ms + LOAD_MS, undefined, isArmed ? load_ms : 0);
        for (const { seq, delivery, effects, cpu_us: took } of segment.cranks) {
          if (seq > to) break;
          const limit_ms = (took * REPLAY_FACTOR + REPLAY_SLACK_US) / 1000;
          const answer = await this.#ask(underway, () =>
            cell.crank(assignment, seq, delivery, limit_ms, seq === options.armed ? crank_cpu_ms : 0),
          );
          const difference = compare(seq, effects, answer);
          cranks += 1;
          cpu_us += answer.cpu_us;
          onStep?.({
            crank: seq,
            effects: 'effects' in answer ? answer.effects : undefined,
            cpu_us: answer.cpu_us,
            difference,
            ...('stack' in answer ? { stack: answer.stack } : {}),
          });
          if (difference !== undefined) return { cranks, cpu_us, difference };
        }
        cell.drop(assignment);
      }
      return { cranks, cpu_us, difference: undefined };
    } finally {
      this.#underway.delete(cell);
      cell.kill();
    }
  }

  /** Memory ceiling of the run that is replayed in this cell; undefined if none is. */
  memory_mib(cell: Cell): number | undefined {
    return this.#underway.get(cell)?.memory_mib;
  }

  /** Called when the task of a cell exceeded a limit. @returns whether it was a trial replay, which was ended */
  exceeded(cell: Cell, message: string): boolean {
    const underway = this.#underway.get(cell);
    if (underway === undefined) return false;
    underway.exceeded = message;
    cell.kill();
    return true;
  }

  #ask(underway: Underway, send: () => void): Promise<Answer> {
    return new Promise((resolve) => {
      if (underway.gone !== undefined) return resolve({ fault: 'crashed', message: underway.gone, cpu_us: 0 });
      underway.answer = resolve;
      send();
      this.#onCpu();
    });
  }

  #answer(cell: Cell, answer: Answer): void {
    const underway = this.#underway.get(cell);
    underway?.answer?.(answer);
    if (underway !== undefined) underway.answer = undefined;
  }

  #gone(cell: Cell, exit: ProcessExit, error: CorralError | undefined): void {
    const underway = this.#underway.get(cell);
    if (underway === undefined) return;
    const message = underway.exceeded ?? error?.message ?? `The cell ended. ${lastWords(exit)}`.trim();
    underway.ready.reject(new CorralError('CORRAL_CELL_START', message));
    underway.gone = message;
    this.#answer(cell, { fault: 'crashed', message, cpu_us: 0 });
  }
}

function compare(crank: number, recorded: string, answer: Answer): TrialDifference | undefined {
  if ('fault' in answer) {
    const { fault, message } = answer;
    return { crank, index: 0, kind: 'fault', fault, expected: recorded.slice(0, 500), seen: message };
  }
  const difference = firstDifferenceOf(recorded, answer.effects);
  return difference && { crank, ...difference };
}
