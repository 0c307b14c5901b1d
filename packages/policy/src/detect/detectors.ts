/**
 * All detectors of one run: a pure fold over what the bus sees of it. The same events give the same findings and the
 * same state, so the state can be saved with a checkpoint or rebuilt from the journal. A finding is reported when it
 * appears and again when its confidence has grown, not with every event.
 */
import { Acts, type Act } from './acts.ts';
import { Burn, type Forecast } from './burn.ts';
import type { CallSeen, DetectorName, Finding, MeterSeen, Seen } from './events.ts';
import { Origins } from './origins.ts';
import { surprise, type Profile, type ProfiledCall } from './profile.ts';
import { StuckScore, type Stuck } from './stuck.ts';
import { EVIDENCE, STUCK_WEIGHTS, type Evidence, type StuckWeights } from './weights.ts';

export interface DetectorsOptions {
  readonly weights?: StuckWeights;
  /** What this agent version usually does; without it there is no drift. */
  readonly profile?: Profile | undefined;
  /** Calls as a profile learns them, with where their arguments come from; `stood` must tell what else the run has read. */
  readonly traced?: ((call: ProfiledCall) => void) | true | undefined;
  /** Only what the run does counts; what others send it does not, but that they do. */
  readonly own?: boolean;
}

/** A finding is reported again when its confidence has grown by this much, or when it still holds so many events later. */
const GROWN = 0.1;
const AGAIN_EVENTS = 16;
/** Score at which "stuck" is as likely as not among recorded runs: 0.5 % of those that went well came so far. */
const STUCK_HALF = 14;
/** Total surprise at which "drifted" is as likely as not among recorded runs. */
export const DRIFT_HALF = 12;
/** A forecast this near is worth saying; further away the future is anyone's. */
const HORIZON_S = 300;
const TOOLS_MAX = 64;

/** How sure a count makes one: `n` of them, the first `free` of which say nothing. */
const sure = (n: number, half: number) => (n <= 0 ? 0 : n / (n + half));

export class Detectors {
  readonly #acts = new Acts();
  readonly #stuck: StuckScore;
  readonly #burn = new Burn();
  readonly #profile: Profile | undefined;
  readonly #own: boolean;
  readonly #traced: DetectorsOptions['traced'];
  #origins: Origins | undefined;
  #position = 0;
  /** Confidence last reported and where, by detector and what it is about. */
  #reported: Reported = {};
  /** Lengths of what is going on, and where it began. */
  #near = { count: 0, from: -1 };
  #stale = { count: 0, from: -1 };
  #used: string[] = [];
  #tools: ReadonlySet<string> = new Set();
  #drift = { score: 0, from: -1, oddest: [] as Odd[], said: [] as string[] };

  constructor(options: DetectorsOptions = {}) {
    this.#stuck = new StuckScore(options.weights ?? STUCK_WEIGHTS);
    this.#profile = options.profile;
    this.#own = options.own ?? false;
    this.#traced = options.traced;
    if (options.traced !== undefined && (options.profile !== undefined || options.traced !== true)) this.#origins = new Origins();
  }

  /** Takes the next event of the run and returns what it brought to light; mostly nothing. */
  observe(event: Seen): Finding[] {
    const position = this.#position++;
    switch (event.kind) {
      case 'attempt':
        return [];
      case 'meter':
        return this.#meter(event, position);
      case 'sent':
      case 'received':
        if (event.kind === 'received' && this.#own) {
          this.#acts.heard(`received ${event.peer}`);
          this.#origins?.read('message', event.body);
          return [];
        }
        return this.#act(this.#acts.message(position, event.at, `${event.kind} ${event.peer}`, event.body), position);
      case 'call': {
        const found = event.refused === true ? [] : this.#drifts(event, position);
        const dropped = this.#acts.call(event, position);
        return dropped === undefined ? found : [...found, ...this.#act(dropped, position)];
      }
      case 'result': {
        this.#origins?.answered(event.id, event.value);
        const act = this.#acts.result(event);
        return act === undefined ? [] : this.#act(act, position);
      }
    }
  }

  /** What the run has read besides results and messages; `prompt`: what its owner asked for. */
  stood(name: string, value: unknown): void {
    this.#origins?.read(name, value);
  }

  /** The calls that are most unlike the profile, oddest first. */
  get oddest(): readonly Odd[] {
    return this.#drift.oddest;
  }

  /** Events taken so far. */
  get position(): number {
    return this.#position;
  }
  get stuck(): Stuck {
    return this.#stuck.state;
  }
  /** As `stuck.score`, without making the rest. */
  get stuckScore(): number {
    return this.#stuck.score;
  }
  /** Total surprise against the profile so far, in nats. */
  get driftScore(): number {
    return this.#drift.score;
  }

  #act(act: Act, position: number): Finding[] {
    const found: Finding[] = [];
    const score = this.#stuck.take(act);
    // Once the run is moving again, what comes later is a new story.
    if (score === 0) this.#reported = only(this.#reported, 'runaway', 'drift');
    if (act.same > 0 && !act.waited) this.#repeats(act, position, found);
    const period = this.#acts.cycle.period;
    if (period !== undefined && period.period > 1 && act.foretold && !act.waited && period.matched >= Math.max(3, period.period)) {
      this.#say(
        found,
        'cycle',
        act.subject,
        sure(period.matched, 4),
        [position - period.matched, position],
        [act.subject],
        {
          period: period.period,
          matched: period.matched,
        },
        `The same ${period.period} steps over and over: ${period.matched} steps in a row were the same as one turn before.`,
      );
    }
    const stale = !act.waited && !act.turnedPage && !act.effect && act.novelty < (act.message ? 0.3 : 0.2);
    this.#near = follow(this.#near, stale && act.alike >= 0.5 && act.same === 0, act.position, act.answered || act.message);
    if (this.#near.count >= 2)
      this.#say(
        found,
        'near_repeat',
        act.subject,
        sure(this.#near.count - 1, 3),
        [this.#near.from, position],
        [act.subject],
        { times: this.#near.count, alike: act.alike },
        `${this.#near.count} steps with ${act.subject} said the same in other words and brought nothing new.`,
      );
    this.#stale = follow(this.#stale, stale, act.position, act.answered || act.message);
    if (this.#stale.count >= 4)
      this.#say(
        found,
        'no_progress',
        '',
        sure(this.#stale.count - 3, 4),
        [this.#stale.from, position],
        [act.subject],
        { steps: this.#stale.count },
        `Nothing new came of the last ${this.#stale.count} steps.`,
      );
    if (score > 0) this.#isStuck(score, position, found);
    return found;
  }

  #repeats(act: Act, position: number, found: Finding[]): void {
    const times = act.same + 1;
    const events = [act.firstSame, act.lastSame, act.position, position];
    if (act.failed)
      this.#say(
        found,
        'repeat_error',
        act.subject,
        sure(times - 1, 1.5),
        events,
        [act.subject],
        { times, failures: act.failures },
        `${act.subject} failed ${times} times in the same way with the same arguments.`,
      );
    else
      this.#say(
        found,
        'repeat',
        act.subject,
        sure(times - 1, 2),
        events,
        [act.subject],
        { times },
        act.message
          ? `The same message (${act.subject}) ${times} times.`
          : `${act.subject} was called ${times} times with the same arguments and gave the same result.`,
      );
  }

  #isStuck(score: number, position: number, found: Finding[]): void {
    const confidence = sure(score, STUCK_HALF);
    if (confidence < 0.2 || !this.#grown('stuck', '', confidence)) return;
    const { by, since, acts, now } = this.#stuck.state;
    const whole = EVIDENCE.reduce((sum, name) => sum + by[name], 0);
    const repeated = whole > 0 ? REPEATED.reduce((sum, name) => sum + by[name], 0) / whole : 0;
    const told = EVIDENCE.filter((name) => by[name] > 0)
      .sort((a, b) => by[b] - by[a])
      .slice(0, 3);
    this.#say(
      found,
      'stuck',
      '',
      confidence,
      [since, position],
      [],
      { score, now, steps: acts, repeated },
      `No way forward in ${acts} steps: ${told.map((name) => WORDS[name]).join('; ')}.`,
    );
  }

  #meter(event: MeterSeen, position: number): Finding[] {
    const found: Finding[] = [];
    for (const name in event.used) {
      const used = event.used[name] as number;
      const limit = event.limits[name];
      if (limit === undefined || !(limit > 0)) continue;
      const forecast = this.#burn.take(name, event.at, used, limit);
      const runaway = forecast && foreseen(forecast);
      if (runaway === undefined) continue;
      const { confidence, evidence } = runaway;
      this.#say(found, 'runaway', name, confidence, [position], evidence.subjects, evidence.figures, evidence.text);
    }
    return found;
  }

  #drifts(seen: CallSeen, position: number): Finding[] {
    const found: Finding[] = [];
    const origins = this.#origins;
    const call = origins === undefined ? seen : { ...seen, origins: origins.of(seen.input) };
    origins?.asked(seen.id, seen.tool);
    if (typeof this.#traced === 'function') this.#traced(call);
    if (this.#profile !== undefined) {
      const { parts } = surprise(this.#profile, this.#tools, this.#used.at(-1), call);
      let nth = 0;
      for (const { aspect, about, score } of parts) {
        const id = `${aspect} ${about}`;
        // The same oddity is odd once.
        if (this.#drift.said.includes(id)) continue;
        if (this.#drift.said.length < TOOLS_MAX * 2) this.#drift.said.push(id);
        const part = score / 2 ** nth++;
        this.#drift.score += part;
        this.#drift.oddest = [...this.#drift.oddest, { about: `${aspect}: ${about}`, score: part, position, call: seen.id }]
          .sort((a, b) => b.score - a.score)
          .slice(0, 4);
      }
      const confidence = sure(this.#drift.score, DRIFT_HALF);
      if (nth > 0 && confidence >= 0.3)
        this.#say(
          found,
          'drift',
          '',
          confidence,
          this.#drift.oddest.map((one) => one.position),
          [call.tool],
          { score: this.#drift.score },
          `Unlike this agent’s approved runs: ${this.#drift.oddest.map((one) => `call ${one.call} (${one.about})`).join('; ')}.`,
        );
    }
    this.#used.push(call.tool);
    const full = this.#used.length > TOOLS_MAX;
    if (full) this.#used = [...new Set(this.#used.slice(0, -2)), ...this.#used.slice(-2)].slice(-TOOLS_MAX);
    if (full || !this.#tools.has(call.tool)) this.#tools = new Set(this.#used);
    return found;
  }

  #grown(detector: DetectorName, about: string, confidence: number): boolean {
    const last = this.#reported[`${detector} ${about}`];
    return last === undefined || confidence >= last[0] + GROWN || this.#position - last[1] >= AGAIN_EVENTS;
  }

  #say(
    found: Finding[],
    detector: DetectorName,
    about: string,
    confidence: number,
    events: readonly number[],
    subjects: readonly string[],
    figures: Readonly<Record<string, number>>,
    text: string,
  ): void {
    if (!this.#grown(detector, about, confidence)) return;
    const id = `${detector} ${about}`;
    // A run that does a thousand different things again remembers the last of them.
    const names = Object.keys(this.#reported);
    if (names.length >= TOOLS_MAX && !(id in this.#reported)) delete this.#reported[names[0] as string];
    this.#reported[id] = [confidence, this.#position];
    found.push({
      detector,
      confidence,
      evidence: { text, events: [...new Set(events.filter((at) => at >= 0))].sort((a, b) => a - b), subjects, figures },
    });
  }

  /** The whole state as JSON. */
  save(): unknown {
    return {
      v: 1,
      position: this.#position,
      acts: this.#acts.save(),
      stuck: this.#stuck.save(),
      burn: this.#burn.save(),
      reported: this.#reported,
      near: this.#near,
      stale: this.#stale,
      used: this.#used,
      drift: this.#drift,
      ...(this.#origins === undefined ? {} : { origins: this.#origins.save() }),
    };
  }

  /** Goes on from a saved state. The saved value is the host's own and is not checked. */
  static load(saved: unknown, options: DetectorsOptions = {}): Detectors {
    const from = JSON.parse(JSON.stringify(saved)) as Saved;
    const made = new Detectors(options);
    made.#position = from.position;
    made.#acts.load(from.acts);
    made.#stuck.load(from.stuck);
    made.#burn.load(from.burn);
    made.#reported = from.reported;
    made.#near = from.near;
    made.#stale = from.stale;
    made.#used = from.used;
    made.#tools = new Set(from.used);
    made.#drift = from.drift;
    if (made.#origins !== undefined && from.origins !== undefined) made.#origins = Origins.load(from.origins);
    return made;
  }
}

type Reported = Record<string, readonly [number, number]>;
/** Something odd about a call; `call` is the run's number of it. */
export interface Odd {
  readonly about: string;
  /** In nats, as it went into the run's score. */
  readonly score: number;
  readonly position: number;
  readonly call: number;
}
interface Following {
  count: number;
  from: number;
}
interface Saved {
  readonly position: number;
  readonly acts: unknown;
  readonly stuck: unknown;
  readonly burn: unknown;
  readonly reported: Reported;
  readonly near: Following;
  readonly stale: Following;
  readonly used: string[];
  readonly drift: { score: number; from: number; oddest: Odd[]; said: string[] };
  readonly origins?: ReturnType<Origins['save']>;
}

/** Counts what goes on without a break; what says nothing either way does not break it. */
function follow(following: Following, goesOn: boolean, position: number, says: boolean): Following {
  if (goesOn) return { count: following.count + 1, from: following.count === 0 ? position : following.from };
  return says ? { count: 0, from: -1 } : following;
}

function only(reported: Reported, ...detectors: DetectorName[]): Reported {
  const kept: Reported = {};
  for (const id in reported)
    if (detectors.includes(id.slice(0, id.indexOf(' ')) as DetectorName)) kept[id] = reported[id] as readonly [number, number];
  return kept;
}

/** A forecast as a finding; undefined where it is nothing to speak of. */
export function foreseen(forecast: Forecast): Finding | undefined {
  const confidence = alarm(forecast);
  if (confidence < 0.3) return undefined;
  const { name, used, limit, rate, usual } = forecast;
  const seconds = Math.round(forecast.seconds_left);
  const faster = usual > 0 && rate > usual * 1.5 ? `, ${round(rate / usual)} times its own usual` : '';
  return {
    detector: 'runaway',
    confidence,
    evidence: {
      text: `Exceeds its ${name} in ${seconds} s: ${round(used)} of ${round(limit)} used, ${round(rate)} a second${faster}.`,
      events: [],
      subjects: [name],
      figures: { seconds_left: seconds, used, limit, rate, usual },
    },
  };
}

/** How sure a forecast makes one that the limit will be reached soon: it must be near and straight, and not reach further than the line was watched. */
function alarm({ seconds_left, used, limit, rate, usual, fit, points, watched }: Forecast): number {
  if (!(seconds_left < HORIZON_S)) return 0;
  const near = 1 - seconds_left / HORIZON_S;
  const faster = usual > 0 ? Math.min(1, rate / usual / 4) : 0.25;
  return near * fit * Math.min(1, (used / limit) * 2 + faster) * sure(points - 2, 2) * Math.min(1, watched / seconds_left);
}

const round = (value: number) => Number(value.toPrecision(3));

/** Evidence of having done a thing before, as against things that only look alike. */
const REPEATED: readonly Evidence[] = ['same', 'same_twice', 'again', 'message_alike', 'message_stale', 'unanswered'];

const WORDS: Readonly<Record<Evidence, string>> = {
  same: 'the same calls with the same results',
  same_twice: 'again and again',
  again: 'the same calls once more',
  alike: 'calls that hardly differ',
  stale: 'results with nothing new',
  failed: 'failures',
  failed_on: 'one failure after another',
  echo: 'other calls with the same result',
  message_alike: 'messages that hardly differ',
  message_stale: 'messages that say nothing new',
  unanswered: 'messages that nobody answered',
  failing: 'answers that speak of failure',
  retrying: 'talk of trying again',
};
