/**
 * What goes into and comes out of a tool, as data (JSON Schema) and as a check. A check may run code of the tool's author, so it
 * never throws: a schema that throws, or that cannot answer at once, refuses the value.
 */
import type * as z from 'zod';
import { jsonSchemaOf } from './api/json-schema.ts';
import { mayHang } from './api/may-hang.ts';
import type { Json } from './json.ts';

export type JsonSchema = Readonly<Record<string, Json>>;

export type Checked =
  /** `value`: with defaults filled in, and without what the schema leaves out. */
  | { readonly ok: true; readonly value: unknown }
  /** `where`: the path of the value that does not fit. `detail`: for operators alone, it may repeat what a schema threw. */
  | { readonly ok: false; readonly where: string; readonly message: string; readonly detail?: string };

export interface Contract {
  readonly schema: JsonSchema;
  check(value: unknown): Checked;
  /** The whole check where that takes more than JSON Schema, or time. Undefined: `check` is all of it. */
  readonly checkLater?: (value: unknown) => Promise<Checked>;
  /** Whether the check may take for ever over some values. Undefined: nobody knows. */
  readonly mayHang?: boolean;
}

const DETAIL_CHARS = 8_192;
const CAUSES = 4;

/** An exception as an operator reads it: with its stack and its causes, cut to a bound. Anything may be thrown, also what throws. */
export function detailOf(error: unknown): string {
  const texts: string[] = [];
  try {
    let cause = error;
    do texts.push(textOf(cause));
    while (texts.length < CAUSES && cause instanceof Error && (cause = cause.cause) !== undefined);
  } catch {
    texts.push('an exception that cannot be read');
  }
  const text = texts.join('\ncaused by: ');
  return text.length > DETAIL_CHARS ? `${text.slice(0, DETAIL_CHARS - 1)}…` : text;
}

function textOf(error: unknown): string {
  if (error instanceof Error) return String(error.stack ?? error.message);
  return typeof error === 'object' && error !== null ? (JSON.stringify(error) ?? 'an object') : String(error);
}

/** A contract of a zod schema. @param io which side of the schema is described: what it takes, or what it makes of that */
export function contractOf(schema: z.ZodType, io: 'input' | 'output' = 'input'): Contract {
  let described: JsonSchema | undefined;
  return {
    get schema() {
      return (described ??= JSON.parse(JSON.stringify(jsonSchemaOf(schema, io))) as JsonSchema);
    },
    get mayHang() {
      return mayHang(schema);
    },
    check(value) {
      try {
        return checkedOf(schema.safeParse(value));
      } catch (error) {
        return threw(error);
      }
    },
    checkLater: async (value) => {
      try {
        return checkedOf(await schema.safeParseAsync(value));
      } catch (error) {
        return threw(error);
      }
    },
  };
}

/** The outcome of zod as ours. */
export function checkedOf(parsed: z.ZodSafeParseResult<unknown>): Checked {
  if (parsed.success) return { ok: true, value: parsed.data };
  const issue = parsed.error.issues[0];
  return { ok: false, where: issue?.path.map(String).join('.') ?? '', message: issue?.message ?? 'it does not fit its schema' };
}

const threw = (error: unknown): Checked => ({ ok: false, where: '', message: 'the schema itself failed', detail: detailOf(error) });
