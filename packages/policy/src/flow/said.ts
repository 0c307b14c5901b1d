/**
 * The origins of the texts of a conversation, as of when they were first said. An agent sends its model the whole conversation with each call; its
 * messages are looked up in the index of what the run has read once, and not again with each call. Nothing that was read later can have come
 * into a text that was there before.
 *
 * The texts of the calls so far are a fold over the journal, as the index is: `say` is called for each call that was decided, live and when a
 * run is brought back, and decides what is known. Further texts of a call that is being decided are forgotten with the decision.
 */
import type { Json } from '@corral/protocol/json';
import { textsOf } from './leaves.ts';
import type { Provenance } from './provenance.ts';
import type { Trace } from './trace.ts';
import { Undone } from './undone.ts';

/** Leaves of one call that are looked at; a call of a model has no more parts, with their settings. */
export const SAID_LEAVES = 32_768;
/** Characters of texts that are known; beyond, all are forgotten. Two of the largest calls fit. */
const SAID_CHARS = 8 * 1024 * 1024;
/** Leaves, and characters of them, that are looked up before other work has a turn. */
const AT_ONCE = { leaves: 64, chars: 32 * 1024 } as const;
/** Approximate bytes of an entry besides its text. */
const ENTRY_BYTES = 150;
/** Longer texts are not read as arguments that a model wrote. */
const ARGUMENTS_CHARS = 64 * 1024;

/** By name of the member, since an origin can depend on it, and text. */
type Traces = Map<string, Map<string, Trace>>;

export class Said extends Undone {
  #known: Traces = new Map();
  /** Those of the call that is being decided. */
  #fresh: Traces = new Map();
  #chars = 0;
  #entries = 0;

  /** Approximate bytes in memory. */
  get bytes(): number {
    return this.#chars + this.#entries * ENTRY_BYTES;
  }

  /** The origin of a text in a call that is being decided. */
  trace(provenance: Provenance, text: string, name: string): Trace {
    const known = this.#known.get(name)?.get(text) ?? this.#fresh.get(name)?.get(text);
    if (known !== undefined) return known;
    const trace = provenance.trace(text, name);
    put(this.#fresh, name, text, trace);
    return trace;
  }

  /** Looks up the texts of a call before it is decided, some at a time: the index must be the same until then. */
  *look(provenance: Provenance, input: Json): Generator<void> {
    this.#fresh = new Map();
    let [leaves, chars] = [0, 0];
    for (const { value, name } of saidIn(input)) {
      if (this.#known.get(name)?.has(value) === true) continue;
      this.trace(provenance, value, name);
      leaves += 1;
      chars += value.length;
      if (leaves < AT_ONCE.leaves && chars < AT_ONCE.chars) continue;
      yield;
      [leaves, chars] = [0, 0];
    }
  }

  /** A call was decided: its texts are known from here on. */
  say(provenance: Provenance, input: Json): void {
    for (const { value, name } of saidIn(input)) {
      if (this.#known.get(name)?.has(value) === true) continue;
      if (this.#chars + value.length > SAID_CHARS) this.#forget();
      put(this.#known, name, value, this.trace(provenance, value, name));
      this.#chars += value.length;
      this.#entries += 1;
      this.did(() => {
        this.#known.get(name)?.delete(value);
        this.#chars -= value.length;
        this.#entries -= 1;
      });
    }
    this.#fresh = new Map();
  }

  #forget(): void {
    const [known, chars, entries] = [this.#known, this.#chars, this.#entries];
    this.did(() => ([this.#known, this.#chars, this.#entries] = [known, chars, entries]));
    [this.#known, this.#chars, this.#entries] = [new Map(), 0, 0];
  }

  override undo(): void {
    super.undo();
    this.#fresh = new Map();
  }
}

function put(traces: Traces, name: string, text: string, trace: Trace): void {
  const of = traces.get(name);
  if (of === undefined) traces.set(name, new Map([[text, trace]]));
  else of.set(text, trace);
}

/** The texts of a call. Arguments that a model wrote are one text in its answer, and may be a value in the prompt that is sent. */
function* saidIn(input: Json): Generator<{ readonly value: string; readonly name: string }> {
  for (const { value, name } of textsOf(input, undefined, SAID_LEAVES).leaves) {
    if (typeof value !== 'string') continue;
    yield { value, name };
    if (name !== 'input' || value.length > ARGUMENTS_CHARS || !/^[[{]/.test(value)) continue;
    try {
      for (const leaf of textsOf(JSON.parse(value) as Json).leaves)
        if (typeof leaf.value === 'string') yield { value: leaf.value, name: leaf.name };
    } catch {
      // It is not JSON after all, or deeper than JSON may be.
    }
  }
}
