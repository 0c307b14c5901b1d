/**
 * Finds the origin of arguments. There is one index for each run, of the principal's own words, of trusted results and of
 * untrusted results. It keeps hashes instead of texts (except for the principal's words), in bounded memory, and answers in
 * microseconds.
 *
 * It errs on the safe side. For the principal's words and trusted results it is exact and may forget: forgotten values are not
 * trusted. For untrusted results it is a Bloom filter over shingles (Broder 1997) and may find a value that was not there, which
 * costs an approval. When its space is used up, everything unknown counts as untrusted.
 */
import type { Json } from '@corral/protocol/json';
import { FIELD_PATH_CHARS } from '@corral/protocol/model/field-path';
import { Bloom } from './bloom.ts';
import { FieldPaths } from './field-paths.ts';
import { namedIn, Places, WholeFields, type Place, type WholeField } from './places.ts';
import { PrincipalWords } from './principal-words.ts';
import { PrivateTexts } from './private-texts.ts';
import { covered, shingle, SHINGLE } from './shingles.ts';
import type { Label } from './labels.ts';
import { leavesOf, namedAlike, textsOf, type Leaf } from './leaves.ts';
import { PROVENANCE, type Origin, type ResultOf, type Trace } from './trace.ts';
import { decodings, fold, isCode, isCommonplace, isIdentifier, isLink, key, SHORTEST_TRACE_CHARS, squeeze, token, tokens } from './text.ts';
import { Undone } from './undone.ts';

/** Share of an argument's shingles that must be known for it to count as copied. Changing one letter changes six shingles. */
const COPIED = 0.5;
/** Identifiers of one argument that are looked up; further ones count as foreign. */
const IDENTIFIERS = 256;
/** Encoded pieces in one untrusted result that are decoded and indexed too. */
const DECODED_PIECES = 32;

/**
 * A longer text counts as prose. A name in a stranger's prose was not chosen by the principal, whatever field it occurs in
 * besides.
 */
const PROSE_WORDS = 8;

/** Keys of the filter of untrusted text, besides shingles, which never begin like this: a whole token, and an identifier in prose. */
const wholeToken = (one: string) => `\n${one}`;
const inProse = (one: string) => `\t${one}`;

/** A value with more words is a text: the identifiers in it are known, and not the text. */
const VALUE_WORDS = 8;

/** An argument of a call, and its origin. */
interface Asked {
  readonly value: string | number;
  readonly origin: Origin;
}
const isKnown = ({ origin }: Pick<Asked, 'origin'>): boolean => origin === 'user' || origin === 'trusted' || origin === 'selected';

/** An argument as it is looked for in untrusted text, and the whole fields with its value. */
interface Sought {
  readonly text: string;
  readonly phrase: string;
  readonly squeezed: string;
  readonly fields: readonly WholeField[] | undefined;
}

const NOTHING_FOREIGN = { private: false, foreign_identifier: false, foreign_link: false };
const OF_THE_MODEL: Trace = { origin: 'model', found: 'nothing', ...NOTHING_FOREIGN };

export class Provenance extends Undone {
  readonly #principal = new PrincipalWords();
  readonly #trusted = new Set<number>();
  /** Values of fields that a system writes itself, in results that strangers write in too. */
  readonly #own = new Places(PROVENANCE.trusted_values);
  readonly #identifiers = new Places(PROVENANCE.untrusted_values);
  readonly #fields = new WholeFields(PROVENANCE.untrusted_values);
  /**
   * Values of untrusted or unknown origin that this run has used as arguments: a later trusted result does not make them known.
   */
  readonly #used = new Set<number>();
  #vouching = true;
  readonly #untrusted = new Bloom();
  /** Untrusted text in results that the principal referred to. */
  readonly #pointed = new Bloom();
  readonly #private = new PrivateTexts();
  readonly #parts = [this.#untrusted, this.#pointed, this.#private, this.#own, this.#identifiers, this.#fields];
  /** Whole fields that an owner declassified. */
  readonly #public = new Set<number>();
  #full: boolean;
  #anyUntrusted: boolean;

  /**
   * @param past `unknown` for a run whose earlier results are not available (continued from a checkpoint): every value that is
   * neither the principal's nor a trusted tool's from here on counts as untrusted
   */
  constructor(past: 'none' | 'unknown' = 'none') {
    super();
    this.#full = past === 'unknown';
    this.#anyUntrusted = this.#full;
  }

  /** Whether something untrusted did not fit, so that everything unknown counts as untrusted. */
  get full(): boolean {
    return this.#full || this.#untrusted.full;
  }

  /** Bytes of the filters and an estimate of the rest; for tests of the limit and for metering. */
  get bytes(): number {
    const keyed = this.#trusted.size + this.#own.size + this.#identifiers.size + this.#fields.size + this.#used.size;
    return this.#untrusted.bytes + this.#pointed.bytes + this.#private.bytes + this.#principal.bytes + keyed * 40;
  }

  override begin(): void {
    super.begin();
    const before = [this.#full, this.#anyUntrusted, this.#vouching] as const;
    this.did(() => ([this.#full, this.#anyUntrusted, this.#vouching] = before));
    for (const part of this.#parts) part.begin();
  }

  override keep(): void {
    super.keep();
    for (const part of this.#parts) part.keep();
  }

  override undo(): void {
    super.undo();
    for (const part of this.#parts) part.undo();
  }

  #add(to: Set<number>, known: number): void {
    if (to.has(known)) return;
    to.add(known);
    this.did(() => to.delete(known));
  }

  #remove(from: Set<number>, known: number): void {
    if (from.delete(known)) this.did(() => from.add(known));
  }

  /** Adds the principal's words: the input of the run, an answer to `ask`. */
  user(value: Json): void {
    this.#principal.add(value);
  }

  /** Adds the result of a call, in the order in which results became known to the agent. */
  result(of: ResultOf, value: Json): void {
    const fields = of.trusted || of.trusted_fields === undefined ? undefined : FieldPaths.of(of.trusted_fields);
    const { leaves: values, names, complete } = textsOf(value, undefined, undefined, fields);
    const leaves = [...values, ...names];
    const asked = this.#use(of.args);
    if (of.trusted) this.#takeTrusted(leaves, asked.every(isKnown));
    else {
      this.#anyUntrusted = true;
      if (!complete) this.#full = true;
      this.#takeUntrusted(of, leaves, asked);
    }
    if (of.private) this.#private.add(leaves, complete);
  }

  /** Adds a private value that came in another way than as a result: it says nothing about where a value came from. */
  private(value: Json): void {
    const { leaves, names, complete } = textsOf(value);
    this.#private.add([...leaves, ...names], complete);
  }

  /** Whether anything private is known. */
  get anyPrivate(): boolean {
    return this.#private.any;
  }

  /**
   * The origin of one argument leaf. `parameter` is the name of the tool's parameter that it belongs to. The first rule that applies
   * decides:
   *
   * 1. Nothing untrusted and nothing private was read: as 2, else the model.
   * 2. It is in the principal's words, or it is a value of a trusted result: `user`, `trusted`.
   * 3. It is a value of a field that the system writes itself, and none of 8 to 11 holds: `trusted`. A text that stands in strangers' words
   *    too may be meant as theirs, so such a field decides nothing about it.
   * 4. It is a whole field that the principal chose, or that is a plain name (`#takeUntrusted`), and the field is named like the
   *    parameter: `selected`. Not so if it is an identifier that stood in untrusted prose.
   * 5. Nothing untrusted was read: the model.
   * 6. It is commonplace, or too short to be traced and no identifier: the model.
   * 7. It has no identifier, and was copied from a source that the principal pointed to: `quoted`.
   * 8. It is a whole field or an identifier of an untrusted result: `untrusted`.
   * 9. It was copied from untrusted text: `untrusted`.
   * 10. Decoded, it was copied from untrusted text: `untrusted`.
   * 11. The index is full: `untrusted`.
   * 12. The model. A code that occurs nowhere counts as a foreign identifier.
   *
   * Rules 2 and 4 come before those that look at untrusted text, because a stranger may repeat a value that the principal has named or
   * chosen. Rules 5 and 6 come after them, because they would hide such an origin.
   */
  trace(value: string | number, parameter: string): Trace {
    const raw = String(value);
    const text =
      raw.length <= PROVENANCE.argument_chars
        ? raw
        : raw.slice(0, PROVENANCE.argument_chars / 2) + raw.slice(-PROVENANCE.argument_chars / 2);
    const folded = fold(text);
    const words = tokens(folded, PROVENANCE.tokens);
    const phrase = words.join(' ');
    // 1
    if (!this.#anyUntrusted && !this.anyPrivate) return this.#known(words, phrase, NOTHING_FOREIGN) ?? OF_THE_MODEL;
    const squeezed = squeeze(folded);
    const named = [...new Set(words.filter(isIdentifier))];
    const looked = named.length > IDENTIFIERS ? named.slice(0, IDENTIFIERS) : named;
    // The middle of a long text is not looked at.
    const isCut = raw.length > text.length && this.anyPrivate;
    const isPrivate = isCut || (this.#private.isIn(squeezed, looked) && !this.#public.has(key(phrase)));
    const foreign = looked.filter((one) => !this.#principal.has(one) && !this.#trusted.has(key(one)) && this.#isUntrustedToken(one));
    const more = named.length > IDENTIFIERS && this.#anyUntrusted;
    const about = {
      private: isPrivate,
      foreign_identifier: more || foreign.length > 0,
      foreign_link: (more && named.some(isLink)) || foreign.some(isLink),
    };
    // 2
    const known = this.#known(words, phrase, about);
    if (known !== undefined) return known;
    if (this.#private.full && !isCommonplace(phrase) && squeezed.length >= SHORTEST_TRACE_CHARS) about.private = true;
    const fields = this.#fields.get(key(phrase));
    const strange = () => this.#strange({ text, phrase, squeezed, fields }, about);
    // 3
    const own = this.#own.get(key(phrase));
    if (own !== undefined && !this.#isInWords(words, squeezed) && strange() === undefined)
      return { origin: 'trusted', found: 'field', place: own, ...about };
    // 4
    const chosen = fields?.find((field) => field.selected && namedAlike(field.name, parameter));
    if (chosen !== undefined && !(isIdentifier(phrase) && this.#saw(inProse(phrase)))) {
      const { place } = chosen;
      return { origin: 'selected', found: 'field', place, private: about.private, foreign_identifier: false, foreign_link: false };
    }
    // 5
    if (!this.#anyUntrusted) return { origin: 'model', found: 'nothing', ...about };
    // 6
    if (isCommonplace(phrase) || (squeezed.length < SHORTEST_TRACE_CHARS && !isIdentifier(phrase)))
      return { origin: 'model', found: 'nothing', ...about };
    // 7
    if (named.length === 0 && covered(this.#pointed, squeezed, COPIED)) return { origin: 'quoted', found: 'span', ...about };
    // 8 to 11, and 12: a code that occurs nowhere was assembled from pieces, decoded, or mistyped.
    return strange() ?? { origin: 'model', found: 'nothing', ...about, foreign_identifier: about.foreign_identifier || isCode(phrase) };
  }

  /** Found in untrusted text: rules 8 to 11 of `trace`. */
  #strange({ text, phrase, squeezed, fields }: Sought, about: typeof NOTHING_FOREIGN): Trace | undefined {
    // 8
    const place = fields?.[0]?.place ?? this.#identifiers.get(key(phrase));
    if (place !== undefined) return { origin: 'untrusted', found: fields === undefined ? 'token' : 'field', place, ...about };
    // 9
    if (covered(this.#untrusted, squeezed, COPIED) || this.#isUntrustedToken(phrase))
      return { origin: 'untrusted', found: 'span', ...about };
    // 10
    for (const decoded of decodings(text)) {
      const inner = fold(decoded);
      const copied = covered(this.#untrusted, squeeze(inner), COPIED);
      if (copied || tokens(inner, PROVENANCE.tokens).some((one) => isIdentifier(one) && this.#isUntrustedToken(one))) {
        return { origin: 'untrusted', found: 'decoded', private: about.private, foreign_identifier: true, foreign_link: true };
      }
    }
    // 11
    if (this.full) return { origin: 'untrusted', found: 'full', private: about.private, foreign_identifier: true, foreign_link: true };
    return undefined;
  }

  /** Whether strangers used each of these words, or an identifier among them: for values that are too short to be found as a copy. */
  #isInWords(words: readonly string[], squeezed: string): boolean {
    if (words.some((one) => isIdentifier(one) && this.#isUntrustedToken(one))) return true;
    return squeezed.length < SHINGLE && words.every((one) => this.#saw(wholeToken(one)));
  }

  /** Found in the principal's words or in a trusted result. */
  #known(words: readonly string[], phrase: string, about: typeof NOTHING_FOREIGN): Trace | undefined {
    if (phrase === '') return { origin: 'user', found: 'nothing', ...about };
    if (this.#principal.said(words, phrase)) return { origin: 'user', found: 'phrase', ...about };
    return this.#trusted.has(key(phrase)) ? { origin: 'trusted', found: 'token', ...about } : undefined;
  }

  /** An argument leaf that came from a handle, which the run has not read. @param inside label of the handle's value */
  handled(value: string | number, { sticky, influenced_by }: Label): Trace {
    const strange = tokens(fold(String(value).slice(0, PROVENANCE.argument_chars)), PROVENANCE.tokens).filter(
      (one) => isIdentifier(one) && !this.#principal.has(one) && !this.#trusted.has(key(one)),
    );
    const untrusted = sticky.untrusted_input;
    return {
      origin: untrusted ? 'untrusted' : 'trusted',
      found: 'handle',
      ...(untrusted ? { place: { call: 0, of: '', by: namedIn(influenced_by), field: '' } } : {}),
      private: sticky.private_data,
      foreign_identifier: untrusted && strange.length > 0,
      foreign_link: untrusted && strange.some(isLink),
    };
  }

  /** The owner of an `endorse` vouches for a value: from here on it counts as known. */
  endorsed(value: Json): void {
    this.#each(value, (known) => {
      this.#remove(this.#used, known);
      if (this.#trusted.size < PROVENANCE.trusted_values) this.#add(this.#trusted, known);
    });
  }

  /** The owner of a `declassify` lets everybody read a value. */
  declassified(value: Json): void {
    this.#each(value, (known) => {
      if (this.#public.size < PROVENANCE.trusted_values) this.#add(this.#public, known);
    });
  }

  /** Whole fields, and the identifiers in them. */
  #each(value: Json, take: (known: number) => void): void {
    for (const leaf of leavesOf(value).leaves) {
      const words = tokens(fold(String(leaf.value).slice(0, PROVENANCE.argument_chars)), PROVENANCE.tokens);
      for (const one of [words.join(' '), ...words.filter(isIdentifier)]) take(key(one));
    }
  }

  /**
   * A trusted tool that repeats its arguments does not vouch for them: `no contact named X` does not make X known, and neither
   * does a cart that shows what the run itself put there. The same holds if its result was not read.
   */
  use(args: Json): void {
    this.#use(args);
  }

  /** @returns the arguments with their origins */
  #use(args: Json): Asked[] {
    const asked: Asked[] = [];
    const { leaves, names, complete } = textsOf(args);
    // A tool may repeat those that were not looked at.
    if (!complete) this.#vouching = false;
    for (const leaf of [...leaves, ...names]) {
      const { origin } = this.trace(leaf.value, leaf.name);
      asked.push({ value: leaf.value, origin });
      if (isKnown({ origin })) continue;
      for (const one of [String(leaf.value), ...decodings(String(leaf.value))]) {
        const words = tokens(fold(one), PROVENANCE.tokens);
        if (this.#used.size + words.length > PROVENANCE.trusted_values) this.#vouching = false;
        else for (const word of [words.join(' '), ...words]) this.#add(this.#used, key(word));
      }
    }
    return asked;
  }

  /**
   * @param asked whether it was called with known arguments only. Otherwise its result may have been assembled from strangers'
   * text
   */
  #takeTrusted(leaves: readonly Leaf[], asked: boolean): void {
    let room: number = PROVENANCE.result_chars;
    const vouch = (one: string) => {
      const known = key(one);
      if (!asked && this.#saw(wholeToken(one))) return;
      if (!this.#used.has(known) && this.#vouching && this.#trusted.size < PROVENANCE.trusted_values) this.#add(this.#trusted, known);
    };
    for (const leaf of leaves) {
      if (room <= 0) return;
      const text = fold(String(leaf.value).slice(0, room));
      room -= text.length;
      const words = tokens(text, PROVENANCE.tokens);
      if (words.length <= VALUE_WORDS && !words.some((one) => this.#used.has(key(one)))) vouch(words.join(' '));
      for (const one of words) if (isIdentifier(one)) vouch(one);
    }
  }

  #takeUntrusted(of: ResultOf, leaves: readonly Leaf[], keys: readonly Asked[]): void {
    const asked = new Set(keys.map(({ origin }) => origin));
    // A record that was found by a key from untrusted text was chosen by the author of that text.
    const clean = of.suspect !== true && !asked.has('untrusted');
    const queried = clean && asked.has('user');
    // Found by a file name, an address or a link in the principal's words: exactly this source, and not a search that may find
    // others.
    const pointed = clean && keys.some(({ value, origin }) => origin === 'user' && tokens(fold(String(value)), 64).some(isIdentifier));
    const named = new Set<number>();
    if (clean) {
      for (const leaf of leaves) if (leaf.record > 0 && !named.has(leaf.record) && this.#principal.chooses(leaf)) named.add(leaf.record);
    }
    const stood = { call: of.call, of: of.tool, by: namedIn(of.by ?? [of.tool]) };
    let room: number = PROVENANCE.result_chars;
    let pieces = DECODED_PIECES;
    for (const leaf of leaves) {
      const raw = String(leaf.value);
      if (raw.length > room) this.#full = true;
      const text = fold(raw.slice(0, Math.max(0, room)));
      room -= raw.length;
      const words = tokens(text, Number.POSITIVE_INFINITY);
      const item = leaf.record === 0 && /^\[\d+\]$/.test(leaf.path);
      const chosen = item ? queried : leaf.record > 0 && (named.has(leaf.record) || (queried && named.size === 0));
      // A plain name in a field of its own refers to the tool's own directory, and not to an outside address.
      const selected = chosen || (clean && words.length <= 4 && !words.some(isIdentifier));
      if (pointed) shingle(this.#pointed, squeeze(text));
      const place = { ...stood, field: leaf.path.slice(0, FIELD_PATH_CHARS) };
      if (clean && leaf.field !== undefined && this.#takeOwn(words, place)) continue;
      if ((item || leaf.record > 0) && words.length > 0 && words.length <= 16) {
        this.#fields.add(key(words.join(' ')), { place, name: item ? of.tool : leaf.name, selected });
      }
      this.#indexText(text, words, place);
      if (words.length > PROSE_WORDS) {
        for (const one of words) if (isIdentifier(one)) this.#see(inProse(one));
      }
      for (const piece of raw.slice(0, PROVENANCE.result_chars).split(/[\s"'<>(),]+/)) {
        if (pieces <= 0) break;
        if (piece.length < 8) continue;
        for (const decoded of decodings(piece)) {
          pieces -= 1;
          const inner = fold(decoded);
          this.#indexText(inner, tokens(inner, PROVENANCE.tokens), place);
        }
      }
    }
  }

  /**
   * A value that a system wrote itself, unless the run has put it there, as for a trusted tool. Prose is never one: systems write keys, names and
   * amounts, and a declaration that is wrong about a field must not make instructions known.
   * @returns false: it counts as a stranger's
   */
  #takeOwn(words: readonly string[], place: Place): boolean {
    if (words.length > VALUE_WORDS || !this.#vouching) return false;
    const known = [words.join(' '), ...words.filter(isIdentifier)];
    if ([...known, ...words].some((one) => this.#used.has(key(one))) || !this.#own.hasRoom(known.length)) return false;
    for (const one of known) this.#own.add(key(one), place);
    return true;
  }

  #indexText(text: string, words: readonly string[], place: Place): void {
    for (const one of words) {
      if (isIdentifier(one)) this.#identifiers.add(key(one), place);
      // For short tokens, and for those that have no room.
      this.#see(wholeToken(one));
    }
    shingle(this.#untrusted, squeeze(text));
  }

  #see(known: string): void {
    this.#untrusted.add(known, 0, known.length);
  }

  #saw(known: string): boolean {
    return this.#untrusted.has(known, 0, known.length);
  }

  #isUntrustedToken(one: string): boolean {
    if (this.#identifiers.get(key(one)) !== undefined || this.#saw(wholeToken(one))) return true;
    const bare = token(one);
    return isIdentifier(bare) && covered(this.#untrusted, squeeze(bare), 0.8);
  }
}
