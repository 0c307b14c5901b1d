/**
 * The facts about a call whose arguments hold handles: the agent has not read their values, so the run is clean, but the call
 * carries text that a stranger may have written. A stranger's words may be sent to a destination that somebody else chose; the
 * destination, the amount, or the behaviour of a tool without destinations must not be the stranger's choice.
 */
import type { Json } from '@corral/protocol/json';
import type { HandlePath } from '@corral/protocol/wire/handle';
import { CLEAN, join, type Label } from './labels.ts';
import { leavesOf, namedAlike, type Leaf } from './leaves.ts';

/** A handle in the arguments of a call. `path` begins at the arguments. */
export interface Handled {
  readonly path: HandlePath;
  /** Label of the value. */
  readonly label: Label;
}

interface Receiver {
  readonly effect: 'none' | 'fetch' | 'change';
  readonly destinations: readonly string[];
  readonly money?: string;
}

export class HandledArguments {
  /** Join of the labels of all values. */
  readonly label: Label;
  readonly #slots: readonly { readonly at: string; readonly path: HandlePath; readonly label: Label }[];
  readonly #plain = new Set<string>();
  readonly #complete: boolean;

  /** @param given the arguments with their values put in, before the tool's schema is applied */
  constructor(slots: readonly Handled[], given: Json) {
    this.#slots = slots.map(({ path, label }) => ({ at: textOf(path), path, label }));
    this.label = slots.reduce((all, { label }) => join(all, label), CLEAN);
    const { leaves, complete } = leavesOf(given);
    this.#complete = complete;
    for (const leaf of leaves) if (this.#slot(leaf.path) === undefined) this.#plain.add(keyOf(leaf));
  }

  /** The label of a leaf of the arguments as the tool will see them; undefined: it is from no handle. */
  at(leaf: Leaf): Label | undefined {
    const slot = this.#slot(leaf.path);
    if (slot !== undefined) return slot.label;
    // A leaf that the schema moved or made up may come from any handle.
    return this.#complete && this.#plain.has(keyOf(leaf)) ? undefined : this.label;
  }

  /** The label of a part of the arguments that stands in a handle; undefined: it does not. */
  within(path: string): Label | undefined {
    return this.#slot(path)?.label;
  }

  /** Whether a stranger's words would decide what the call does, and not only what it carries. */
  steers({ effect, destinations, money }: Receiver): boolean {
    if (effect === 'none') return false;
    return this.#slots.some(({ path: [parameter], label }) => {
      if (!label.sticky.untrusted_input) return false;
      if (destinations.length === 0 || typeof parameter !== 'string') return true;
      return parameter === money || destinations.some((one) => one === parameter || namedAlike(one, parameter));
    });
  }

  #slot(path: string): { readonly label: Label } | undefined {
    return this.#slots.find(({ at }) => at === '' || path === at || path.startsWith(`${at}.`) || path.startsWith(`${at}[`));
  }
}

const keyOf = ({ path, value }: Leaf) => `${path}\n${typeof value}\n${value}`;

/** A path in the form of leaves. */
function textOf(path: HandlePath): string {
  return path.reduce<string>((text, part) => (typeof part === 'number' ? `${text}[${part}]` : text === '' ? part : `${text}.${part}`), '');
}
