/**
 * The fields of a result that its configuration says a system writes itself, matched while the result is walked. A path is matched by its
 * steps and never by its text: a stranger may choose the name of a member, such as `order.id`.
 */
import { fieldStepsOf } from '@corral/protocol/model/field-path';

interface Node {
  readonly names: Map<string, Node>;
  item?: Node;
  any?: Node;
  /** The path that ends here. */
  path?: string;
}
const node = (): Node => ({ names: new Map() });

/** Where a walk is: at paths that go on from here, or in the field of one. */
export type FieldPlace = { readonly open: readonly Node[] } | { readonly field: string };

/** Results of few tools are read by one run; their paths are compiled once. */
const compiled = new Map<string, FieldPaths>();
const COMPILED = 64;

export class FieldPaths {
  readonly #root = node();

  /** A path that cannot be read names nothing. */
  constructor(paths: readonly string[]) {
    for (const path of paths) {
      const steps = fieldStepsOf(path);
      if (typeof steps === 'string') continue;
      let at = this.#root;
      for (const step of steps) {
        if (step === 'item') at = at.item ??= node();
        else if (step === 'any') at = at.any ??= node();
        else {
          const next = at.names.get(step.name) ?? node();
          at.names.set(step.name, next);
          at = next;
        }
      }
      at.path ??= path;
    }
  }

  /** Those of these paths; the same object while it is remembered. */
  static of(paths: readonly string[]): FieldPaths {
    const key = paths.join('\n');
    const known = compiled.get(key);
    if (known !== undefined) return known;
    if (compiled.size >= COMPILED) compiled.clear();
    const made = new FieldPaths(paths);
    compiled.set(key, made);
    return made;
  }

  /** The result as a whole, above its fields. */
  get root(): FieldPlace {
    return { open: [this.#root] };
  }
}

/** @param name of the member; undefined: an item of a list. @returns undefined: no path leads there */
export function placeBelow(place: FieldPlace | undefined, name: string | undefined): FieldPlace | undefined {
  if (place === undefined || 'field' in place) return place;
  const open: Node[] = [];
  for (const { names, item, any } of place.open) {
    const own = name === undefined ? item : names.get(name);
    for (const next of [own, any]) {
      if (next?.path !== undefined) return { field: next.path };
      if (next !== undefined) open.push(next);
    }
  }
  return open.length === 0 ? undefined : { open };
}

/**
 * The place of a member that paths name, if one does. A text there may be read as JSON: where a path says `*` or `[]`, a text may be a stranger's,
 * who would write the field that is trusted.
 */
export function placeNamed(place: FieldPlace | undefined, name: string): FieldPlace | undefined {
  if (place === undefined || 'field' in place) return undefined;
  const named = place.open.flatMap(({ names }) => names.get(name) ?? []);
  return named.length === 0 || named.some(({ path }) => path !== undefined) ? undefined : { open: named };
}

/** The path whose field this is. */
export const fieldAt = (place: FieldPlace | undefined): string | undefined =>
  place !== undefined && 'field' in place ? place.field : undefined;

/** Whether paths lead on to fields below, so that a text may be read as JSON to find them. */
export const leadsOn = (place: FieldPlace | undefined): boolean => place !== undefined && 'open' in place;
