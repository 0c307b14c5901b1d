/** An answer to a question as a person types it. */
import type { Json } from '@corral/protocol/json';

/** A text where the question takes nothing else, else JSON where the line is that. @param schema of the answer */
export function valueOf(text: string, schema: Readonly<Record<string, Json>>): Json {
  if (schema['type'] === 'string') return text;
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}
