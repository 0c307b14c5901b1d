/**
 * Parses the effects of a crank. The text comes from a guest that may not use the SDK, so it is not trusted: the size is checked before
 * parsing, and the depth before any recursive function sees the value.
 */
import { Effect } from '@corral/protocol/wire/effect';
import type { ErrorCode } from '@corral/protocol/errors';
import { isDeeperThan, JSON_MAX_DEPTH } from '@corral/protocol/json';
import { MACHINE, type Ceilings } from '@corral/protocol/limits';
import type { Outcome } from '@corral/protocol/model/outcome';

/** Maximum number of levels that the batch, an effect and its members add around a value; an attenuation adds most. */
const ENVELOPE_DEPTH = 8;

/** @returns the effects; or the outcome, if they are invalid */
export function parseEffects(text: string, ceilings: Ceilings): readonly Effect[] | Outcome {
  const reader = new EffectReader(text, ceilings);
  reader.go(Number.POSITIVE_INFINITY);
  return reader.outcome ?? reader.effects;
}

/** Reads the effects of a crank, a few at a time. */
export class EffectReader {
  /** The effects read so far. */
  readonly effects: Effect[] = [];
  /** Set if the effects are invalid. */
  outcome: Outcome | undefined;
  readonly #values: readonly unknown[];
  /** Maximum length of one effect; undefined: the whole text is shorter. */
  readonly #most: number | undefined;

  constructor(text: string, ceilings: Ceilings) {
    const values = valuesOf(text, ceilings);
    this.#values = 'kind' in values ? [] : values;
    if ('kind' in values) this.outcome = values;
    // No effect is longer than the whole text, so a short text needs no check.
    this.#most = text.length > ceilings.message_bytes ? ceilings.message_bytes : undefined;
  }

  /**
   * Reads the next effects.
   * @param most maximum number of effects
   * @returns whether there are more
   */
  go(most: number): boolean {
    const until = Math.min(this.#values.length, this.effects.length + most);
    while (this.outcome === undefined && this.effects.length < until) this.#read(this.effects.length);
    return this.outcome === undefined && this.effects.length < this.#values.length;
  }

  #read(i: number): void {
    const value = this.#values[i];
    const { length } = this.#most === undefined ? '' : JSON.stringify(value);
    if (this.#most !== undefined && length > this.#most) {
      const message = `One effect has ${length} bytes; at most ${this.#most} may leave at once.`;
      this.outcome = failed('CORRAL_EFFECT_TOO_LARGE', message);
      return;
    }
    const parsed = Effect.safeParse(value);
    if (parsed.success) {
      this.effects.push(parsed.data);
      return;
    }
    const issue = parsed.error.issues[0];
    const where = [i, ...(issue?.path ?? [])].map((part) => String(part).slice(0, 100)).join('.');
    const message = `An effect has the wrong shape: ${where}: ${(issue?.message ?? 'unknown').slice(0, 500)}.`;
    this.outcome = failed('CORRAL_EFFECT_INVALID', message);
  }
}

/** @returns the array in the text, of which no element is checked; or the outcome, if it is invalid */
function valuesOf(text: string, ceilings: Ceilings): readonly unknown[] | Outcome {
  if (text === '[]') return [];
  const most = MACHINE.effects_bytes.default + ceilings.message_bytes;
  if (text.length > most) {
    const message = `The effects of one crank have ${text.length} bytes; at most ${most} may leave at once.`;
    return { kind: 'exceeded', limit: 'effects_per_crank', message };
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return failed('CORRAL_EFFECT_INVALID', 'The effects of the crank are not JSON.');
  }
  if (!Array.isArray(value)) return failed('CORRAL_EFFECT_INVALID', 'The effects of the crank are not an array.');
  if (value.length > MACHINE.effects_per_crank.default) {
    const message = `One crank made ${value.length} effects; at most ${MACHINE.effects_per_crank.default} may leave at once.`;
    return { kind: 'exceeded', limit: 'effects_per_crank', message };
  }
  if (isDeeperThan(value, JSON_MAX_DEPTH + ENVELOPE_DEPTH))
    return failed('CORRAL_JSON_UNSUPPORTED', `An effect nests deeper than ${JSON_MAX_DEPTH} levels.`);
  return value;
}

function failed(code: ErrorCode, message: string): Outcome {
  return { kind: 'failed', code, message };
}
