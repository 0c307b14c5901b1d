/**
 * What a detector is: a name, a ladder, what it sees in words, and, where it watches one run, a fold over that run's acts, calls or
 * meters. A detector is a file of its own and a line in list.ts: the configuration, the ladder, the saved state and the reference
 * are made from the list.
 */
import type { Json } from '@corral/protocol/json';
import type { Act } from './acts.ts';
import type { Cycle } from './cycle.ts';
import type { FindingOf, MeterSeen } from './events.ts';
import type { Profile, ProfiledCall } from './profile.ts';
import type { Thresholds, ThresholdLayer } from './steps.ts';
import type { StuckScore } from './stuck.ts';

export interface DetectorAbout<Name extends string = string> {
  readonly name: Name;
  /** For people, as in docs/reference/detectors.md: what it sees, and what it does not take for it. */
  readonly sees: string;
  readonly spares: string;
  /** Thresholds where somebody asks for the ladder. */
  readonly ladder: Thresholds;
  /** What differs from them on a host where nobody says otherwise. */
  readonly host?: ThresholdLayer;
}

/** What detectors of one run are fed, each with one kind of it. */
export interface RunEvents {
  /** A call with its result, or a message, judged by those before it. */
  readonly act: Act;
  /** A call as it was asked for and not refused. */
  readonly call: AskedCall;
  readonly meter: MeterSeen;
}
export interface AskedCall extends ProfiledCall {
  readonly id: number;
}

/** What a detector may look at besides its own state and event, and where it reports to. */
export interface WatchedRun {
  /** Number of the event that is being observed, counted from 0. */
  readonly position: number;
  readonly cycle: Cycle;
  /** Its score includes the act that is being observed. */
  readonly stuck: StuckScore;
  readonly profile: Profile | undefined;
  /**
   * Reports a finding. It is passed on where it is new, surer than before, or still holds a while later.
   *
   * @param about what it is about, so that two repeats of different tools are two findings
   */
  say(confidence: number, about: string, evidence: FindingOf<string>['evidence']): void;
  /** Whether `say` would pass it on. */
  isNews(confidence: number, about: string): boolean;
}

export interface Detector<Name extends string, On extends keyof RunEvents, State extends Json | undefined> extends DetectorAbout<Name> {
  readonly on: On;
  /** Plain JSON, so that it is saved and loaded without further code; undefined where nothing is remembered. */
  initial(this: void): State;
  /** Takes one event, and returns the state after it: a new one, or the same one changed. Time and randomness come from events alone. */
  observe(this: void, state: State, event: RunEvents[On], run: WatchedRun): State;
}

export const detector = <const Name extends string, On extends keyof RunEvents, State extends Json | undefined>(
  one: Detector<Name, On, State>,
): Detector<Name, On, State> => one;

/** A detector that several runs feed together; the supervisor runs it, and here is what it says of itself. */
export const acrossRuns = <const Name extends string>(one: DetectorAbout<Name>): DetectorAbout<Name> => one;

/** How sure a count makes one: `half` of them make it as likely as not. */
export const sure = (n: number, half: number): number => (n <= 0 ? 0 : n / (n + half));
