/**
 * All detectors of one run, as a pure fold over the events that the broker sees. The same events give the same findings and the same
 * state, so the state can be saved with a checkpoint or rebuilt from the journal. Events are read and compared here, once for all
 * detectors; each detector is in its own file (list.ts).
 */
import type { Json } from '@corral/protocol/json';
import { Acts, type Act } from './acts.ts';
import type { Cycle } from './cycle.ts';
import type { RunEvents, WatchedRun } from './detector.ts';
import type { CallSeen, FindingOf, Seen } from './events.ts';
import { RUN_DETECTORS, type DetectorName, type Finding } from './list.ts';
import { Origins } from './origins.ts';
import type { Profile, ProfiledCall } from './profile.ts';
import { drift, type Odd } from './run/drift.ts';
import { StuckScore, type Stuck } from './stuck.ts';
import { STUCK_WEIGHTS, type StuckWeights } from './weights.ts';

export interface DetectorsOptions {
  readonly weights?: StuckWeights;
  /** The profile of the agent version; without one there is no drift. */
  readonly profile?: Profile | undefined;
  /**
   * Receives each call with the origins of its arguments, to learn a profile. `stood` must then be called for everything else that the
   * run has read.
   */
  readonly traced?: ((call: ProfiledCall) => void) | true | undefined;
  /** Only what the run does is judged. Received messages count as events, but their content is not judged. */
  readonly own?: boolean;
}

/** A finding is reported again once its confidence has grown by this much, or after this many events. */
const GROWN = 0.1;
const AGAIN_EVENTS = 16;
/** Number of remembered reports. */
const REPORTED_MAX = 64;

/** A detector without the type of its state, with its index in the list. */
interface Called {
  readonly at: number;
  readonly name: DetectorName;
  readonly on: keyof RunEvents;
  observe(this: void, state: unknown, event: RunEvents[keyof RunEvents], run: WatchedRun): unknown;
}
const CALLED: readonly Called[] = RUN_DETECTORS.map(({ name, on, observe }, at) => ({ at, name, on, observe }));
const ON = {
  act: CALLED.filter(({ on }) => on === 'act'),
  call: CALLED.filter(({ on }) => on === 'call'),
  meter: CALLED.filter(({ on }) => on === 'meter'),
  refusal: CALLED.filter(({ on }) => on === 'refusal'),
} as const satisfies Record<keyof RunEvents, readonly Called[]>;
const DRIFT = RUN_DETECTORS.indexOf(drift);

/** Confidence and position of the last report, by detector and `about`. */
type Reported = Record<string, readonly [confidence: number, position: number]>;

/** The data that detectors read, and their way to report. */
class Watched implements WatchedRun {
  readonly acts = new Acts();
  readonly cycle: Cycle = this.acts.cycle;
  readonly stuck: StuckScore;
  readonly profile: Profile | undefined;
  position = 0;
  /** Index of the detector that is being called. */
  speaker = 0;
  found: Finding[] = [];
  reported: Reported = {};

  constructor({ weights, profile }: DetectorsOptions) {
    this.stuck = new StuckScore(weights ?? STUCK_WEIGHTS);
    this.profile = profile;
  }

  isNews(confidence: number, about: string): boolean {
    const last = this.reported[this.#idOf(about)];
    return last === undefined || confidence >= last[0] + GROWN || this.position + 1 - last[1] >= AGAIN_EVENTS;
  }

  say(confidence: number, about: string, { text, events, subjects, figures }: FindingOf<string>['evidence']): void {
    if (!this.isNews(confidence, about)) return;
    const { name } = CALLED[this.speaker] as Called;
    const id = this.#idOf(about);
    // Beyond the bound, the oldest report is forgotten.
    const names = Object.keys(this.reported);
    if (names.length >= REPORTED_MAX && !(id in this.reported)) delete this.reported[names[0] as string];
    this.reported[id] = [confidence, this.position + 1];
    const positions = [...new Set(events.filter((at) => at >= 0))].sort((a, b) => a - b);
    this.found.push({ detector: name, confidence, evidence: { text, events: positions, subjects, figures } });
  }

  #idOf(about: string): string {
    return `${(CALLED[this.speaker] as Called).name} ${about}`;
  }

  /** Forgets reports about acts: the score has returned to 0, so a later finding is a new one and is reported at once. */
  forgetActs(): void {
    for (const id in this.reported) if (ON.act.some(({ name }) => id.startsWith(`${name} `))) delete this.reported[id];
  }
}

export class Detectors {
  readonly #run: Watched;
  readonly #states: unknown[] = RUN_DETECTORS.map((one) => one.initial());
  readonly #own: boolean;
  readonly #traced: DetectorsOptions['traced'];
  #origins: Origins | undefined;
  #position = 0;

  constructor(options: DetectorsOptions = {}) {
    this.#run = new Watched(options);
    this.#own = options.own ?? false;
    this.#traced = options.traced;
    if (options.traced !== undefined && (options.profile !== undefined || options.traced !== true)) this.#origins = new Origins();
  }

  /** Takes the next event of the run. @returns the findings to report; mostly none */
  observe(event: Seen): Finding[] {
    const run = this.#run;
    const position = this.#position++;
    run.position = position;
    const found: Finding[] = (run.found = []);
    switch (event.kind) {
      case 'attempt':
        break;
      case 'meter':
        this.#feed<'meter'>(ON.meter, event);
        break;
      case 'refusal':
        this.#feed<'refusal'>(ON.refusal, event);
        break;
      case 'sent':
      case 'received':
        if (event.kind === 'received' && this.#own) {
          run.acts.heard(`received ${event.peer}`);
          this.#origins?.read('message', event.body);
        } else this.#act(run.acts.message(position, event.at, `${event.kind} ${event.peer}`, event.body));
        break;
      case 'call': {
        if (event.refused !== true) this.#asked(event);
        else if (event.attempts !== undefined)
          this.#feed<'refusal'>(ON.refusal, { what: event.tool, child: false, attempts: event.attempts });
        this.#act(run.acts.call(event, position));
        break;
      }
      case 'result':
        this.#origins?.answered(event.id, event.value);
        this.#act(run.acts.result(event));
    }
    return found;
  }

  /** Records what the run has read besides results and messages. `prompt` is the name for what its owner asked for. */
  stood(name: string, value: unknown): void {
    this.#origins?.read(name, value);
  }

  /** The calls that are least like the profile, oddest first. */
  get oddest(): readonly Odd[] {
    return this.#drift.oddest;
  }

  /** Number of events taken so far. */
  get position(): number {
    return this.#position;
  }
  get stuck(): Stuck {
    return this.#run.stuck.state;
  }
  /** The same as `stuck.score`, without building the rest of `stuck`. */
  get stuckScore(): number {
    return this.#run.stuck.score;
  }
  /** Total surprise against the profile so far. Nats. */
  get driftScore(): number {
    return this.#drift.score;
  }

  get #drift() {
    return this.#states[DRIFT] as ReturnType<typeof drift.initial>;
  }

  #feed<On extends keyof RunEvents>(called: readonly Called[], event: RunEvents[On]): void {
    const run = this.#run;
    const states = this.#states;
    // This runs for every event, and most events change no state, so unchanged states are not written.
    for (let i = 0; i < called.length; i++) {
      const one = called[i] as Called;
      const state = states[one.at];
      run.speaker = one.at;
      const next = one.observe(state, event, run);
      if (next !== state) states[one.at] = next;
    }
  }

  #act(act: Act | undefined): void {
    if (act === undefined) return;
    if (this.#run.stuck.take(act) === 0) this.#run.forgetActs();
    this.#feed<'act'>(ON.act, act);
  }

  #asked(seen: CallSeen): void {
    const origins = this.#origins;
    const call = origins === undefined ? seen : { ...seen, origins: origins.of(seen.input) };
    origins?.asked(seen.id, seen.tool);
    if (typeof this.#traced === 'function') this.#traced(call);
    this.#feed<'call'>(ON.call, call);
  }

  /** The whole state as JSON. */
  save(): unknown {
    const { acts, stuck, reported } = this.#run;
    return {
      v: 2,
      position: this.#position,
      acts: acts.save(),
      stuck: stuck.save(),
      reported,
      states: Object.fromEntries(CALLED.map(({ name, at }) => [name, this.#states[at]])),
      ...(this.#origins === undefined ? {} : { origins: this.#origins.save() }),
    };
  }

  /** Continues from a saved state whose format `canLoad`. The value is the host's own and is not validated. */
  static load(saved: unknown, options: DetectorsOptions = {}): Detectors {
    const from = upToDate(JSON.parse(JSON.stringify(saved)) as Saved | SavedBefore);
    const made = new Detectors(options);
    made.#position = from.position;
    made.#run.acts.load(from.acts);
    made.#run.stuck.load(from.stuck);
    made.#run.reported = from.reported;
    // A detector that the saving build did not have begins with its initial state.
    for (const { name, at } of CALLED) if (name in from.states) made.#states[at] = from.states[name];
    if (made.#origins !== undefined && from.origins !== undefined) made.#origins = Origins.load(from.origins);
    return made;
  }
}

/** Format of `save`, stored beside the state. It is raised when older builds cannot continue from the new state. */
export const FORMAT = 3;
/** Whether a state of this format can be loaded; if not, the detectors start from their initial state. */
export const canLoad = (format: number): boolean => format === FORMAT || format === 2;

interface SavedAlways {
  readonly position: number;
  readonly acts: unknown;
  readonly stuck: unknown;
  readonly reported: Reported;
  readonly origins?: ReturnType<Origins['save']>;
}
interface Saved extends SavedAlways {
  readonly v: 2;
  /** By name of the detector. */
  readonly states: Readonly<Record<string, Json>>;
}
/** Format 2: each detector's state is a property of its own. */
interface SavedBefore extends SavedAlways {
  readonly v: 1;
  readonly burn: Json;
  readonly near: Json;
  readonly stale: Json;
  readonly used: string[];
  readonly drift: { readonly score: number; readonly oddest: Json; readonly said: Json };
}

function upToDate(saved: Saved | SavedBefore): Saved {
  if (saved.v === 2) return saved;
  const { near, stale, burn, used, drift: of, ...always } = saved;
  const drifted = { score: of.score, oddest: of.oddest, said: of.said, used, tools: [...new Set(used)] };
  return { ...always, v: 2, states: { near_repeat: near, no_progress: stale, runaway: burn, drift: drifted } };
}
