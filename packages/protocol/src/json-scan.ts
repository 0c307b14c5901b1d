/**
 * Looks over a JSON text before it is parsed. Parsing cannot be interrupted, and its time depends on more than the length of the text: an
 * object of many different names takes a hundred times as long as one string. So what makes it slow is counted here first, some
 * characters at a time. The parser checks the syntax afterwards.
 */

/** The most that a text may have. */
export interface JsonBounds {
  /** Levels of arrays and objects. */
  readonly depth: number;
  /** Members and items of all objects and arrays together, and the objects and arrays themselves. */
  readonly members: number;
  /** Different names of members. */
  readonly names: number;
  /**
   * The text is a list of records of the host's own shape: neither the list nor the members of its records count as members, but no record
   * may have more than this many. `items` says then where each begins and ends.
   */
  readonly perRecord?: number;
}

/**
 * - `depth`, `members`, `names`: it has more than its bound. - `number`: `number` is one that no JavaScript number holds, such as `1e400`
 * or `-0`. - `syntax`: it is not JSON; the parser says why.
 */
export type JsonFault =
  | { readonly kind: 'depth' | 'members' | 'names'; readonly most: number }
  | { readonly kind: 'number'; readonly number: string }
  | { readonly kind: 'syntax' };

const [QUOTE, COMMA, COLON] = [34, 44, 58];
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [91, 93, 123, 125];
const [MINUS, PLUS, DOT, ZERO, NINE, LOWER_E, UPPER_E] = [45, 43, 46, 48, 57, 101, 69];
/** White space of JSON (RFC 8259, section 2). */
const SPACES: ReadonlySet<number> = new Set([32, 9, 10, 13]);
/** A longer number is refused. The longest that `JSON.stringify` writes has 25 characters. */
const LONGEST_NUMBER = 400;
/** Shorter ones, without an exponent, are held exactly or rounded as usual. */
const SUSPICIOUS = 16;
/** The shortest member of an object: `"a":1,`. */
const SHORTEST_MEMBER = 6;

export class JsonScan {
  fault: JsonFault | undefined;
  /** Positions in the text at which the items of the outermost array begin and end, by turns; only with `perRecord`. */
  readonly items: number[] = [];
  /** Members of objects so far, with those of one name. */
  named = 0;
  readonly #text: string;
  readonly #bounds: JsonBounds;
  /** Called for each number that may not be what it seems; returns whether to go on. */
  readonly #onNumber: ((source: string) => boolean) | undefined;
  /** Undefined: the text is too short to have too many. */
  readonly #names: Set<string> | undefined;
  #at = 0;
  #members = 0;
  #own = 0;
  /** By level, whether it is an object. */
  readonly #objects: boolean[] = [];
  /** Position after the quote of a string that has not ended; -1 outside of strings. */
  #string = -1;
  #isName = false;
  /** Position of the next backslash that was not looked at yet; the length of the text if there is none. */
  #backslash = -1;
  #over = false;

  /** @param onNumber is told the text of each long number and of each with an exponent; by default, such as are not held are refused */
  constructor(text: string, bounds: JsonBounds, onNumber?: (source: string) => boolean) {
    this.#text = text;
    this.#bounds = bounds;
    this.#onNumber = onNumber;
    this.#names = text.length > bounds.names * SHORTEST_MEMBER ? new Set() : undefined;
  }

  /**
   * Looks at the next characters.
   * @param most about how many
   * @returns whether there are more; false also once there is a fault
   */
  go(most: number): boolean {
    if (this.fault !== undefined) return false;
    const text = this.#text;
    const until = Math.min(text.length, this.#at + most);
    let at = this.#at;
    while (at < until && this.fault === undefined)
      at = this.#string >= 0 ? this.#inString(at, until) : this.#outside(at, text.charCodeAt(at));
    this.#at = at;
    if (this.fault !== undefined) return false;
    if (at < text.length) return true;
    if (this.#string >= 0 || this.#objects.length > 0) this.fault = { kind: 'syntax' };
    return false;
  }

  /** Goes on in a string. @returns the next position, which is behind `until` in a string without escapes */
  #inString(from: number, until: number): number {
    const text = this.#text;
    for (let at = from; ;) {
      // Searching is much faster than looking at each character, and most strings have no escapes.
      if (this.#backslash < at) this.#backslash = positionOf(text, '\\', at);
      const quote = positionOf(text, '"', at);
      if (quote < this.#backslash) {
        if (quote === text.length) return quote;
        if (this.#isName) this.#named(text.slice(this.#string, quote));
        this.#string = -1;
        return quote + 1;
      }
      at = this.#backslash + 2;
      if (at >= until) return Math.min(at, text.length);
    }
  }

  /** Takes one character, or a number, outside of strings. @returns the next position */
  #outside(at: number, code: number): number {
    // Nothing but white space follows a list or object that is complete.
    if (this.#over && this.#objects.length === 0 && !SPACES.has(code)) this.fault = { kind: 'syntax' };
    switch (code) {
      case QUOTE:
        this.#string = at + 1;
        return at + 1;
      case COLON:
        this.named += 1;
        this.#isName = false;
        return at + 1;
      case COMMA:
        this.#separated(at);
        return at + 1;
      case OPEN_ARRAY:
      case OPEN_OBJECT:
        this.#open(at, code === OPEN_OBJECT);
        return at + 1;
      case CLOSE_ARRAY:
      case CLOSE_OBJECT:
        this.#close(at, code === CLOSE_OBJECT);
        return at + 1;
      default:
        return code === MINUS || (code >= ZERO && code <= NINE) ? this.#number(at) : at + 1;
    }
  }

  #open(at: number, isObject: boolean): void {
    const depth = this.#objects.length;
    if (depth === 0 && this.#over) this.fault = { kind: 'syntax' };
    if (depth === this.#bounds.depth) this.fault = { kind: 'depth', most: this.#bounds.depth };
    if (this.#bounds.perRecord === undefined || depth >= 2) this.#count();
    else if (depth === 1) this.#own = 1;
    else this.items.push(at + 1);
    this.#objects.push(isObject);
    this.#isName = isObject && this.#names !== undefined;
  }

  #close(at: number, isObject: boolean): void {
    if (this.#objects.pop() !== isObject) this.fault = { kind: 'syntax' };
    this.#isName = false;
    if (this.#objects.length > 0) return;
    this.#over = true;
    if (this.#bounds.perRecord === undefined) return;
    const begins = this.items[0];
    // An empty list has no item.
    if (this.items.length === 1 && this.#text.slice(begins, at).trim() === '') this.items.pop();
    else this.items.push(at);
  }

  #separated(at: number): void {
    const depth = this.#objects.length;
    this.#isName = this.#objects[depth - 1] === true && this.#names !== undefined;
    const { perRecord } = this.#bounds;
    if (perRecord === undefined || depth > 2) this.#count();
    else if (depth === 1) this.items.push(at, at + 1);
    else if ((this.#own += 1) > perRecord) this.fault = { kind: 'members', most: perRecord };
  }

  #count(): void {
    this.#members += 1;
    if (this.#members > this.#bounds.members) this.fault = { kind: 'members', most: this.#bounds.members };
  }

  #named(name: string): void {
    this.#names?.add(name);
    if ((this.#names?.size ?? 0) > this.#bounds.names) this.fault = { kind: 'names', most: this.#bounds.names };
  }

  /** Takes a number. @returns the position after it */
  #number(from: number): number {
    const text = this.#text;
    let at = from + 1;
    let exponent = false;
    for (; at - from <= LONGEST_NUMBER; at++) {
      const code = text.charCodeAt(at);
      if (code >= ZERO && code <= NINE) continue;
      if (code === LOWER_E || code === UPPER_E) exponent = true;
      else if (code !== DOT && code !== PLUS && code !== MINUS) break;
    }
    const isSuspicious = exponent || at - from >= SUSPICIOUS || (text.charCodeAt(from) === MINUS && text.charCodeAt(from + 1) === ZERO);
    if (isSuspicious && !this.#isHeld(text.slice(from, at)))
      this.fault = { kind: 'number', number: text.slice(from, Math.min(at, from + 40)) };
    return at;
  }

  #isHeld(source: string): boolean {
    if (source.length > LONGEST_NUMBER) return false;
    if (this.#onNumber !== undefined) return this.#onNumber(source);
    const value = Number(source);
    return Number.isFinite(value) && !Object.is(value, -0);
  }
}

function positionOf(text: string, what: string, from: number): number {
  const at = text.indexOf(what, from);
  return at < 0 ? text.length : at;
}
