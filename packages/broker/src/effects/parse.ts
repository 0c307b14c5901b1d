/**
 * Parses the effects of a crank. The text comes from a guest that may not use the SDK, so it is not trusted: its size is checked first,
 * then a scan counts what makes parsing slow, then each effect is parsed by itself. So none of these steps takes long, however the text
 * was made, and each effect is as deep and as long as it may be before a recursive function sees it.
 */
import { Effect } from '@corral/protocol/wire/effect';
import type { ErrorCode } from '@corral/protocol/errors';
import { JSON_MAX_DEPTH } from '@corral/protocol/json';
import { JsonScan, type JsonFault } from '@corral/protocol/json-scan';
import { largestEffect, MACHINE, type Ceilings } from '@corral/protocol/limits';
import { RIGHTS } from '@corral/protocol/model/grant';
import type { Outcome } from '@corral/protocol/model/outcome';

/** Maximum number of levels that the batch, an effect and its members add around a value; an attenuation adds most. */
const ENVELOPE_DEPTH = 8;
/** More members than any effect has. */
const EFFECT_MEMBERS = 16;
/** Characters that are scanned, and that are parsed, at once. One effect that is longer is parsed at once too. */
const SCANNED_AT_ONCE = 128 * 1024;
const PARSED_AT_ONCE = 16 * 1024;

/** @returns the effects; or the outcome, if they are invalid */
export function parseEffects(text: string, ceilings: Ceilings): readonly Effect[] | Outcome {
  const reader = new EffectReader(text, ceilings);
  while (reader.go(Number.POSITIVE_INFINITY));
  return reader.outcome ?? reader.effects;
}

/** Reads the effects of a crank, a few at a time. */
export class EffectReader {
  /** The effects read so far. */
  readonly effects: Effect[] = [];
  /** The length of each in characters. */
  readonly lengths: number[] = [];
  /** Set if the effects are invalid. */
  outcome: Outcome | undefined;
  readonly #text: string;
  readonly #ceilings: Ceilings;
  /** Undefined once it is over. */
  #scan: JsonScan | undefined;
  #items: readonly number[] = [];

  constructor(text: string, ceilings: Ceilings) {
    this.#text = text;
    this.#ceilings = ceilings;
    const most = MACHINE.effects_bytes.default + largestEffect(ceilings);
    if (text.length > most) {
      const message = `The effects of one crank have ${text.length} bytes; at most ${most} may leave at once.`;
      this.outcome = { kind: 'exceeded', limit: 'effects_per_crank', message };
    } else if (text !== '[]') {
      const [members, names] = [MACHINE.crank_members.default, MACHINE.crank_names.default];
      this.#scan = new JsonScan(text, { depth: JSON_MAX_DEPTH + ENVELOPE_DEPTH, members, names, perRecord: EFFECT_MEMBERS });
    }
  }

  /**
   * Reads on: scans a part of the text, or reads the next effects.
   * @param most maximum number of effects; fewer are read if they are long
   * @returns whether there is more to do
   */
  go(most: number): boolean {
    if (this.#scan !== undefined && this.outcome === undefined) {
      if (this.#scan.go(SCANNED_AT_ONCE)) return true;
      this.#scanned(this.#scan);
      if (this.#text.length > SCANNED_AT_ONCE) return this.#hasMore;
    }
    let chars = 0;
    for (let left = most; this.#hasMore && left > 0 && chars < PARSED_AT_ONCE; left -= 1) chars += this.#read(this.effects.length);
    return this.#hasMore;
  }

  get #hasMore(): boolean {
    return this.outcome === undefined && this.effects.length * 2 < this.#items.length;
  }

  #scanned({ fault, items }: JsonScan): void {
    this.#scan = undefined;
    this.#items = items;
    const [count, most] = [items.length / 2, MACHINE.effects_per_crank.default];
    if (fault !== undefined) this.outcome = refused(fault, this.#text);
    else if (!/^[ \t\n\r]*\[/.test(this.#text)) this.outcome = notAnArray(this.#text);
    else if (count > most) {
      const message = `One crank made ${count} effects; at most ${most} may leave at once.`;
      this.outcome = { kind: 'exceeded', limit: 'effects_per_crank', message };
    }
  }

  /** @returns the length of the effect */
  #read(i: number): number {
    const [begin, end] = [this.#items[2 * i] as number, this.#items[2 * i + 1] as number];
    const length = end - begin;
    const isTooLarge = (most: number): boolean => {
      if (length <= most) return false;
      this.outcome = failed('CORRAL_EFFECT_TOO_LARGE', `One effect has ${length} bytes; at most ${most} may leave at once.`);
      return true;
    };
    if (isTooLarge(largestEffect(this.#ceilings))) return length;
    let value: unknown;
    try {
      value = JSON.parse(this.#text.slice(begin, end));
    } catch {
      this.outcome = failed('CORRAL_EFFECT_INVALID', 'The effects of the crank are not JSON.');
      return length;
    }
    // Whether a call is one of a model, and so may be larger, the decision finds out.
    if (ownOf(value)['kind'] !== 'call' && isTooLarge(this.#ceilings.message_bytes)) return length;
    const wide = wideList(value);
    const parsed = wide === undefined ? Effect.safeParse(value) : undefined;
    if (parsed?.success === true) {
      this.effects.push(parsed.data);
      this.lengths.push(length);
      return length;
    }
    const issue = parsed?.error.issues[0];
    const where = [i, ...(wide ?? issue?.path ?? [])].map((part) => String(part).slice(0, 100)).join('.');
    const message = `An effect has the wrong shape: ${where}: ${wide === undefined ? (issue?.message ?? 'unknown').slice(0, 500) : 'too many items'}.`;
    this.outcome = failed('CORRAL_EFFECT_INVALID', message);
    return length;
  }
}

function refused(fault: JsonFault, text: string): Outcome {
  switch (fault.kind) {
    case 'depth':
      return failed('CORRAL_JSON_UNSUPPORTED', `An effect nests deeper than ${JSON_MAX_DEPTH} levels.`);
    case 'number':
      return failed('CORRAL_JSON_UNSUPPORTED', `An effect holds ${fault.number}, which JavaScript cannot hold as a number.`);
    case 'members':
    case 'names': {
      if (fault.most === EFFECT_MEMBERS)
        return failed('CORRAL_EFFECT_INVALID', `An effect has the wrong shape: more than ${fault.most} members.`);
      const what = fault.kind === 'members' ? 'members and items' : 'different names of members';
      const message = `The effects of one crank have more than ${fault.most} ${what}; let some of them leave in a later crank, or as text.`;
      return { kind: 'exceeded', limit: 'crank_members', message };
    }
    case 'syntax':
      return notAnArray(text);
  }
}

function notAnArray(text: string): Outcome {
  const begins = text.slice(0, 100).trimStart();
  return failed('CORRAL_EFFECT_INVALID', `The effects of the crank are not ${begins.startsWith('[') ? 'JSON' : 'an array'}.`);
}

/**
 * The place of a list in an effect that is longer than the schema allows. The schema looks at each item before it counts them, and keeps
 * a complaint about each, which takes a hundred times as long as counting.
 */
function wideList(effect: unknown): readonly string[] | undefined {
  const { handles, at, caps } = ownOf(effect);
  if (isLonger(handles, MACHINE.handle_slots.max)) return ['handles'];
  if (isLonger(at, JSON_MAX_DEPTH)) return ['at'];
  for (const slot of Array.isArray(handles) ? handles : []) {
    const { path, at: part } = ownOf(slot);
    if (isLonger(path, JSON_MAX_DEPTH + 4) || isLonger(part, JSON_MAX_DEPTH)) return ['handles', 'path'];
  }
  const given = Object.entries(ownOf(caps));
  if (given.length > MACHINE.message_slots.max) return ['caps'];
  for (const [alias, terms] of given) {
    const { where, rights, passes } = ownOf(terms);
    if (isLonger(rights, RIGHTS.length) || isLonger(passes, RIGHTS.length)) return ['caps', alias, 'rights'];
    if (Object.keys(ownOf(where)).length > MACHINE.predicates_per_grant.max) return ['caps', alias, 'where'];
  }
  return undefined;
}

const isLonger = (list: unknown, most: number): boolean => Array.isArray(list) && list.length > most;
const ownOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};

function failed(code: ErrorCode, message: string): Outcome {
  return { kind: 'failed', code, message };
}
