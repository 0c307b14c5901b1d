/**
 * The input and output of a tool, as data (JSON Schema) and as a check. A check may run code of the tool's author, so it never
 * throws: if a schema throws, or cannot answer at once, the value is refused.
 */
import type * as z from 'zod';
import { jsonSchemaOf } from '../api/json-schema.ts';
import { mayHang } from '../api/may-hang.ts';
import type { Json } from '../json.ts';

export type JsonSchema = Readonly<Record<string, Json>>;

export type Checked =
  /** `value`: with defaults filled in, and without members that the schema drops. */
  | { readonly ok: true; readonly value: unknown }
  /**
   * `where`: the path of the value that does not fit. `detail`: only for operators, because it may repeat what a schema threw.
   */
  | { readonly ok: false; readonly where: string; readonly message: string; readonly detail?: string };

export interface Contract {
  readonly schema: JsonSchema;
  check(value: unknown): Checked;
  /** The complete check, if it needs more than JSON Schema, or time. Undefined: `check` is complete. */
  readonly checkLater?: (value: unknown) => Promise<Checked>;
  /** Whether the check may take unbounded time over some values. Undefined: unknown. */
  readonly mayHang?: boolean;
}

const DETAIL_CHARS = 8_192;
const CAUSES = 4;

/**
 * An exception as text for operators: its stack and its causes, cut to a limit. Handles any thrown value, also one whose getters
 * throw.
 */
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

/** The contract of a zod schema. @param io whether its input or its output is described */
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

/** Converts a result of zod. */
export function checkedOf(parsed: z.ZodSafeParseResult<unknown>): Checked {
  if (parsed.success) return { ok: true, value: parsed.data };
  const issue = parsed.error.issues[0];
  return { ok: false, where: issue?.path.map(String).join('.') ?? '', message: issue?.message ?? 'it does not fit its schema' };
}

const threw = (error: unknown): Checked => ({ ok: false, where: '', message: 'the schema itself failed', detail: detailOf(error) });
