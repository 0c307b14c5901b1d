/**
 * Handles as an agent holds them. A WeakMap here says what an object refers to, so that text which looks like a handle is never
 * one. In an effect, null replaces each handle, and a list gives the positions; the host inserts the values.
 */
import type { Effect } from '@corral/protocol/wire/effect';
import type { HandlePath, HandleView, PlacedHandle } from '@corral/protocol/wire/handle';
import { JSON_MAX_DEPTH } from '@corral/protocol/json';
import type { Handle } from '../sdk/types.ts';
import { bare } from './bare.ts';
import { BOUNDS } from './bounds.ts';
import { raise } from './errors.ts';
import { partOf } from './options.ts';
import { oddityOf, pathText } from './values.ts';

type Path = (string | number)[];
/** The referent of an object: an index in this run, and optionally a part of the value. */
interface Means {
  readonly handle: number;
  readonly at?: Path;
}
const meanings = new WeakMap<object, Means>();
const stringify = JSON.stringify;

type Kind = Effect['kind'];
type Member<K extends Kind> = Exclude<keyof Extract<Effect, { readonly kind: K }>, 'kind'>;
/** The member that holds a value of the agent. Code and not a table, because a table would be made in every isolate. */
function valueIn(kind: Kind): string | undefined {
  switch (kind) {
    case 'call':
    case 'spawn':
      return 'input' satisfies Member<'call'> & Member<'spawn'>;
    case 'send':
      return 'body' satisfies Member<'send'>;
    case 'reply':
      return 'value' satisfies Member<'reply'>;
    case 'emit':
      return 'data' satisfies Member<'emit'>;
    case 'checkpoint':
      return 'state' satisfies Member<'checkpoint'>;
    case 'finish':
      return 'output' satisfies Member<'finish'>;
    case 'open':
    case 'drop':
    case 'timer':
    case 'abort':
    case 'pull':
    case 'dispose':
    case 'listen':
    case 'log':
      return undefined;
  }
}
/** Whether handles are allowed in that value. */
const takesHandles = (kind: Kind): boolean => valueIn(kind) !== undefined && kind !== 'reply' && kind !== 'emit';
/** Handles are allowed in the unread messages of a checkpoint, too. */
const UNREAD: Member<'checkpoint'> = 'unread';
const isHandle = (value: object): boolean => meanings.has(value);
const isNothing = () => false;

/** @throws CORRAL_JSON_UNSUPPORTED if JSON would drop or change a part of the value, naming that part */
function assertSayable(kind: Kind, member: string, value: unknown): void {
  const odd = oddityOf(value, made && takesHandles(kind) ? isHandle : isNothing);
  if (odd !== undefined) throw raise('CORRAL_JSON_UNSUPPORTED', `${pathText(member, odd.path)} is ${odd.why}.`);
}

/** An effect as JSON, with its handles taken out. */
export function effectText(effect: Readonly<Record<string, unknown>>): string {
  const kind = effect['kind'] as Kind;
  const value = valueIn(kind);
  if (value !== undefined) assertSayable(kind, value, effect[value]);
  if (!made || !takesHandles(kind)) return stringify(effect);
  const found: (Means & { path: Path })[] = bare([]);
  const above: { value: unknown; path: Path }[] = [];
  const text = stringify(effect, function (this: Record<string, unknown>, key, given: unknown) {
    while (above.length > 0 && above.at(-1)?.value !== this) above.pop();
    const parent = above.at(-1)?.path;
    // The first call of a replacer is for the effect itself.
    const path = parent === undefined ? [] : [...parent, Array.isArray(this) ? Number(key) : key];
    const means = meanings.get(this[key] as object);
    if (means !== undefined && (path[0] === value || (kind === 'checkpoint' && path[0] === UNREAD))) {
      found.push(bare({ path: bare([...path]), ...means }));
      return null;
    }
    if (typeof given === 'object' && given !== null) above.push({ value: given, path });
    return given;
  });
  if (found.length > BOUNDS.handle_slots)
    throw raise('CORRAL_ARGS_INVALID', `There are ${found.length} handles in this ${kind}; at most ${BOUNDS.handle_slots} are accepted.`);
  return found.length === 0 ? text : `${text.slice(0, -1)},"handles":${stringify(found)}}`;
}

let made = false;

/** The effects of a run, as handles need them. */
interface Asks {
  push(effect: Readonly<Record<string, unknown>>): void;
  request(effect: Readonly<Record<string, unknown>>): { readonly reply: Promise<unknown> };
}

export class Handles {
  readonly #effects: Asks;
  #next = 1;

  constructor(effects: Asks) {
    this.#effects = effects;
  }

  countFrom(next: number): void {
    this.#next = next;
  }

  /** The handle that has just arrived. The host counts indexes in the same way. */
  take(view: HandleView): Handle {
    this.#next += 1;
    return this.#make(bare({ handle: this.#next - 1 }), view);
  }

  /** Puts handles in their positions in a delivery. */
  place(
    delivery: object,
    handles: readonly (HandleView & Pick<PlacedHandle, 'path'> & { readonly handle?: number; readonly at?: HandlePath })[] = [],
  ): void {
    for (const { path, handle, at: part, ...view } of handles) {
      const whole = handle === undefined ? this.take(view) : this.#make(bare({ handle }), view);
      const here = (part ?? []).reduce<Handle>((one, name) => one.part(name), whole);
      let at = delivery as Record<string | number, unknown>;
      for (const part of path.slice(0, -1)) at = at[part] as Record<string | number, unknown>;
      at[path.at(-1) as string | number] = here;
    }
  }

  /** Reads the value of a handle. */
  open(handle: unknown): Promise<unknown> {
    const means = typeof handle === 'object' && handle !== null ? meanings.get(handle) : undefined;
    if (means === undefined) return Promise.reject(raise('CORRAL_ARGS_INVALID', 'open() takes a handle that this run was given.'));
    return this.#effects.request({ kind: 'open', ...means }).reply;
  }

  #make(means: Means, { type, bytes }: Pick<Handle, 'type' | 'bytes'>): Handle {
    const handle = { type, bytes };
    made = true;
    meanings.set(handle, means);
    let kept = true;
    const dispose = () => {
      if (kept) this.#effects.push({ kind: 'drop', handle: means.handle });
      kept = false;
    };
    const part = (name: string | number) => {
      const at = bare([...(means.at ?? []), partOf(name)]);
      if (at.length > JSON_MAX_DEPTH) throw raise('CORRAL_ARGS_INVALID', `A handle reaches ${JSON_MAX_DEPTH} levels deep, and no further.`);
      return this.#make(bare({ ...means, at }), { type: 'unknown', bytes });
    };
    for (const [name, value] of Object.entries({ dispose, part })) Object.defineProperty(handle, name, { value, enumerable: false });
    return Object.freeze(handle) as Handle;
  }
}
