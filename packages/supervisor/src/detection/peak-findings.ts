/**
 * The highest confidence that each detector reached in a run, read from its journal. The steps in the journal record the confidence at
 * which a threshold was crossed; to try another threshold, one needs the highest. Marks are stored with these findings.
 */
import { Ledger } from '@corral/broker/ledger/ledger';
import { RunDetectors } from '@corral/broker/ledger/detectors';
import type { DetectorName, Finding } from '@corral/policy/detection/list';
import { STEPS, type Step } from '@corral/policy/detection/steps';
import type { Entry, RunRecord } from '@corral/protocol/model/run';
import { tempered } from './watching.ts';
import type { Profiles } from './profiles.ts';

/** The finding of a detector with the highest confidence, and the highest step that the detector caused. */
export interface Peak {
  readonly finding: Finding;
  readonly step: Exclude<Step, 'observe'> | null;
}

class Listening extends RunDetectors {
  readonly heard: Finding[] = [];
  override settle(): void {
    super.settle();
    this.heard.push(...this.settled.found);
  }
}

export class PeakFindings {
  readonly #found = new Map<DetectorName, Peak>();
  readonly #watch: Listening;
  readonly #ledger: Ledger;
  readonly #checkpoint: number;

  /** @param checkpoint entry of the last checkpoint; if the entries before it were pruned, reading begins there */
  constructor(record: RunRecord, profiles: Profiles | undefined, checkpoint: number) {
    this.#watch = new Listening(record.profile === undefined ? undefined : profiles?.get(record.profile));
    this.#ledger = new Ledger(record, false, this.#watch);
    this.#checkpoint = checkpoint;
  }

  take(entry: Entry): void {
    const begins = this.#ledger.seq === 0 && entry.seq > 1;
    this.#ledger.apply(entry, begins ? { checkpoint: this.#checkpoint } : {});
    for (const finding of this.#watch.heard.splice(0)) this.#surest(tempered(finding), null);
    if (entry.event?.kind !== 'step' || entry.event.step === 'observe') return;
    // Findings across runs, and from measurements, are in a journal only as the reasons of the steps that they caused.
    for (const { detector, confidence, text, subjects, figures } of entry.event.because)
      this.#surest({ detector: detector as DetectorName, confidence, evidence: { text, events: [], subjects, figures } }, entry.event.step);
  }

  get all(): readonly Peak[] {
    return [...this.#found.values()];
  }

  #surest(finding: Finding, step: Peak['step']): void {
    const before = this.#found.get(finding.detector);
    const higher = before === undefined || rank(step) > rank(before.step) ? step : before.step;
    const surer = before === undefined || finding.confidence > before.finding.confidence ? finding : before.finding;
    this.#found.set(finding.detector, { finding: surer, step: higher });
  }
}

const rank = (step: Peak['step']): number => (step === null ? 0 : STEPS.indexOf(step));
