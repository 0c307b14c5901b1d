/** The texts in a value, each with its place, and texts that belong together though they stand in several strings. */
import type { Json } from '@corral/protocol/json';

/** A place in a value, linked to the one above it, since most texts hold nothing and need no path. */
export interface Place {
  readonly up: Place | undefined;
  /** An index, or the name of a member. */
  readonly step: number | string;
}

export interface Text {
  readonly text: string;
  readonly at: Place | undefined;
  /** It is the name of a member at that place. */
  readonly isName?: true;
}

export interface Texts {
  readonly texts: readonly Text[];
  /** Strings that stand beside each other, put together: a value that was split over them is in one of these. */
  readonly joined: readonly Text[];
  /** Characters of the texts. */
  readonly chars: number;
}

/** A number with fewer digits is nobody's card or account. */
const LONG_NUMBER = 1e9;

interface Visit {
  readonly value: Json;
  readonly at: Place | undefined;
}

/**
 * @param most_chars undefined is returned if the texts have more
 */
export function textsIn(value: Json, most_chars: number): Texts | undefined {
  const texts: Text[] = [];
  const joined: Text[] = [];
  let chars = 0;
  const add = (one: Text) => {
    texts.push(one);
    chars += one.text.length;
  };
  const stack: Visit[] = [{ value, at: undefined }];
  for (let visit = stack.pop(); visit !== undefined; visit = stack.pop()) {
    const { value: here, at } = visit;
    if (chars > most_chars) return undefined;
    if (typeof here === 'string') add({ text: here, at });
    else if (typeof here === 'number') {
      if (here >= LONG_NUMBER && Number.isSafeInteger(here)) add({ text: String(here), at });
    } else if (Array.isArray(here)) {
      const items = here as readonly Json[];
      for (let i = items.length - 1; i >= 0; i -= 1) stack.push({ value: items[i] as Json, at: { up: at, step: i } });
      joined.push(...besides(items, at), ...columns(items, at));
    } else if (typeof here === 'object' && here !== null) {
      const members = Object.entries(here as Readonly<Record<string, Json>>);
      for (const [name] of members) if (name.length >= SHORTEST_NAME) add({ text: name, at, isName: true });
      for (const [name, member] of members.toReversed()) stack.push({ value: member, at: { up: at, step: name } });
      joined.push(
        ...besides(
          members.map(([, member]) => member),
          at,
        ),
      );
    }
  }
  return chars > most_chars ? undefined : { texts, joined, chars };
}

/** No secret and no number of a person is shorter. */
const SHORTEST_NAME = 8;

/** Strings of one list or object. */
function besides(values: readonly Json[], at: Place | undefined): Text[] {
  const strings = values.filter((one) => typeof one === 'string');
  return strings.length < 2 ? [] : [{ text: strings.join(''), at }];
}

/** Strings under the same name in the objects of a list, such as the texts of a message's parts. */
function columns(items: readonly Json[], at: Place | undefined): Text[] {
  if (items.length < 2) return [];
  const parts = new Map<string, string[]>();
  for (const item of items) {
    if (typeof item !== 'object' || item === null || Array.isArray(item)) continue;
    for (const [name, member] of Object.entries(item)) {
      if (typeof member !== 'string') continue;
      const known = parts.get(name);
      if (known === undefined) parts.set(name, [member]);
      else known.push(member);
    }
  }
  return [...parts.values()].flatMap((strings) => (strings.length < 2 ? [] : [{ text: strings.join(''), at }]));
}

/** Longest name of a member that is written into a path, and the depth of one. */
const NAME_CHARS = 24;
const DEPTH = 12;

/** A path such as `content[0].text`. Names that may themselves be what was found are left out of it. */
export function pathOf(at: Place | undefined, isClean: (name: string) => boolean): string {
  const steps: string[] = [];
  for (let place = at; place !== undefined && steps.length < DEPTH; place = place.up) {
    const { step } = place;
    if (typeof step === 'number') steps.push(`[${step}]`);
    else steps.push(`.${step.length <= NAME_CHARS && /^\w+$/.test(step) && isClean(step) ? step : '*'}`);
  }
  return steps.toReversed().join('').replace(/^\./, '');
}
