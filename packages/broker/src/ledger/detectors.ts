/**
 * The detectors of one run and its step on the ladder. Part of the ledger: fed only by journal entries, so the state is the same after a
 * replay, and saved with the ledger.
 */
import { canLoad, Detectors, FORMAT, type DetectorsOptions } from '@corral/policy/detection/detectors';
import { attemptsAt, type Attempt } from '@corral/policy/detection/ends';
import type { Seen } from '@corral/policy/detection/events';
import type { Finding } from '@corral/policy/detection/list';
import { GROUND, type Rung } from '@corral/policy/detection/ladder';
import type { Profile, ProfiledCall } from '@corral/policy/detection/profile';
import { hashText, mix } from '@corral/policy/detection/reading';
import { leavesOf } from '@corral/policy/flow/leaves';
import type { Odd } from '@corral/policy/detection/run/drift';
import type { Amounts, Purse } from '@corral/policy/capability/purse';
import type { Decision } from '@corral/protocol/model/decision';
import type { Delivery, NoticeDelivery } from '@corral/protocol/wire/delivery';
import type { Effect } from '@corral/protocol/wire/effect';
import type { Json } from '@corral/protocol/json';
import type { ErrorCode } from '@corral/protocol/errors';
import { MICROS } from '@corral/protocol/limits';
import type { ChildRefusal, HostEvent, StepReason } from '@corral/protocol/model/run';

/** A call that changed a resource which its tool names. */
export interface Wrote {
  readonly resource: string;
  readonly tool: string;
  readonly input: Json;
}

/** The message that the run is handling, and the number of changes before it. */
export interface Handling {
  readonly message: string;
  readonly changes: number;
}

/** The findings of a crank, and the writes in it. */
export interface Settled {
  readonly found: readonly Finding[];
  readonly wrote: readonly Wrote[];
  /** Refusals that the run's parent is to hear of. */
  readonly refused: readonly ChildRefusal[];
}

export interface SavedWatch {
  /** Format of the detectors' saved state. If this build cannot read it, the state is dropped and the detectors start from nothing. */
  readonly format: number;
  readonly position: number;
  readonly rung: Rung;
  readonly notice?: Omit<NoticeDelivery, 'at'>;
  readonly metered: number;
  readonly changes: number;
  readonly handling?: Handling;
  readonly entries: readonly number[];
  /** Calls that people are asked about, and the refusals that its parent has heard of. Absent in states of older builds, and if none. */
  readonly asking?: readonly Asking[];
  readonly told?: readonly number[];
  /** Absent if no stream is open. */
  readonly streams?: readonly (readonly [number, Said])[];
  /** Absent if no event was observed yet. */
  readonly detectors?: Json;
}

/** Where the texts of a stream begin, and a digest of all its parts. */
interface Said {
  readonly text: string;
  readonly digest: number;
}

type StepEvent = Extract<HostEvent, { kind: 'step' }>;
type Asking = readonly [id: number, what: string, attempts: readonly Attempt[]];

const NOTHING: Settled = { found: [], wrote: [], refused: [] };

/**
 * Refusals of what was asked, by a grant, a policy or a person. Others say that something does not fit, is used up or is not there, and an
 * honest agent answers them by asking otherwise.
 */
const REFUSALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'CORRAL_DENIED',
  'CORRAL_APPROVAL_DENIED',
  'CORRAL_GRANT_PREDICATE',
  'CORRAL_GRANT_RIGHT',
  'CORRAL_GRANT_LABEL',
  'CORRAL_REVOKED',
]);
/** Calls that people are asked about at once and whose refusal is noticed; and refusals of a run that its parent hears of, each once. */
const ASKING_MAX = 32;
const TOLD_MAX = 64;

/** Time between two readings of the purse, in milliseconds of the deliveries' time. */
const METER_MS = 1_000;
/** Above this share of the purse, by the amount that is used most, nothing is observed. */
const UNTOUCHED = 0.9;
/** Number of latest events whose journal entry is known. */
const ENTRIES_KEPT = 128;

export class RunDetectors {
  rung: Rung = GROUND;
  /** A notice that was not delivered to the agent yet. */
  notice: Omit<NoticeDelivery, 'at'> | undefined;
  /** Number of calls so far that change something. */
  changes = 0;
  handling: Handling | undefined;
  /** The findings and writes of the last crank. */
  settled: Settled = NOTHING;
  /** Number of events so far, readings outside the journal included: the clock of the ladder. */
  position = 0;
  readonly #options: DetectorsOptions;
  #detectors: Detectors | undefined;
  #seen = 0;
  #metered = 0;
  /** Journal entries of the latest events, as a ring by position. */
  readonly #entries: number[] = [];
  #found: Finding[] = [];
  #wrote: Wrote[] = [];
  #refused: ChildRefusal[] = [];
  #asking: Asking[] = [];
  #told: number[] = [];
  /** The texts of open streams. */
  readonly #streams = new Map<number, Said>();

  /**
   * @param profile the profile to compare calls with, if there is one
   * @param traced gets every call, to learn a profile from
   */
  constructor(profile?: Profile, traced?: (call: ProfiledCall) => void) {
    this.#options = { own: true, profile, traced: traced ?? (profile === undefined ? undefined : true) };
  }

  /** The calls that are least like the profile. */
  get oddest(): readonly Odd[] {
    return this.#detectors?.oddest ?? [];
  }

  /** @param entry number of the journal entry */
  delivered(delivery: Delivery, entry: number, purse: Purse): void {
    const { at } = delivery;
    if (delivery.kind === 'reply') {
      for (const result of delivery.results) {
        this.#take(
          'error' in result
            ? { kind: 'result', at, id: result.id, error: { code: result.error.code, message: result.error.message } }
            : { kind: 'result', at, id: result.id, value: this.#whole(result.id, result.value) },
          entry,
        );
        this.#answered(result.id, 'error' in result ? result.error.code : undefined, at, entry);
        this.#streams.delete(result.id);
      }
    } else if (delivery.kind === 'chunk') this.#streams.set(delivery.id, saidOf(this.#streams.get(delivery.id), delivery.parts));
    else if (delivery.kind === 'message') this.#take({ kind: 'received', at, peer: delivery.from.agent, body: delivery.body }, entry);
    else if (delivery.kind === 'notice') this.notice = undefined;
    else if (delivery.kind === 'start') this.#stood('prompt', delivery.input);
    else if (delivery.kind === 'child_ended' && delivery.outcome.kind === 'completed') this.#stood('child', delivery.outcome.output);
    if (at - this.#metered < METER_MS) return;
    this.#metered = at;
    // Saves work: most runs use little and mostly wait.
    if (this.#detectors === undefined && purse.leftShare() > UNTOUCHED) return;
    // Amounts reserved for children and calls under way are not available to the run.
    const used = metered(purse.spent());
    const reserved: Record<string, number> = metered(purse.reserved());
    const limits = Object.fromEntries(
      Object.entries(metered(purse.granted)).map(([name, granted]) => [name, granted - (reserved[name] ?? 0)]),
    );
    this.#take({ kind: 'meter', at, used, limits }, entry);
  }

  /** Approximate bytes of what grows with the run. */
  get bytes(): number {
    let bytes = 0;
    for (const { text } of this.#streams.values()) bytes += 2 * text.length;
    return bytes;
  }

  /** The run begins to handle a message. */
  handles(message: string): void {
    this.handling = { message, changes: this.changes };
  }

  asked(effect: Effect, decision: Decision | undefined, at: number, entry: number): void {
    if (effect.kind === 'send' || effect.kind === 'spawn') {
      const agent = effect.kind === 'spawn' ? effect.agent : (decision?.agent ?? `mailbox ${effect.cap}`);
      const attempts = isRefusal(decision) ? attemptsAt(effect.kind === 'spawn' ? effect.input : effect.body) : [];
      if (attempts.length > 0) this.#refusal({ what: `${effect.kind}:${agent}`, attempts }, at, entry);
    }
    if (effect.kind === 'send') {
      const peer = `mailbox ${effect.cap}`;
      // Data records look alike although each is new, so they are compared as calls are: only exact repeats count.
      if (isProse(effect.body)) this.#take({ kind: 'sent', at, peer, body: effect.body }, entry);
      else this.#take({ kind: 'call', at, id: effect.id, tool: peer, input: told(effect.body, effect), effect: true }, entry);
    }
    if (effect.kind !== 'call') return;
    const tool = decision?.tool ?? `capability ${effect.cap}`;
    const changes = decision?.changes;
    const refused = decision?.verdict === 'deny';
    // People, or the policies with what inspectors say, may refuse it later.
    const waits = decision?.verdict === 'ask' || decision?.verdict === 'inspect';
    const attempts = isRefusal(decision) || waits ? attemptsAt(effect.input) : [];
    if (waits) this.#asking = [...this.#asking.slice(1 - ASKING_MAX), [effect.id, tool, attempts]];
    else if (attempts.length > 0) this.#tell({ what: tool, attempts });
    this.#take(
      {
        kind: 'call',
        at,
        id: effect.id,
        tool,
        input: told(effect.input, effect),
        ...(refused ? { refused, ...(attempts.length === 0 ? {} : { attempts }) } : {}),
        ...(changes === undefined ? {} : { effect: changes }),
        ...(decision?.polled === true ? { polled: true } : {}),
      },
      entry,
    );
    if (changes !== true || refused) return;
    this.changes += 1;
    if (decision?.resource !== undefined) this.#wrote.push({ resource: decision.resource, tool, input: effect.input as Json });
  }

  /** Ends a crank. Its findings are in `settled` until the next crank ends. */
  settle(): void {
    if (this.#found.length === 0 && this.#wrote.length === 0 && this.#refused.length === 0) {
      this.settled = NOTHING;
      return;
    }
    this.settled = { found: this.#found, wrote: this.#wrote, refused: this.#refused };
    if (this.#found.length > 0) this.rung = { ...this.rung, seen: this.position };
    this.#found = [];
    this.#wrote = [];
    this.#refused = [];
  }

  /** A child of the run was refused something. `settled` then has the findings. */
  childRefused({ refused }: Extract<HostEvent, { kind: 'refusals' }>, at: number, entry: number): void {
    for (const { what, attempts } of refused) {
      this.#take({ kind: 'refusal', at, what, child: true, attempts }, entry);
      this.#tell({ what, attempts });
    }
    this.settle();
  }

  /** Findings as the reasons of a step, with the numbers of journal entries. */
  reasons(because: readonly Finding[]): StepReason[] {
    return because.map(({ detector, confidence, evidence: { text, events, subjects, figures } }) => ({
      detector,
      confidence,
      text,
      entries: [...new Set(events.flatMap((position) => this.#entryOf(position) ?? []))],
      subjects,
      figures,
    }));
  }

  step({ step, position, because, stays }: StepEvent): void {
    this.position = Math.max(this.position, position);
    if (stays === true) {
      this.rung = { ...this.rung, seen: this.position };
      return;
    }
    this.rung = { step, at: this.position, seen: because.length === 0 ? this.rung.seen : this.position };
    const [first] = because;
    if (step === 'notice' && first !== undefined)
      this.notice = { kind: 'notice', detector: first.detector, text: first.text.replaceAll(/run_\w+/gu, 'another run') };
  }

  /** After a resume by a person the run has its grace period again, and is slowed before it is paused once more. */
  resumed(): void {
    if (this.rung.step === 'pause') this.rung = { step: 'notice', at: this.position, seen: this.position };
  }

  /** A fork starts without steps and notices. */
  forked(): void {
    this.rung = { step: 'observe', at: this.position, seen: this.position };
    this.notice = undefined;
  }

  save(): SavedWatch {
    const { position, rung, notice, changes, handling } = this;
    return {
      format: FORMAT,
      position,
      rung,
      changes,
      metered: this.#metered,
      entries: this.#entries,
      ...(notice === undefined ? {} : { notice }),
      ...(this.#asking.length === 0 ? {} : { asking: this.#asking }),
      ...(this.#told.length === 0 ? {} : { told: this.#told }),
      ...(this.#streams.size === 0 ? {} : { streams: [...this.#streams] }),
      ...(handling === undefined ? {} : { handling }),
      ...(this.#detectors === undefined ? {} : { detectors: this.#detectors.save() as Json }),
    };
  }

  load(saved: SavedWatch): void {
    this.position = saved.position;
    this.rung = saved.rung;
    this.notice = saved.notice;
    this.changes = saved.changes;
    this.handling = saved.handling;
    this.#metered = saved.metered;
    this.#asking = [...(saved.asking ?? [])];
    this.#told = [...(saved.told ?? [])];
    this.#streams.clear();
    for (const [id, said] of saved.streams ?? []) this.#streams.set(id, said);
    const entries = [...saved.entries];
    this.#entries.length = 0;
    this.#entries.push(...entries);
    this.#detectors = saved.detectors === undefined || !canLoad(saved.format) ? undefined : Detectors.load(saved.detectors, this.#options);
    this.#seen = this.#detectors?.position ?? 0;
  }

  #take(event: Seen, entry: number): void {
    this.#detectors ??= new Detectors(this.#options);
    this.#entries[this.#seen % ENTRIES_KEPT] = entry;
    this.#seen += 1;
    this.position += 1;
    const found = this.#detectors.observe(event);
    if (found.length > 0) this.#found.push(...found);
  }

  /** A call that waited for people or inspectors may have been refused. */
  #answered(id: number, code: ErrorCode | undefined, at: number, entry: number): void {
    if (this.#asking.length === 0) return;
    const asked = this.#asking.find(([one]) => one === id);
    if (asked === undefined) return;
    this.#asking = this.#asking.filter((one) => one !== asked);
    const [, what, attempts] = asked;
    if (code !== undefined && REFUSALS.has(code) && attempts.length > 0) this.#refusal({ what, attempts }, at, entry);
  }

  /** A refusal that came with no refused call. */
  #refusal(refused: ChildRefusal, at: number, entry: number): void {
    this.#take({ kind: 'refusal', at, child: false, ...refused }, entry);
    this.#tell(refused);
  }

  /** Notes for the parent what it has not heard of. */
  #tell({ what, attempts }: ChildRefusal): void {
    const fresh = attempts.filter(({ end, spelt }) => {
      const about = mix(hashText(what), mix(end, spelt));
      if (this.#told.length >= TOLD_MAX || this.#told.includes(about)) return false;
      this.#told.push(about);
      return true;
    });
    if (fresh.length > 0) this.#refused.push({ what, attempts: fresh });
  }

  /** The answer to a call as it is compared with others: the end of a stream alone does not say what was answered. */
  #whole(id: number, value: Json): Json {
    const said = this.#streams.get(id);
    return said === undefined ? value : [said.text, said.digest, value];
  }

  #stood(name: string, value: unknown): void {
    if (this.#options.traced !== undefined) (this.#detectors ??= new Detectors(this.#options)).stood(name, value);
  }

  #entryOf(position: number): number | undefined {
    return position < this.#seen - ENTRIES_KEPT || position >= this.#seen ? undefined : this.#entries[position % ENTRIES_KEPT];
  }
}

const isRefusal = (decision: Decision | undefined): boolean =>
  decision?.verdict === 'deny' && decision.code !== undefined && REFUSALS.has(decision.code);

/** Money in units of the currency, as people read it in findings. */
const metered = ({ money_micros, ...amounts }: Readonly<Amounts>) => ({ ...amounts, money: money_micros / MICROS });

/** Characters of a stream that are compared. */
const SAID_CHARS = 2_048;

function saidOf({ text, digest }: Said = { text: '', digest: 0 }, parts: readonly Json[]): Said {
  for (const part of parts) {
    digest = mix(digest, hashText(JSON.stringify(part)));
    if (text.length >= SAID_CHARS) continue;
    for (const { path, value } of leavesOf(part).leaves) if (typeof value === 'string' && path !== 'type' && path !== 'id') text += value;
    text = text.slice(0, SAID_CHARS);
  }
  return { text, digest };
}

/** Four or more blanks within a text: it counts as prose and not as a value. */
const PROSE = / .+ .+ .+ .+ /u;

/** Whether a message, or a member of it, is prose. */
function isProse(body: unknown): boolean {
  const says = (value: unknown) => typeof value === 'string' && PROSE.test(value.slice(0, 1000));
  return says(body) || (typeof body === 'object' && body !== null && Object.values(body).some(says));
}

/** The value together with its handles, since every handle is the same null in the value. */
const told = (value: unknown, { handles }: { readonly handles?: unknown }) => (handles === undefined ? value : [value, handles]);
