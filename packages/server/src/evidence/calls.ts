/** Reads the calls of a run from its journal: the result its agent was given, and the deed of its tool. Pure. */
import type { Withheld } from '@corral/protocol/api/withheld';
import type { Json } from '@corral/protocol/json';
import type { Cost } from '@corral/protocol/model/cost';
import type { Entry } from '@corral/protocol/model/run';
import type { Delivery, Result } from '@corral/protocol/wire/delivery';
import type { CallEffect, Effect } from '@corral/protocol/wire/effect';
import { actedBy, asksOf, mayChange, type Acted, type Read } from './acted.ts';

export interface CallView {
  call: number;
  tool: string;
  /** `answered`: its tool has answered, and its agent was not given that: not yet, or never, then with the error that it gets instead. */
  state: 'open' | 'done' | 'answered' | 'failed' | 'denied' | 'unknown' | 'abandoned';
  /** Null while the tool may still answer. */
  acted: Acted | null;
  asked_at: number;
  answered_at: number | null;
  reason: string | null;
  input: Json;
  result: Json;
  /** `detail`: what a tool threw; it is not sent to the agent. */
  error: { code: string; message: string; detail: string | null } | null;
  grant: string | null;
  /** How people settled the call while its result was unknown. */
  settled: { by: string; how: 'retry' | 'result' | 'fail'; reason: string | null; at: number }[];
  /** Amounts billed for the call; until it is answered, the amounts reserved. */
  cost: Required<Cost>;
  /** Why a part of it is left out. */
  withheld?: Withheld;
}

/** As a reader may see it. */
type ReadShown = Read & { readonly withheld?: Withheld };

export const effectsOf = (entry: Entry): Effect[] => (entry.effects === undefined ? [] : (JSON.parse(entry.effects) as Effect[]));
export const deliveryOf = (entry: Entry): Delivery | undefined =>
  entry.delivery === undefined ? undefined : (JSON.parse(entry.delivery) as Delivery);

const FREE: Required<Cost> = { tokens: 0, money_micros: 0 };

const STATE_BY_CODE: Readonly<Partial<Record<string, CallView['state']>>> = {
  CORRAL_UNKNOWN_RESULT: 'unknown',
  CORRAL_APPROVAL_DENIED: 'denied',
  CORRAL_APPROVAL_EXPIRED: 'denied',
  CORRAL_CALL_GIVEN_UP: 'abandoned',
};

interface Facts {
  /** People who must still approve the call before it leaves; infinite while inspectors look at it. */
  asks: number;
  /** Whether its tool may change something. */
  readonly changes: boolean;
  /** Its entry. */
  readonly seq: number;
}
const factsOf = new WeakMap<CallView, Facts>();
const waits = (call: CallView): boolean => (factsOf.get(call)?.asks ?? 0) > 0;

/** @param takes whether a new call is wanted, by its number and that of its entry; left out: all are */
export function foldCalls(
  calls: Map<number, CallView>,
  entries: readonly ReadShown[],
  takes: (call: number, seq: number) => boolean = () => true,
): void {
  for (const entry of entries) {
    const delivery = deliveryOf(entry);
    if (delivery?.kind === 'reply') for (const result of delivery.results) take(calls.get(result.id), result, entry.at, 'given');
    for (const result of entry.arrived ?? []) take(calls.get(result.id), result, entry.at, 'arrived');
    if (entry.withheld !== undefined) leftOut(calls, entry, entry.withheld, delivery);
    const effects = effectsOf(entry);
    for (const effect of effects) {
      if (effect.kind === 'abort') {
        const call = calls.get(effect.id);
        if (call?.state === 'open') call.state = 'abandoned';
      }
      if (effect.kind === 'call' && takes(effect.id, entry.seq)) calls.set(effect.id, asked(effect, entry));
    }
    takeEvent(calls, entry);
    if (entry.event?.kind === 'ended' || effects.some(({ kind }) => kind === 'finish'))
      for (const call of calls.values()) ended(call, entry.seq);
  }
}

/** A part of these calls is left out. */
function leftOut(
  calls: ReadonlyMap<number, CallView>,
  { arrived = [], event }: Read,
  withheld: Withheld,
  delivery: Delivery | undefined,
): void {
  const given = delivery?.kind === 'reply' ? delivery.results : [];
  const ids = [...given, ...arrived].map(({ id }) => id);
  for (const id of event !== undefined && 'id' in event ? [...ids, event.id] : ids) {
    const call = calls.get(id);
    if (call !== undefined) call.withheld = withheld;
  }
}

function asked(effect: CallEffect, { at, seq, decisions, withheld }: ReadShown): CallView {
  const decision = decisions.find(({ id }) => id === effect.id);
  const denied = decision?.verdict === 'deny';
  const call: CallView = {
    call: effect.id,
    tool: decision?.tool ?? `capability ${effect.cap}`,
    state: denied ? 'denied' : 'open',
    acted: denied ? 'no' : null,
    asked_at: at,
    answered_at: null,
    reason: effect.reason ?? null,
    input: (effect.input ?? null) as Json,
    result: null,
    error: denied ? { code: decision.code ?? 'CORRAL_DENIED', message: decision.message ?? '', detail: null } : null,
    grant: decision?.grant ?? null,
    settled: [],
    // A denied call is billed as an attempt; its price is not charged.
    cost: { tokens: (!denied && decision?.reserved?.tokens) || 0, money_micros: (!denied && decision?.reserved?.money_micros) || 0 },
    ...(withheld === undefined ? {} : { withheld }),
  };
  factsOf.set(call, { asks: decision === undefined ? 0 : asksOf(decision), changes: mayChange(decision ?? {}), seq });
  return call;
}

/**
 * @param how `given`: its agent has the result. `arrived`: it waits for its agent. `withheld`: the agent gets an error instead, in the next
 *   reply, which says nothing more about the tool
 */
function take(call: CallView | undefined, result: Result, at: number, how: 'given' | 'arrived' | 'withheld'): void {
  if (call === undefined) return;
  const stopped = call.state === 'abandoned' || how === 'withheld';
  const isKnown = call.acted !== null && 'error' in result;
  call.answered_at ??= at;
  call.cost = { ...call.cost, ...result.cost };
  if (!isKnown) call.acted = call.settled.at(-1)?.how === 'fail' ? 'no' : actedBy(result, { asked: waits(call), stopped });
  if (!('error' in result)) {
    call.result = result.value;
    call.state = how === 'given' ? 'done' : 'answered';
    if (how === 'withheld') call.error = REVOKED;
    return;
  }
  call.error = { code: result.error.code, message: result.error.message, detail: result.detail ?? null };
  if (call.state === 'answered') return;
  if (call.state !== 'denied') call.state = call.acted === 'yes' ? 'answered' : (STATE_BY_CODE[result.error.code] ?? 'failed');
  // Nobody can settle it any more: its capability is gone.
  if (how === 'withheld' && call.state === 'unknown') call.state = 'failed';
  if (call.state === 'denied') call.cost = FREE;
}

const REVOKED = { code: 'CORRAL_REVOKED', message: 'Its capability was taken back before its agent was given the answer.', detail: null };

function takeEvent(calls: ReadonlyMap<number, CallView>, { event, at }: Entry): void {
  const call = event !== undefined && 'id' in event ? calls.get(event.id) : undefined;
  const facts = call && factsOf.get(call);
  if (event === undefined || call === undefined || facts === undefined) return;
  switch (event.kind) {
    case 'unknown':
      call.state = 'unknown';
      call.acted = 'unknown';
      call.error = { code: 'CORRAL_UNKNOWN_RESULT', message: event.message, detail: event.detail ?? null };
      return;
    case 'resolved':
      call.state = 'open';
      call.acted = event.how === 'retry' ? null : event.how === 'result' ? 'yes' : 'no';
      call.settled.push({ by: event.by, how: event.how, reason: event.reason ?? null, at });
      return;
    case 'fenced':
      return take(call, event.result, at, 'withheld');
    case 'unanswered':
      call.acted ??= 'no';
      return;
    case 'input_required':
      facts.asks = 1;
      return;
    case 'approval':
      if (event.verdict === 'approve' || event.goes_on === true) facts.asks -= 1;
      return;
    case 'inspected':
      facts.asks = asksOf(event.decision);
      return;
    default:
  }
}

/** Its run has ended: a call under way is aborted, and nobody hears of its result. One of the last crank never leaves. */
function ended(call: CallView, seq: number): void {
  if (call.state === 'open') call.state = 'abandoned';
  call.acted ??= waits(call) || factsOf.get(call)?.seq === seq ? 'no' : 'unknown';
}

/**
 * The line of `why` about a call whose tool did more than its agent was told.
 * @param shows whether the reader's role may see answers; its label may withhold this one nevertheless
 */
export function actedLine(of: CallView, shows: boolean): string | undefined {
  const { call, tool, state, acted, result, error, withheld } = of;
  if (factsOf.get(of)?.changes === false) return undefined;
  if (state === 'answered') {
    const what = withheld !== undefined ? '; its answer is withheld' : shows && result !== null ? `: it answered ${brief(result)}` : '';
    const told = error === null ? 'Its agent has not been given the answer yet.' : `The answer was withheld from its agent: ${error.code}.`;
    return `Call ${call} to ${tool} was carried out${what}. ${told}`;
  }
  if (acted !== 'unknown') return undefined;
  const why = error === null ? 'its run ended while it was under way' : `${error.code} ${error.message}`;
  return `Call ${call} to ${tool} may have been carried out (${why}). Look before it is made again.`;
}

const BRIEF = 120;
function brief(value: Json): string {
  const text = JSON.stringify(value);
  return text.length > BRIEF ? `${text.slice(0, BRIEF)}…` : text;
}
