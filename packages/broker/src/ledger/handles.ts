/**
 * The handles of one run: values that it may pass on and has not read. An index is used once; the ledger and the isolate count indexes in
 * the same way. Part of the ledger, so it changes only by journal entries.
 */
import type { Handled } from '@corral/policy/flow/handled';
import { join, CLEAN, labelOf, unionOf, type Label, type Names } from '@corral/policy/flow/labels';
import type { ToolFacts } from '@corral/protocol/model/decision';
import type { Delivery } from '@corral/protocol/wire/delivery';
import { viewOf, type CarriedHandle, type HandlePath, type HandleSlot, type PlacedHandle } from '@corral/protocol/wire/handle';
import type { Json } from '@corral/protocol/json';
import { MACHINE } from '@corral/protocol/limits';
import { heapSizeOf } from '@corral/protocol/heap-size';
import { DraftMap } from './draft-map.ts';
import { WeighedMap } from './weighed-map.ts';
import { Refused, Violation } from '../effects/refused.ts';

export interface Held {
  readonly value: Json;
  /** Length of its JSON text. */
  readonly bytes: number;
  /** The label of the value. */
  readonly label: Label;
  /** The tool that returned it. */
  readonly source: string;
}

/** Handles as saved in a checkpoint or for a parked run. */
export interface SavedHandles {
  readonly next: number;
  readonly held: readonly (readonly [number, Held])[];
}

const PARTS_KEPT = 2_048;
/** Approximate bytes of a handle, and of a part in the cache, besides the value. */
const HELD_BYTES = 250;
const PART_BYTES = 350;

export class Handles {
  #next = 1;
  #bytes = 0;
  readonly #held: Map<number, Held>;
  /**
   * Cache of parts of values with their sizes, since finding them takes time. A draft has a cache of its own, because its indexes are
   * used again if it is dropped.
   */
  readonly #parts = new Map<string, Held>();
  readonly #of: Handles | undefined;

  /** @param of the handles of which this is a draft */
  constructor(of?: Handles) {
    this.#of = of;
    this.#held = of === undefined ? new WeighedMap(({ value }) => HELD_BYTES + heapSizeOf(value)) : new DraftMap(of.#held);
    if (of !== undefined) [this.#next, this.#bytes] = [of.#next, of.#bytes];
  }

  /** A draft for a crank that is being decided. */
  draft(): Handles {
    return new Handles(this);
  }

  /** Writes the changes of this draft into its original. */
  adopt(): void {
    const of = this.#of;
    if (of === undefined) return;
    [of.#next, of.#bytes] = [this.#next, this.#bytes];
    (this.#held as DraftMap<number, Held>).adopt();
    for (const [name, part] of this.#parts) of.#keep(name, part);
  }

  /** The next index. */
  get next(): number {
    return this.#next;
  }

  get size(): number {
    return this.#held.size;
  }

  /** Approximate bytes in memory. */
  get memory(): number {
    return (this.#held instanceof WeighedMap ? this.#held.bytes : 0) + this.#parts.size * PART_BYTES;
  }

  /** Adds a handle. Beyond the limits it uses up an index and is not stored. */
  add({ value, label, source }: Omit<Held, 'bytes'>): void {
    const index = this.#next;
    this.#next += 1;
    const { bytes } = viewOf(value);
    if (this.#held.size >= MACHINE.handles.default || this.#bytes + bytes > MACHINE.handle_bytes.default) return;
    this.#bytes += bytes;
    this.#held.set(index, { value, bytes, label, source });
  }

  /** Adds the handles of a message, or of a child's end. */
  take(delivery: Delivery): void {
    if (delivery.kind !== 'message' && delivery.kind !== 'child_ended') return;
    for (const handle of delivery.handles ?? []) this.add(handle);
  }

  /** @throws Violation for an index that the run was never given; Refused if the handle is gone */
  get(index: number, at: HandlePath = []): Held {
    const held = this.#held.get(index);
    if (held !== undefined) return at.length === 0 ? held : this.#part(index, held, at);
    this.given(index);
    throw new Refused('CORRAL_REVOKED', 'The run has let go of the handle, or held too much when it came.', 'handles');
  }

  /** The people whose private data is in the values behind all handles. */
  get privateTo(): Names {
    let names: Names = [];
    for (const { label } of this.#held.values()) names = unionOf(names, label.private_to);
    return names;
  }

  /** The label of the value behind a handle; undefined if the handle is gone. */
  labelOf(index: number): Label | undefined {
    return this.#held.get(index)?.label;
  }

  #part(index: number, held: Held, at: HandlePath): Held {
    const steps = stepsIn(held.value, at);
    if (steps === undefined) throw new Refused('CORRAL_ARGS_INVALID', 'There is no such part behind the handle.');
    const name = JSON.stringify([index, steps]);
    const known = this.#parts.get(name) ?? (this.#of === undefined ? undefined : this.#of.#parts.get(name));
    if (known !== undefined) return known;
    const part = partOf(held, steps);
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

  /** @param kept the indexes to save; absent: all */
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

/** An effect that may contain handles. */
interface Carrier {
  readonly handles?: readonly HandleSlot[];
}

/** A handle of an effect with its place. */
export interface Slotted {
  readonly path: HandlePath;
  readonly held: Held;
}

/**
 * @param members the members of the effect that may contain handles
 * @throws Violation for a place that does not hold null, or an index that was never given; Refused for a handle that is gone
 */
export function slotted(handles: Handles, effect: Carrier, members: readonly string[]): Slotted[] {
  const places = new Set<string>();
  // A forged index ends the run, even if the effect is invalid for other reasons, so all are resolved first.
  const found = (effect.handles ?? []).map(({ path, handle, at }) => ({ path, held: attempt(() => handles.get(handle, at)) }));
  return found.map(({ path: given, held }) => {
    const path = stepsIn(effect, given) ?? given;
    const at = within(effect, path);
    const place = JSON.stringify(path);
    if (at !== null || !members.includes(String(path[0])) || places.has(place))
      throw new Violation('CORRAL_EFFECT_INVALID', `The effect names a handle at ${place.slice(0, 200)}, where no handle may be.`);
    places.add(place);
    if (held instanceof Refused) throw held;
    return { path, held };
  });
}

/**
 * A path as its value spells it: numbers for items of an array, names for members of an object. Another spelling of the same place would
 * be another place to whoever compares paths. Journals of older hosts have such.
 * @returns undefined if there is no such place
 */
export function stepsIn(value: unknown, path: HandlePath): HandlePath | undefined {
  let at = value;
  const steps: (string | number)[] = [];
  for (const part of path) {
    if (typeof at !== 'object' || at === null || part === '__proto__') return undefined;
    const step = Array.isArray(at) ? Number(part) : String(part);
    // An array has no places but its items.
    if (String(step) !== String(part) || (Array.isArray(at) && !Number.isSafeInteger(step)) || !Object.hasOwn(at, step)) return undefined;
    steps.push(step);
    at = (at as Record<string | number, unknown>)[step];
  }
  return steps;
}

/** Whether a path is spelt as its value spells it. */
export const isSpelt = (value: unknown, path: HandlePath): boolean => stepsIn(value, path)?.every((step, i) => step === path[i]) === true;

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

/** The bytes that the handles' values add to an effect. */
export const heldBytes = (slots: readonly Slotted[]): number => slots.reduce((sum, { held }) => sum + held.bytes, 0);

/** A member of an effect with the values of its handles filled in. The effect itself is not changed. */
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

/** The handles as policies get them: place in the arguments and label. */
export const handledOf = (slots: readonly Slotted[]): Handled[] =>
  slots.map(({ path, held }) => ({ path: path.slice(1), label: held.label }));

/** The handles as they are sent to another run. @param before path of the member that contains the value, within the delivery */
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

/** The handles that a run gets with the state from which it continues. */
export const placed = (handles: Handles, slots: readonly HandleSlot[]): PlacedHandle[] =>
  slots.map(({ path, handle, at }) => ({ ...viewOf(handles.get(handle).value), path, handle, ...(at === undefined ? {} : { at }) }));

/**
 * The label of a new handle: the tool's declarations about its results, the run's label at the call, and the labels of handles in the
 * arguments. The mark for outside effects belongs to the run and not to the result.
 */
export function insideOf(tool: string, facts: ToolFacts | undefined, run: Label | undefined, inArguments: readonly Handled[]): Label {
  const { returns = 'untrusted', private_to, source = tool } = facts ?? {};
  // A run that asked a model knows the prompt. The one that opens the handle may not, so the answer counts as a stranger's.
  const own = labelOf(source, { untrusted: returns !== 'trusted', ...(private_to === undefined ? {} : { private_to }) });
  const all = inArguments.reduce((sum, { label }) => join(sum, label), join(own, run ?? CLEAN));
  return { ...all, sticky: { ...all.sticky, outside_effect: false } };
}
