/**
 * Handles as an agent holds them: what they stand for is in a WeakMap here, not on the object, so that text that looks like a
 * handle is never one. In an effect null stands in the place of each, and beside it is said where; the host puts the value in.
 */
import type { HandleView, PlacedHandle } from '@corral/protocol/handle';
import type { Handle } from '../sdk/types.ts';
import type { Effects } from './effects.ts';
import { raise } from './errors.ts';

type Path = (string | number)[];
const indexes = new WeakMap<object, number>();
const stringify = JSON.stringify;

/** Members of effects in which handles may stand. */
const MEMBERS: Readonly<Record<string, readonly string[]>> = {
  call: ['input'],
  send: ['body'],
  spawn: ['input'],
  checkpoint: ['state', 'unread'],
  finish: ['output'],
};

/** An effect as JSON, its handles taken out of it. */
export function effectText(effect: Readonly<Record<string, unknown>>): string {
  const members = made ? MEMBERS[effect['kind'] as string] : undefined;
  if (members === undefined) return stringify(effect);
  const found: { path: Path; handle: number }[] = [];
  const above: { value: unknown; path: Path }[] = [];
  const text = stringify(effect, function (this: Record<string, unknown>, key, given: unknown) {
    while (above.length > 0 && above.at(-1)?.value !== this) above.pop();
    const parent = above.at(-1)?.path;
    // The first is the effect itself.
    const path = parent === undefined ? [] : [...parent, Array.isArray(this) ? Number(key) : key];
    const index = indexes.get(this[key] as object);
    if (index !== undefined && members.includes(path[0] as string)) {
      found.push({ path, handle: index });
      return null;
    }
    if (typeof given === 'object' && given !== null) above.push({ value: given, path });
    return given;
  });
  return found.length === 0 ? text : `${text.slice(0, -1)},"handles":${stringify(found)}}`;
}

let made = false;

export class Handles {
  readonly #effects: Effects;
  #next = 1;

  constructor(effects: Effects) {
    this.#effects = effects;
  }

  countFrom(next: number): void {
    this.#next = next;
  }

  /** The one that has just come. The host counts their indexes in the same way. */
  take(view: HandleView): Handle {
    this.#next += 1;
    return this.#make(this.#next - 1, view);
  }

  /** Puts handles where they stand in what was delivered. */
  place(delivery: object, handles: readonly (HandleView & Pick<PlacedHandle, 'path'> & { readonly handle?: number })[] = []): void {
    for (const { path, handle, ...view } of handles) {
      const here = handle === undefined ? this.take(view) : this.#make(handle, view);
      let at = delivery as Record<string | number, unknown>;
      for (const part of path.slice(0, -1)) at = at[part] as Record<string | number, unknown>;
      at[path.at(-1) as string | number] = here;
    }
  }

  /** Reads what is behind one. */
  open(handle: unknown): Promise<unknown> {
    const index = indexOf(handle);
    if (index === undefined) throw raise('CORRAL_ARGS_INVALID', 'open() takes a handle that this run was given.');
    return this.#effects.request({ kind: 'open', handle: index }).reply;
  }

  #make(index: number, { type, bytes }: HandleView): Handle {
    const handle = { type, bytes };
    made = true;
    indexes.set(handle, index);
    let kept = true;
    const dispose = () => {
      if (kept) this.#effects.push({ kind: 'drop', handle: index });
      kept = false;
    };
    Object.defineProperty(handle, 'dispose', { value: dispose, enumerable: false });
    return Object.freeze(handle) as Handle;
  }
}

const indexOf = (value: unknown): number | undefined => (typeof value === 'object' && value !== null ? indexes.get(value) : undefined);
