/**
 * The handles of one run: values that it may move and has not read. An index is the run's own, is used once, and is counted here
 * and in the isolate alike. Part of the ledger, so it changes by journal entries alone.
 */
import type { Handled } from '@corral/policy/flow/handled';
import { join, CLEAN, labelOf, type Label } from '@corral/policy/flow/labels';
import type { ToolFacts } from '@corral/protocol/model/decision';
import type { Delivery } from '@corral/protocol/wire/delivery';
import { viewOf, type CarriedHandle, type HandlePath, type HandleSlot, type PlacedHandle } from '@corral/protocol/wire/handle';
import type { Json } from '@corral/protocol/json';
import { MACHINE } from '@corral/protocol/limits';
import { DraftMap } from './draft-map.ts';
import { Refused, Violation } from '../effects/batch.ts';

export interface Held {
  readonly value: Json;
  /** Length of its JSON text. */
  readonly bytes: number;
  /** Of what is inside. */
  readonly label: Label;
  /** The tool that gave it. */
  readonly source: string;
}

/** Handles as a checkpoint, or a parked run, keeps them. */
export interface SavedHandles {
  readonly next: number;
  readonly held: readonly (readonly [number, Held])[];
}

const PARTS_KEPT = 8_192;

export class Handles {
  #next = 1;
  #bytes = 0;
  readonly #held: Map<number, Held>;
  /**
   * Parts that were asked for, with their sizes: to find those out again and again would take longer than it takes to ask. A draft has
   * its own besides: once it is dropped, the next handle has the index of one that only the draft had.
   */
  readonly #parts = new Map<string, Held>();
  readonly #of: Handles | undefined;

  /** @param of what it is a draft of */
  constructor(of?: Handles) {
    this.#of = of;
    this.#held = of === undefined ? new Map() : new DraftMap(of.#held);
    if (of !== undefined) [this.#next, this.#bytes] = [of.#next, of.#bytes];
  }

  /** The same ones, for a crank that is being decided. */
  draft(): Handles {
    return new Handles(this);
  }

  /** What this is a draft of has all of it from here on. */
  adopt(): void {
    const of = this.#of;
    if (of === undefined) return;
    [of.#next, of.#bytes] = [this.#next, this.#bytes];
    (this.#held as DraftMap<number, Held>).adopt();
    for (const [name, part] of this.#parts) of.#keep(name, part);
  }

  /** The index of the next one. */
  get next(): number {
    return this.#next;
  }

  get size(): number {
    return this.#held.size;
  }

  /** One too many takes its index and is worth nothing. */
  add({ value, label, source }: Omit<Held, 'bytes'>): void {
    const index = this.#next;
    this.#next += 1;
    const { bytes } = viewOf(value);
    if (this.#held.size >= MACHINE.handles.default || this.#bytes + bytes > MACHINE.handle_bytes.default) return;
    this.#bytes += bytes;
    this.#held.set(index, { value, bytes, label, source });
  }

  /** Those that come with a message, or with the end of a child. */
  take(delivery: Delivery): void {
    if (delivery.kind !== 'message' && delivery.kind !== 'child_ended') return;
    for (const handle of delivery.handles ?? []) this.add(handle);
  }

  /** @throws Violation for an index that the run was never given; Refused for one that it has no more */
  get(index: number, at: HandlePath = []): Held {
    const held = this.#held.get(index);
    if (held !== undefined) return at.length === 0 ? held : this.#part(index, held, at);
    this.given(index);
    throw new Refused('CORRAL_REVOKED', 'The run has let go of the handle, or held too much when it came.', 'handles');
  }

  #part(index: number, held: Held, at: HandlePath): Held {
    const name = JSON.stringify([index, at]);
    const known = this.#parts.get(name) ?? (this.#of === undefined ? undefined : this.#of.#parts.get(name));
    if (known !== undefined) return known;
    const part = partOf(held, at);
    this.#keep(name, part);
    return part;
  }

  #keep(name: string, part: Held): void {
    if (this.#parts.size >= PARTS_KEPT) this.#parts.clear();
    this.#parts.set(name, part);
  }

  forget(index: number): void {
    this.#parts.clear();
    if (this.#of !== undefined) this.#of.#parts.clear();
    this.#bytes -= this.#held.get(index)?.bytes ?? 0;
    this.#held.delete(index);
  }

  /** @param kept left out: all of them */
  save(kept?: ReadonlySet<number>): SavedHandles {
    return { next: this.#next, held: [...this.#held].filter(([index]) => kept === undefined || kept.has(index)) };
  }

  load({ next, held }: SavedHandles): void {
    this.#held.clear();
    this.#parts.clear();
    this.#next = next;
    this.#bytes = 0;
    for (const [index, one] of held) {
      this.#held.set(index, one);
      this.#bytes += one.bytes;
    }
  }

  /** @throws Violation for an index that the run was never given */
  given(index: number): void {
    if (index >= this.#next) throw new Violation('CORRAL_CAP_FORGED', `The run used handle ${index}, which it was never given.`);
  }
}

/** An effect that may have handles in it. */
interface Carrier {
  readonly handles?: readonly HandleSlot[];
}

/** The handles of an effect, each where it stands. */
export interface Slotted {
  readonly path: HandlePath;
  readonly held: Held;
}

/**
 * @param members of the effect in which handles may stand
 * @throws Violation for a place that has no null in it, or an index that was never given; Refused for a handle the run has no more
 */
export function slotted(handles: Handles, effect: Carrier, members: readonly string[]): Slotted[] {
  const places = new Set<string>();
  // A forgery ends the run, whatever else is wrong.
  const found = (effect.handles ?? []).map(({ path, handle, at }) => ({ path, held: attempt(() => handles.get(handle, at)) }));
  return found.map(({ path, held }) => {
    const at = within(effect, path);
    const place = JSON.stringify(path);
    if (at !== null || !members.includes(String(path[0])) || places.has(place))
      throw new Violation('CORRAL_EFFECT_INVALID', `A handle is said to stand at ${place.slice(0, 200)}, where there is no place for one.`);
    places.add(place);
    if (held instanceof Refused) throw held;
    return { path, held };
  });
}

function within(value: unknown, path: HandlePath): unknown {
  let at = value;
  for (const part of path) {
    const there = typeof at === 'object' && at !== null && part !== '__proto__' && Object.hasOwn(at, part);
    at = there ? (at as Record<string | number, unknown>)[part] : undefined;
  }
  return at;
}

function partOf({ value, label, source }: Held, at: HandlePath): Held {
  const part = within(value, at) as Json | undefined;
  if (part === undefined) throw new Refused('CORRAL_ARGS_INVALID', 'There is no such part behind the handle.');
  return { value: part, bytes: viewOf(part).bytes, label, source };
}

function attempt<T>(get: () => T): T | Refused {
  try {
    return get();
  } catch (error) {
    if (error instanceof Refused) return error;
    throw error;
  }
}

/** Length of what the handles would add to an effect. */
export const heldBytes = (slots: readonly Slotted[]): number => slots.reduce((sum, { held }) => sum + held.bytes, 0);

/** A member of an effect with the values of its handles put in. Nothing of the effect is changed. */
export function filled(value: Json, slots: readonly Slotted[]): Json {
  const copied = new Set<object>();
  let whole = value;
  for (const { path, held } of slots) whole = put(whole, path.slice(1), held.value, copied);
  return whole;
}

function put(at: Json, [part, ...rest]: HandlePath, value: Json, copied: Set<object>): Json {
  if (part === undefined) return value;
  let here = at as Record<string | number, Json>;
  if (!copied.has(here)) {
    here = (Array.isArray(here) ? [...(here as unknown as Json[])] : { ...here }) as Record<string | number, Json>;
    copied.add(here);
  }
  here[part] = put(here[part] as Json, rest, value, copied);
  return here;
}

/** As policies are told of them: their places in the arguments. */
export const handledOf = (slots: readonly Slotted[]): Handled[] =>
  slots.map(({ path, held }) => ({ path: path.slice(1), label: held.label }));

/** As they travel to another run. @param before members of the delivery above the one they stand in */
export const carriedHandles = (slots: readonly Slotted[], before: HandlePath = []): { readonly handles?: readonly CarriedHandle[] } =>
  slots.length === 0
    ? {}
    : {
        handles: slots.map(({ path, held: { value, label, source } }) => ({
          ...viewOf(value),
          path: [...before, ...path],
          value,
          label,
          source,
        })),
      };

/** As a run is given them when it goes on from a state. */
export const placed = (handles: Handles, slots: readonly HandleSlot[]): PlacedHandle[] =>
  slots.map(({ path, handle, at }) => ({ ...viewOf(handles.get(handle).value), path, handle, ...(at === undefined ? {} : { at }) }));

/**
 * The label of what is behind a handle: what the tool says of its results, what the run knew when it asked, what was in the arguments.
 * What the run has done is its own, and not its result's.
 */
export function insideOf(tool: string, facts: ToolFacts | undefined, run: Label | undefined, inArguments: readonly Handled[]): Label {
  const { returns = 'untrusted', private_to } = facts ?? {};
  const own = labelOf(tool, { untrusted: returns === 'untrusted', ...(private_to === undefined ? {} : { private_to }) });
  const all = inArguments.reduce((sum, { label }) => join(sum, label), join(own, run ?? CLEAN));
  return { ...all, sticky: { ...all.sticky, outside_effect: false } };
}
