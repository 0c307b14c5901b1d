/**
 * Entries of a journal without what their label withholds from a reader. The rest has the same form, so everything that is read from a
 * journal can be made of it: which calls there were, to which tools, what was decided, by which rules and people, and when. Texts and values
 * that an agent, a tool or another run chose are gone. Each kind of delivery, effect and event is listed, so that a new one does not compile
 * before somebody has decided what of it may stay.
 */
import type { ErrorData } from '@corral/protocol/errors';
import type { Json } from '@corral/protocol/json';
import type { Decision } from '@corral/protocol/model/decision';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { Entry, HostEvent } from '@corral/protocol/model/run';
import type { ChunkDelivery, Delivery, Result } from '@corral/protocol/wire/delivery';
import type { Effect } from '@corral/protocol/wire/effect';
import type { Withheld } from '@corral/protocol/api/withheld';

/** An entry as it is shown to a reader. */
export type ShownEntry = Entry & { readonly withheld?: Withheld };

/** In place of a text. */
const GONE = 'withheld';

type Of<T, K> = Extract<T, { readonly kind: K }>;
type Table<T extends { readonly kind: string }> = { readonly [K in T['kind']]: (one: Of<T, K>) => Of<T, K> };

export function entryWithout(entry: Entry, withheld: Withheld): ShownEntry {
  const { delivery, effects, decisions, event } = entry;
  return {
    ...entry,
    delivery: delivery === undefined ? undefined : JSON.stringify(by(DELIVERIES, JSON.parse(delivery) as Delivery)),
    effects: effects === undefined ? undefined : JSON.stringify(effectsIn(effects).map((one) => by(EFFECTS, one))),
    decisions: decisions.map((one) => decisionWithout(one)),
    event: event === undefined ? undefined : by(EVENTS, event),
    withheld,
  };
}

/** The same for what policies have stopped on its way to people: how the run finishes, and events. */
export function entryWithoutStopped(entry: Entry, withheld: Withheld): ShownEntry {
  const stopped = stoppedIn(entry);
  let part = -1;
  const effects = effectsIn(entry.effects ?? '[]').map((one) => {
    if (one.kind === 'emit') part += 1;
    const isStopped = stopped.some(({ action, part: which }) =>
      action === 'output' ? one.kind === 'finish' : one.kind === 'emit' && which === part,
    );
    return isStopped ? by(EFFECTS, one) : one;
  });
  return { ...entry, effects: JSON.stringify(effects), withheld };
}

/** Decisions that stopped something on its way to people. */
export const stoppedIn = ({ decisions }: Pick<Entry, 'decisions'>): readonly Decision[] =>
  decisions.filter(({ action, verdict }) => verdict === 'deny' && (action === 'output' || action === 'emit'));

/** How a run ended, without the words of its agent. */
export function outcomeWithout(outcome: Outcome): Outcome {
  switch (outcome.kind) {
    case 'completed':
      return { kind: 'completed', output: null };
    case 'failed':
      return { kind: 'failed', code: outcome.code, message: GONE };
    case 'exceeded':
    case 'denied':
    case 'never_started':
      return { ...outcome, message: GONE };
    case 'diverged':
      return { ...outcome, expected: GONE, seen: GONE };
    case 'looped':
      // The first word is the detector.
      return { kind: 'looped', evidence: `${outcome.evidence.split(' ', 1)[0] ?? ''} ${GONE}` };
    case 'killed':
    case 'cancelled':
      return outcome;
  }
}

function by<T extends { readonly kind: string }>(table: Table<T>, one: T): T {
  const of = table[one.kind as T['kind']] as unknown as ((one: T) => T) | undefined;
  // A journal of a newer host may have kinds that this one does not know.
  return of === undefined ? ({ kind: one.kind } as T) : of(one);
}

function effectsIn(text: string): Effect[] {
  try {
    const effects: unknown = JSON.parse(text);
    return Array.isArray(effects) ? (effects as Effect[]) : [];
  } catch {
    return [];
  }
}

const errorWithout = ({ code, hint, retryable, class: name, call, limit }: ErrorData): ErrorData => ({
  code,
  message: GONE,
  hint,
  retryable,
  ...(name === undefined ? {} : { class: name }),
  ...(call === undefined ? {} : { call }),
  ...(limit === undefined ? {} : { limit }),
});

/** Findings of inspectors name places in a value. */
function inspectedWithout<T extends Pick<ChunkDelivery, 'inspected'>>({ inspected }: T): Pick<ChunkDelivery, 'inspected'> {
  return inspected === undefined ? {} : { inspected: { ...inspected, by: {} } };
}

export function resultWithout(result: Result): Result {
  const { id, attempts, cost } = result;
  const common = {
    id,
    ...(attempts === undefined ? {} : { attempts }),
    ...(cost === undefined ? {} : { cost }),
    ...inspectedWithout(result),
  };
  if ('error' in result) return { ...common, error: errorWithout(result.error) };
  return { ...common, value: null, ...(result.handle === undefined ? {} : { handle: { type: 'null', bytes: 0 } }) };
}

const DELIVERIES: Table<Delivery> = {
  start: ({ kind, at, run, budget }) => ({ kind, at, run, input: null, caps: {}, budget }),
  reply: ({ results, ...one }) => ({ ...one, results: results.map((result) => resultWithout(result)) }),
  chunk: ({ kind, at, id, offset, ...more }) => ({ kind, at, id, offset, parts: [], ...inspectedWithout(more) }),
  message: ({ handles: _handles, caps: _caps, ...one }) => ({ ...one, body: null }),
  timer: (one) => one,
  child_ended: ({ handles: _handles, outcome, ...one }) => ({ ...one, outcome: outcomeWithout(outcome) }),
  cancel: (one) => one,
  notice: (one) => ({ ...one, text: GONE }),
};

const EFFECTS: Table<Effect> = {
  call: ({ kind, id, cap, as_handle, stream }) => ({
    kind,
    id,
    cap,
    input: null,
    ...(as_handle === undefined ? {} : { as_handle }),
    ...(stream === undefined ? {} : { stream }),
  }),
  pull: (one) => one,
  send: ({ kind, id, cap, request }) => ({ kind, id, cap, body: null, ...(request === undefined ? {} : { request: {} }) }),
  reply: ({ kind, to, error }) => ({ kind, to, ...(error === undefined ? { value: null } : { error: { message: GONE } }) }),
  spawn: ({ kind, id, agent, budget, program }) => ({
    kind,
    id,
    agent,
    input: null,
    caps: {},
    budget,
    ...(program === undefined ? {} : { program: { source: GONE, output: null } }),
  }),
  timer: (one) => one,
  abort: (one) => one,
  dispose: (one) => one,
  listen: (one) => one,
  emit: ({ kind }) => ({ kind, event: GONE, data: null }),
  log: ({ kind, level }) => ({ kind, level, text: GONE }),
  open: ({ kind, id, handle }) => ({ kind, id, handle }),
  drop: (one) => one,
  checkpoint: ({ kind }) => ({ kind, state: null }),
  finish: ({ kind, error }) => ({ kind, ...(error === undefined ? { output: null } : { error: { message: GONE } }) }),
};

/** The digest of arguments is left out, since short ones can be guessed by it. */
function decisionWithout(whole: Decision): Decision {
  const {
    message,
    digest: _digest,
    program: _program,
    origins: _origins,
    inspected: _inspected,
    gives: _gives,
    under,
    ...decision
  } = whole;
  return {
    ...decision,
    ...(under === undefined ? {} : { under: { call: under.call } }),
    ...(message === undefined ? {} : { message: GONE }),
  };
}

const EVENTS: Table<HostEvent> = {
  unknown: ({ detail: _detail, ...one }) => ({ ...one, message: GONE }),
  resolved: (one) => (one.how === 'retry' ? one : { ...one, result: resultWithout(one.result) }),
  fenced: (one) => ({ ...one, result: resultWithout(one.result) }),
  unanswered: (one) => ({ ...one, result: resultWithout(one.result) }),
  approval: ({ answer, relabel, holds, ...one }) => ({
    ...one,
    ...(holds === undefined ? {} : { holds: { ...holds, destination: GONE, origins: [] } }),
    ...(answer === undefined ? {} : { answer: { value: null } }),
    ...(relabel === undefined ? {} : { relabel }),
  }),
  input_required: ({ kind, id, tool, expires_at }) => ({
    kind,
    id,
    tool,
    request: { question: GONE, schema: {}, state: null },
    digest: '',
    expires_at,
  }),
  inspected: (one) => ({ ...one, decision: decisionWithout(one.decision) }),
  control: (one) => one,
  step: ({ because, ...one }) => ({ ...one, because: because.map((reason) => ({ ...reason, text: GONE, figures: {} })) }),
  refusals: (one) => ({ ...one, refused: [] }),
  cancel: (one) => one,
  held: (one) => ({ ...one, detail: GONE }),
  released: (one) => one,
  withdrawn: (one) => one,
  restamped: (one) => one,
  upgraded: (one) => one,
  forked: (one) => one,
  checkpoint: ({ kind }) => ({ kind, state: null, unread: null, ledger: null as Json }),
  ended: ({ outcome, ...one }) => ({ ...one, outcome: outcomeWithout(outcome) }),
};
