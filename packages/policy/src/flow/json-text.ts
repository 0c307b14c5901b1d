/**
 * A text that holds JSON, such as the body of an answer by HTTP, read to find its fields. The agent or its model may read the text in another
 * way, so a text that can be read in two ways is not taken apart.
 */
import { isDeeperThan, type Json } from '@corral/protocol/json';

const DEPTH = 64;

/** @returns undefined if it holds neither a JSON list nor an object, is longer than `most`, or names a member twice */
export function jsonIn(text: string, most: number): Json | undefined {
  if (text.length > most || !/^\s*[[{]/.test(text)) return undefined;
  try {
    const value = JSON.parse(text) as Json;
    if (isDeeperThan(value, DEPTH) || membersIn(value) !== namesIn(text)) return undefined;
    return value;
  } catch {
    return undefined;
  }
}

function membersIn(value: Json): number {
  if (typeof value !== 'object' || value === null) return 0;
  const below = Object.values(value) as readonly Json[];
  return (Array.isArray(value) ? 0 : below.length) + below.reduce<number>((sum, one) => sum + membersIn(one), 0);
}

/** Names of members in the text of a valid JSON value: strings before a colon. */
function namesIn(text: string): number {
  let names = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === ':') names += 1;
    if (text[i] !== '"') continue;
    for (i += 1; text[i] !== '"'; i++) if (text[i] === '\\') i += 1;
  }
  return names;
}
