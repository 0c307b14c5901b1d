/** The shape of a call: the same for calls of one agent to one tool whose arguments have the same names and types. Lists group by it. */
import type { Json } from '@corral/protocol/json';
import { digestOf } from '../admission/admission.ts';

const DIGITS = 16;
/** Deeper parts, and more of them, do not count: an agent chooses the arguments. */
const DEPTH = 6;
const PARTS = 500;

interface Asked {
  readonly tenant: string;
  readonly agent: string;
  readonly tool: string;
  readonly input: Json;
}

export function shapeOf({ tenant, agent, tool, input }: Asked): string {
  let parts = 0;
  const typesOf = (value: Json, depth: number): unknown => {
    parts += 1;
    if (value === null) return 'null';
    if (typeof value !== 'object') return typeof value;
    if (depth >= DEPTH || parts > PARTS) return '…';
    // Lists of any length are of one shape if their items are.
    if (Array.isArray(value))
      return ['list', [...new Set(value.slice(0, PARTS).map((item) => JSON.stringify(typesOf(item, depth + 1))))].sort()];
    const names = Object.keys(value).sort().slice(0, PARTS);
    return names.map((name) => [name, typesOf((value as Readonly<Record<string, Json>>)[name] ?? null, depth + 1)]);
  };
  return digestOf(JSON.stringify([tenant, agent, tool, typesOf(input, 0)])).slice(-DIGITS);
}
