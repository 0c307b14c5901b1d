/** Reads a journal for people: the messages of a run, and why the run is in its state. Pure. */
import { ranges } from '@corral/protocol/ranges';
import type { Withheld } from '@corral/protocol/api/withheld';
import type { RunId } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import type { Outcome } from '@corral/protocol/model/outcome';
import { outcomeText } from '@corral/protocol/model/outcome-text';
import type { Entry, RunStatus } from '@corral/protocol/model/run';
import type { RunView } from '@corral/supervisor';
import { advice } from './advice.ts';
import { actedLine, deliveryOf, effectsOf, foldCalls, type CallView } from './calls.ts';
import type { Pages } from './pages.ts';
import type { ShownEntry } from './without.ts';

export interface MessageView {
  readonly direction: 'in' | 'out';
  readonly at: number;
  readonly with: string;
  readonly body: Json;
  readonly seq: number;
  readonly withheld?: Withheld;
}

/** Parts of a stream, as followers are told. */
export interface Chunk {
  readonly call: number;
  readonly offset: number;
  readonly parts: readonly Json[];
}

/** The parts of a stream that an entry delivers. */
export function chunkIn(entry: Entry): Chunk | undefined {
  const delivery = deliveryOf(entry);
  if (delivery?.kind !== 'chunk') return undefined;
  const { id: call, offset, parts } = delivery;
  return { call, offset, parts };
}

const withheldIn = ({ withheld }: ShownEntry): { readonly withheld?: Withheld } => (withheld === undefined ? {} : { withheld });

export function messagesIn(entries: readonly ShownEntry[]): MessageView[] {
  return entries.flatMap((entry): MessageView[] => {
    const delivery = deliveryOf(entry);
    const received: MessageView[] =
      delivery?.kind === 'message'
        ? [
            {
              direction: 'in',
              at: entry.at,
              with: `${delivery.from.agent} ${delivery.from.run}`,
              body: delivery.body,
              seq: entry.seq,
              ...withheldIn(entry),
            },
          ]
        : [];
    const sent = effectsOf(entry).flatMap((effect): MessageView[] =>
      effect.kind === 'send'
        ? [
            {
              direction: 'out',
              at: entry.at,
              with: `capability ${effect.cap}`,
              body: (effect.body ?? null) as Json,
              seq: entry.seq,
              ...withheldIn(entry),
            },
          ]
        : [],
    );
    return [...received, ...sent];
  });
}

/** An entry as the API shows it. */
export function entryView({ seq, at, cpu_us, delivery, effects, decisions, event, private_to = [], withheld }: ShownEntry, hash: string) {
  return {
    seq,
    at,
    cpu_us,
    delivery: delivery === undefined ? null : (JSON.parse(delivery) as Json),
    effects: effects === undefined ? null : (JSON.parse(effects) as Json[]),
    decisions: decisions as unknown as Json[],
    event: (event ?? null) as Json,
    hash,
    private_to: [...private_to],
    ...(withheld === undefined ? {} : { withheld }),
  };
}

interface Reader {
  /** Whether what tools threw is shown, and other texts that are payload. */
  readonly details: boolean;
  /** Sentences that name the people who decide about the calls that wait for approval. */
  readonly deciding: readonly string[];
}

interface Told {
  readonly verdict: string;
  readonly because: string[];
  readonly next: string[];
  /** The entry of the journal that stopped the run; undefined if it is not stopped. */
  readonly halt?: number;
}

/**
 * Says in sentences why a run is in its state, and what can be done about it. Payloads are not shown, except the messages of errors, and to those
 * whose role shows them the beginning of an answer that an agent was not told.
 * @param reader what the reader may see and do
 */
export async function explain(
  run: RunId,
  status: Pick<RunStatus, 'lifecycle' | 'control' | 'waiting' | 'outcome'>,
  view: RunView | undefined,
  pages: Pages,
  reader: Reader = { details: false, deciding: [] },
): Promise<Told & { readonly drifted: boolean }> {
  const steps: Step[] = [];
  const told = await tell(run, status, view, pages, steps, reader);
  return { ...told, drifted: steps.some(({ because }) => because.some(({ detector }) => detector === 'drift')) };
}

const SETTLED = { retry: 'had it made again', result: 'said what it gave back', fail: 'settled it as failed' } as const;

/** How a call of unknown result was settled, by whom and why. Shown for as long as the journal is kept. */
function settledLines({ call, tool, settled }: CallView): string[] {
  return settled.map(
    ({ by, how, reason, at }) =>
      `Call ${call} to ${tool} had an unknown result: ${by} ${SETTLED[how]}, ${new Date(at).toISOString()}${reason === null ? '' : `: ${reason}`}.`,
  );
}

const resolvingLines = (run: RunId, { call, tool, state }: CallView): string[] =>
  state === 'unknown'
    ? [
        `Find out whether call ${call} to ${tool} acted, then \`corral resolve ${run} ${call} --result JSON -m WHY\`, or \`--retry\` or \`--fail\`.`,
      ]
    : [];

/** Children that were denied to a run never became runs, so nothing else tells of them. */
function deniedSpawns(entries: readonly Entry[]): string[] {
  return entries.flatMap((entry) => {
    const denied = entry.decisions.filter(({ verdict }) => verdict === 'deny');
    if (denied.length === 0) return [];
    return effectsOf(entry).flatMap((effect) => {
      const decision = effect.kind === 'spawn' ? denied.find(({ id }) => id === effect.id) : undefined;
      if (effect.kind !== 'spawn' || decision === undefined) return [];
      return [`Spawn ${effect.id} of ${effect.agent} was denied: ${decision.code ?? ''} ${decision.message ?? ''}`.trim()];
    });
  });
}

/** Extends the sentence about a pause that covers the run's descendants. */
function withFamily(run: RunId, family: RunId | undefined): string {
  if (family === undefined) return '';
  return family === run ? ', with all that descends from it' : `, with all that descends from ${family}`;
}

type Step = Extract<Entry['event'], { kind: 'step' }> & { readonly seq: number };

async function tell(
  run: RunId,
  status: Parameters<typeof explain>[1],
  view: RunView | undefined,
  pages: Pages,
  steps: Step[],
  { details, deciding }: Reader,
): Promise<Told> {
  const because: string[] = [];
  const next: string[] = [];
  const folded = new Map<number, CallView>();
  let controlled: { readonly event: Entry['event']; readonly seq: number } | undefined;
  let held: Entry['event'];
  const spawns: string[] = [];
  for await (const page of pages) {
    foldCalls(folded, page);
    spawns.push(...deniedSpawns(page));
    for (const { event, seq } of page) if (event?.kind === 'step') steps.push({ ...event, seq });
    controlled = page.findLast(({ event }) => event?.kind === 'control') ?? controlled;
    held = page.findLast(({ event }) => event?.kind === 'held' || event?.kind === 'released')?.event ?? held;
  }
  const calls = [...folded.values()];
  const told = actedLines(calls, status.outcome === undefined, details);
  // First: what was done must not be done again because its agent was told otherwise. The lines about calls that a person can settle follow further down.
  because.push(...[...told.values()].slice(-SETTLED_SHOWN));
  for (const { call, tool, error } of calls.filter(({ state }) => state === 'denied').slice(-DENIED_SHOWN))
    because.push(`Call ${call} to ${tool} was denied: ${error?.code ?? ''} ${error?.message ?? ''}`.trim());
  because.push(...spawns.slice(-DENIED_SHOWN));
  for (const { numbers, tool, error } of alike(calls.filter((call) => isFailed(call) && !told.has(call.call))).slice(-FAILED_SHOWN)) {
    because.push(
      `Call${numbers.length === 1 ? '' : 's'} ${ranges(numbers)} to ${tool} failed: ${error?.code ?? ''} ${error?.message ?? ''}`.trim(),
    );
    if (details && typeof error?.detail === 'string') because.push(...error.detail.split('\n', DETAIL_LINES).map((line) => `  ${line}`));
  }
  because.push(...calls.flatMap((call) => settledLines(call)).slice(-SETTLED_SHOWN));
  for (const step of steps.slice(-STEPS_SHOWN)) because.push(...stepLines(step));
  if (status.outcome !== undefined)
    return {
      verdict: `ended: ${outcomeText(status.outcome)}`,
      because: [...because, ...endOf(status.outcome)],
      // The message and the innermost frames of an error are among the reasons already.
      next: advice(run, status.outcome, 'stack' in status.outcome && framesIn(status.outcome.stack).length > FRAMES_SHOWN),
    };

  const control = view?.control ?? status.control;
  const waiting = view?.waiting ?? status.waiting;
  if (control !== 'none') {
    // First, since the steps before it may be many.
    const halt = controlled?.event?.kind === 'control' ? controlled.event : undefined;
    if (halt !== undefined) because.unshift(`${halt.by} ${control} it${withFamily(run, halt.family)}: ${halt.reason}`);
    if (halt?.family !== undefined)
      next.push(`\`corral resume ${halt.family} --family -m WHY\` resumes the run and all that was paused with it.`);
    next.push(`\`corral resume ${run} -m WHY\` resumes it; \`corral kill ${run} -m WHY\` ends it.`);
    return { verdict: control, because, next, ...(controlled === undefined ? {} : { halt: controlled.seq }) };
  }
  if (view?.on_cpu === true) {
    because.push(`Its crank has used the CPU for ${Math.round(view.crank_age_ms)} ms.`);
    next.push('`corral pause` stops it at once; its ceiling on CPU time ends it without any command.');
    return { verdict: 'running', because, next };
  }
  for (const { call, tool, state, asked_at, error } of calls) {
    if (state === 'unknown') {
      because.push(`Call ${call} to ${tool} left, and its result is lost: it may or may not have acted.`);
      if (error !== null) because.push(`  ${error.message}`);
      if (details && typeof error?.detail === 'string') because.push(...error.detail.split('\n', DETAIL_LINES).map((line) => `  ${line}`));
    } else if (state === 'open')
      because.push(
        `Call ${call} to ${tool} was asked for at ${new Date(asked_at).toISOString()} and ${view?.runnable === true ? 'its agent was given no answer' : 'has no answer'} yet.`,
      );
  }
  if (view?.runnable === true && view.lifecycle === 'active')
    because.push('It has something to process, and waits for its turn in a cell.');
  if (waiting === 'resolution' && held?.kind === 'held') {
    because.push(held.detail);
    next.push(`Look at what it did since, then \`corral release ${run} -m WHY\` lets it go on; \`corral kill ${run} -m WHY\` ends it.`);
  }
  if (waiting === 'resolution') next.push(...calls.flatMap((call) => resolvingLines(run, call)).slice(-SETTLED_SHOWN));
  if (waiting === 'approval') next.push(...deciding);
  if (waiting === 'message') because.push('It listens for messages from other runs.');
  if (waiting === 'timer') because.push('It sleeps until a timer is due.');
  if (waiting === 'child') because.push(childLine(view?.waitingFor ?? ''));
  if (status.lifecycle === 'queued' && view?.lifecycle !== 'active')
    because.push(
      view === undefined
        ? 'It waits in the store for a place in memory; its tenant or the host has none free.'
        : 'It has not begun: no cell has been assigned to it yet.',
    );
  if (view?.low === true) because.push(`Only ${Math.round(view.left * 100)} % of its budget is left.`);
  return { verdict: waiting === 'nothing' ? (view?.lifecycle ?? status.lifecycle) : `waits for ${waiting}`, because, next };
}

const isFailed = ({ state, error }: CallView): boolean => state === 'failed' || (state === 'answered' && error !== null);

/** By number: calls whose tool did, or may have done, more than their agent was told. Without those that a person can settle now, which have lines of their own. */
function actedLines(calls: readonly CallView[], isLive: boolean, details: boolean): ReadonlyMap<number, string> {
  const lines = new Map<number, string>();
  for (const call of calls) {
    const line = isLive && call.state === 'unknown' ? undefined : actedLine(call, details);
    if (line !== undefined) lines.set(call.call, line);
  }
  return lines;
}

/** Calls that failed in the same way, as one: an agent that tries again and again makes hundreds of them. In the order of the last of each. */
function alike(calls: readonly CallView[]): (Pick<CallView, 'tool' | 'error'> & { readonly numbers: readonly number[] })[] {
  const found = new Map<string, Pick<CallView, 'tool' | 'error'> & { readonly numbers: number[] }>();
  for (const { call, tool, error } of calls) {
    const key = JSON.stringify([tool, error]);
    const { numbers } = found.get(key) ?? { numbers: [] };
    found.delete(key);
    found.set(key, { tool, error, numbers: [...numbers, call] });
  }
  return [...found.values()];
}

function childLine(waitingFor: string): string {
  const children = waitingFor.replace('a timer or ', '');
  if (children !== waitingFor) return `It goes on when a timer is due or a child ends; it has ${children}.`;
  return `It waits for ${waitingFor === '' ? 'child runs' : waitingFor} to end.`;
}

/** Steps, and settlements, that are shown. */
const STEPS_SHOWN = 8;
const SETTLED_SHOWN = 10;
/** Denied calls, denied spawns and failed calls that are shown, and lines of what each tool threw. */
const DENIED_SHOWN = 5;
const FAILED_SHOWN = 3;
const DETAIL_LINES = 4;
const REASONS_SHOWN = 3;
const STEP_WORDS = {
  observe: 'It was calm for long enough, and goes on as before',
  notice: 'Its agent was notified',
  slow: 'It was slowed down',
  pause: 'It was paused for a person',
  kill: 'It was stopped for good',
} as const;

/** A step of the ladder against loops, with its evidence. */
function stepLines({ seq, step, because }: Step): string[] {
  return [
    `${STEP_WORDS[step]} (entry ${seq})${because.length === 0 ? '.' : ':'}`,
    ...because.slice(0, REASONS_SHOWN).map(({ detector, confidence, text, entries }) => {
      const where = entries.length === 0 ? '' : ` Entries ${entries.join(', ')}.`;
      return `  ${detector}, ${Math.round(confidence * 100)} % sure: ${text}${where}`;
    }),
  ];
}

/** Where the agent was: its innermost frames as positions in its bundle. Its author's source map resolves them to lines. */
const FRAMES_SHOWN = 5;
const framesIn = (stack = ''): string[] => stack.split('\n').filter((line) => /^\s+at /.test(line));
const framesOf = (stack?: string): string[] =>
  framesIn(stack)
    .slice(0, FRAMES_SHOWN)
    .map((line) => `  ${line.trim().slice(0, 300)}`);

function endOf(outcome: Outcome): string[] {
  switch (outcome.kind) {
    case 'completed':
      return ['The agent finished, and its output fits its schema.'];
    case 'failed':
      return [outcome.message, ...framesOf(outcome.stack)];
    case 'denied':
    case 'never_started':
      return [outcome.message];
    case 'exceeded':
      return [outcome.message];
    case 'killed':
    case 'cancelled':
      return [`${outcome.by} ${outcome.kind} it: ${outcome.reason}`];
    case 'looped':
      return [`It looped: ${outcome.evidence}`];
    case 'diverged':
      return [
        `Crank ${outcome.crank} did something else in replay than the journal says.`,
        `Expected: ${outcome.expected}`,
        `Seen: ${outcome.seen}`,
      ];
  }
}
