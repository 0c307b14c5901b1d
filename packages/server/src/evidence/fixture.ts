/**
 * Makes a run into material of a test. From the entry on at which its label became private, all that it was given and all that it made is
 * taken to hold private data, and leaves this host only at the word of its owner.
 */
import type { Fixture } from '@corral/protocol/api/fixtures';
import { CorralError } from '@corral/protocol/errors';
import { DOOR } from '@corral/protocol/limits';
import type { ContextChange } from '@corral/protocol/model/context';
import type { Json } from '@corral/protocol/json';
import type { Entry, RunRecord } from '@corral/protocol/model/run';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { Tool } from '@corral/protocol/ports/tool';
import { modelIn } from '@corral/protocol/ids';
import { withContent } from '@corral/tools/models/parts';
import type { AnswerPart, ModelAnswer } from '@corral/tools/models/request';
import { deliveryOf, effectsOf } from './calls.ts';
import { chunkIn } from './journal.ts';
import type { Pages } from './pages.ts';

type Call = { -readonly [K in keyof Fixture['calls'][number]]: Fixture['calls'][number][K] };

/** Since when, by number of the entry, a run may hold private data, and whose. */
export interface Privacy {
  readonly from: number;
  readonly names: readonly string[];
}

/**
 * Where nobody decided by policies, no label is kept. Then a result is private if its tool is, and all that came from another run counts
 * as private to the owners of all tools: that run may have read any of them.
 * @param changes of the label, from the journal
 * @param today the tools of today, of which one may have been declared private since the run; and whether labels are kept today, which
 *   counts for a run of whose effects none had to be decided
 */
export async function privacyOf(
  pages: Pages,
  { label, parent }: Pick<RunRecord, 'label' | 'parent'>,
  changes: readonly ContextChange[],
  today: { readonly tools: ReadonlyMap<string, Tool>; readonly labels: boolean },
): Promise<Privacy> {
  const { tools } = today;
  const names = new Set<string>(label?.private_to ?? []);
  let from = names.size > 0 ? 0 : Number.POSITIVE_INFINITY;
  const found = (entry: number, whose: readonly string[]) => {
    for (const name of whose) names.add(name);
    if (whose.length > 0) from = Math.min(from, entry);
  };
  for (const change of changes) if (change.kind === 'label') found(change.entry, change.gained.private_to);
  const called = new Map<number, string>();
  let isDecided = false;
  let isLabelled = false;
  let foreign = parent === undefined ? Number.POSITIVE_INFINITY : 0;
  for await (const page of pages)
    for (const entry of page) {
      for (const { id, tool, policy } of entry.decisions) {
        if (tool !== undefined) called.set(id, tool);
        isDecided = true;
        isLabelled ||= policy !== undefined;
      }
      const delivery = deliveryOf(entry);
      if (delivery?.kind === 'child_ended' || delivery?.kind === 'message') foreign = Math.min(foreign, entry.seq);
      if (delivery?.kind !== 'reply') continue;
      for (const { id } of delivery.results) {
        const tool = called.get(id);
        if (tool === undefined) foreign = Math.min(foreign, entry.seq);
        const whose = tools.get(tool ?? '')?.annotations.private_to;
        if (whose !== undefined) found(entry.seq, [whose]);
      }
    }
  if (!(isDecided ? isLabelled : today.labels) && foreign !== Number.POSITIVE_INFINITY) found(foreign, ownersOf(tools));
  return { from, names: [...names].sort() };
}

const ownersOf = (tools: ReadonlyMap<string, Tool>): string[] =>
  [...tools.values()].flatMap(({ annotations: { private_to } }) => (private_to === undefined ? [] : [private_to]));

/** How much a fixture may take. */
export interface FixtureSize {
  readonly calls: number;
  readonly bytes: number;
}
const MOST: FixtureSize = { calls: DOOR.fixture_calls.default, bytes: DOOR.fixture_bytes.default };

/** Counts what a fixture takes. */
class Room {
  readonly #run: string;
  readonly #most: FixtureSize;
  #calls = 0;
  #bytes = 0;

  constructor(run: string, most: FixtureSize) {
    this.#run = run;
    this.#most = most;
  }

  /** @throws CORRAL_FIXTURE_TOO_LARGE */
  take(value: Json, calls = 0): void {
    this.#calls += calls;
    this.#bytes += JSON.stringify(value).length;
    const { calls: most, bytes } = this.#most;
    const what = this.#calls > most ? `${most} calls` : this.#bytes > bytes ? `${bytes} bytes of arguments and results` : undefined;
    if (what === undefined) return;
    throw new CorralError('CORRAL_FIXTURE_TOO_LARGE', `${this.#run} has more than ${what}, and material of a test has no more.`);
  }
}

/** Answers of models that were handed over in parts: a journal has their words with the parts, and a test is given them as a whole. */
class Streamed {
  readonly #parts = new Map<number, Json[]>();

  take(entry: Entry): void {
    const chunk = chunkIn(entry);
    if (chunk === undefined) return;
    const parts = this.#parts.get(chunk.call) ?? [];
    parts.push(...(chunk.parts as Json[]));
    this.#parts.set(chunk.call, parts);
  }

  /** @param end of the stream, as its journal has it */
  whole(call: number, tool: string, end: Json): Json {
    const parts = this.#parts.get(call);
    this.#parts.delete(call);
    if (parts === undefined || modelIn(tool) === undefined) return end;
    return withContent(end as unknown as ModelAnswer, parts as unknown as AnswerPart[]) as unknown as Json;
  }
}

/** @param shown whether private data is given as it is @throws CORRAL_FIXTURE_TOO_LARGE */
export async function callsFrom(
  run: string,
  pages: Pages,
  { from }: Privacy,
  tools: ReadonlyMap<string, Tool>,
  shown: boolean,
  most = MOST,
): Promise<Fixture['calls']> {
  const calls = new Map<number, Call>();
  const room = new Room(run, most);
  const answered: number[] = [];
  const streamed = new Streamed();
  for await (const page of pages)
    for (const entry of page) {
      const hidden = !shown && entry.seq >= from;
      const delivery = deliveryOf(entry);
      streamed.take(entry);
      for (const result of delivery?.kind === 'reply' ? delivery.results : []) {
        const call = calls.get(result.id);
        if (call === undefined) continue;
        answered.push(result.id);
        // The stamp of the delivery is the time that the agent saw.
        call.answered_at = delivery?.at ?? entry.at;
        if ('error' in result) {
          const { code, message } = result.error;
          call.error = { code, message: hidden ? `${call.tool} failed.` : message };
        } else {
          const value = streamed.whole(result.id, call.tool, result.value);
          call.result = hidden ? shapeOf(tools.get(call.tool)?.output.schema, value) : value;
          call.result_hidden = hidden;
        }
        room.take(call.result);
      }
      const decided = new Map(entry.decisions.map((decision) => [decision.id, decision]));
      for (const effect of effectsOf(entry)) {
        if (effect.kind !== 'call') continue;
        const tool = decided.get(effect.id)?.tool;
        if (tool === undefined) continue;
        const input = hidden ? null : ((effect.input ?? {}) as Json);
        room.take(input, 1);
        calls.set(effect.id, { tool, input, input_hidden: hidden, result: null, result_hidden: false, answered_at: 0, error: null });
      }
    }
  const made = new Set(answered);
  return [...calls].flatMap(([id, call]) => (made.has(id) ? [call] : []));
}

/** The time that the agent saw first. */
export const beganAt = (first: Entry | undefined): number | undefined => (first === undefined ? undefined : deliveryOf(first)?.at);

/** An outcome without what may be private. */
export function outcomeFrom(outcome: Outcome, { from }: Privacy, shown: boolean): Fixture['outcome'] {
  const hidden = !shown && from !== Number.POSITIVE_INFINITY;
  return {
    kind: outcome.kind,
    code: 'code' in outcome ? outcome.code : null,
    output: outcome.kind === 'completed' && !hidden ? outcome.output : null,
    output_hidden: outcome.kind === 'completed' && hidden,
  };
}

const DEPTH = 20;

/**
 * A value of the same shape that says nothing. Names of members are kept only where the tool's schema states them, and lists are empty: a
 * name or a length may be private, too.
 */
function shapeOf(schema: unknown, value: Json, depth = 0): Json {
  const said = typeof schema === 'object' && schema !== null ? (schema as { readonly [word: string]: Json }) : {};
  if (said['const'] !== undefined) return said['const'];
  if (Array.isArray(said['enum'])) return (said['enum'][0] ?? null) as Json;
  if (typeof value === 'string') return 'hidden';
  if (typeof value === 'number') return typeof said['minimum'] === 'number' ? said['minimum'] : 0;
  if (typeof value === 'boolean') return false;
  if (value === null || depth > DEPTH) return null;
  if (Array.isArray(value)) return [];
  const properties = said['properties'];
  const known = typeof properties === 'object' && properties !== null && !Array.isArray(properties) ? properties : {};
  return Object.fromEntries(
    Object.entries(value as { readonly [name: string]: Json })
      .filter(([name]) => Object.hasOwn(known, name))
      .map(([name, one]) => [name, shapeOf((known as { readonly [name: string]: Json })[name], one, depth + 1)]),
  );
}
