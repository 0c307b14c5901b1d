/**
 * Parses the effects of a crank. The text comes from a guest that may not use the SDK, so it is not trusted: the size is checked before
 * parsing, and the depth before any recursive function sees the value.
 */
import { Effects, type Effect } from '@corral/protocol/wire/effect';
import type { ErrorCode } from '@corral/protocol/errors';
import { isDeeperThan, JSON_MAX_DEPTH } from '@corral/protocol/json';
import { MACHINE, type Ceilings } from '@corral/protocol/limits';
import type { Outcome } from '@corral/protocol/model/outcome';

/** Maximum number of levels that the batch, an effect and its members add around a value; an attenuation adds most. */
const ENVELOPE_DEPTH = 8;

/** @returns the effects; or the outcome, if they are invalid */
export function parseEffects(text: string, ceilings: Ceilings): readonly Effect[] | Outcome {
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
  // No effect is longer than the whole text, so a short text needs no check.
  if (text.length > ceilings.message_bytes) {
    for (const effect of value) {
      const { length } = JSON.stringify(effect);
      if (length > ceilings.message_bytes)
        return failed('CORRAL_EFFECT_TOO_LARGE', `One effect has ${length} bytes; at most ${ceilings.message_bytes} may leave at once.`);
    }
  }
  const parsed = Effects.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = (issue?.path ?? []).map((part) => String(part).slice(0, 100)).join('.');
  return failed('CORRAL_EFFECT_INVALID', `An effect has the wrong shape: ${where}: ${(issue?.message ?? 'unknown').slice(0, 500)}.`);
}

function failed(code: ErrorCode, message: string): Outcome {
  return { kind: 'failed', code, message };
}
