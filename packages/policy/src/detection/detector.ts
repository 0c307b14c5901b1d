/**
 * The interface of a detector: a name, thresholds, a description, and, for a detector of one run, a fold over the run's acts, calls or
 * meters. A detector is a file of its own (of one run: in `run/`) and a line in list.ts; the configuration, the ladder, the saved state and the reference are
 * derived from the list.
 */
import type { Json } from '@corral/protocol/json';
import type { Act } from './acts.ts';
import type { Cycle } from './cycle.ts';
import type { RefusedWay } from './ends.ts';
import type { FindingOf, MeterSeen } from './events.ts';
import type { Profile, ProfiledCall } from './profile.ts';
import type { Thresholds, ThresholdLayer } from './steps.ts';
import type { StuckScore } from './stuck.ts';

export interface DetectorAbout<Name extends string = string> {
  readonly name: Name;
  /** `sees`: the behaviour it detects; `spares`: similar behaviour that it ignores. For people: docs/reference/detectors.md. */
  readonly sees: string;
  readonly spares: string;
  /** The detector's own thresholds. */
  readonly ladder: Thresholds;
  /** Changes to `ladder` that apply on every host by default. */
  readonly host?: ThresholdLayer;
}

/** The events of one run, by kind; a detector takes one kind. */
export interface RunEvents {
  /** A call with its result, or a message, compared with the acts before it. */
  readonly act: Act;
  /** A call that was asked for and not refused. */
  readonly call: AskedCall;
  readonly meter: MeterSeen;
  readonly refusal: RefusedWay;
}
export interface AskedCall extends ProfiledCall {
  readonly id: number;
}

/** The run as a detector may read it, besides its own state and the event, and its way to report. */
export interface WatchedRun {
  /** Number of the present event, from 0. */
  readonly position: number;
  readonly cycle: Cycle;
  /** The score after the present act. */
  readonly stuck: StuckScore;
  readonly profile: Profile | undefined;
  /**
   * Reports a finding. It is passed on only if it is new, has grown in confidence, or still holds some events later (detectors.ts).
   * @param confidence from 0 to 1, mostly by `sure`; the ladder compares it with the thresholds
   * @param about distinguishes findings of one detector: repeats of two tools are two findings
   * @param evidence its `figures` are the numbers behind the sentence, such as `{ times, failures }`: counts, scores, seconds.
   *   Programs read them, as people read `text`
   */
  say(confidence: number, about: string, evidence: FindingOf<string>['evidence']): void;
  /** Whether `say` would pass the finding on. */
  isNews(confidence: number, about: string): boolean;
}

export interface Detector<Name extends string, On extends keyof RunEvents, State extends Json | undefined> extends DetectorAbout<Name> {
  readonly on: On;
  /**
   * The initial state, as plain JSON, so that it is saved and loaded without further code; undefined for a detector without memory. The
   * state must stay bounded whatever the run does: names of tools, arguments and errors are an agent's choice, so a list or a record by
   * name needs a maximum, and what is beyond it is dropped. `FORMAT` of detectors.ts is raised when the shape of a state changes so that
   * older builds could not go on from it, and what was saved before is converted in `upToDate` there; a new detector needs neither.
   */
  initial(this: void): State;
  /** Returns the state after an event: a new one, or the same one mutated. It must use no time or randomness but those of events. */
  observe(this: void, state: State, event: RunEvents[On], run: WatchedRun): State;
}

export const detector = <const Name extends string, On extends keyof RunEvents, State extends Json | undefined>(
  one: Detector<Name, On, State>,
): Detector<Name, On, State> => one;

/** Describes a detector that several runs feed together; the supervisor runs it. */
export const acrossRuns = <const Name extends string>(one: DetectorAbout<Name>): DetectorAbout<Name> => one;

/** Confidence from a count: n / (n + half), so 0.5 at `half`. */
export const sure = (n: number, half: number): number => (n <= 0 ? 0 : n / (n + half));
