/**
 * The inspectors that come with the host: `secrets` and `personal`. They answer at once about what the event loop can look at in a
 * millisecond or two; larger values go to a worker thread. Their findings hold kinds and places, and no part of a value.
 */
import type { Piscina } from 'piscina';
import type { Json } from '@corral/protocol/json';
import { MACHINE } from '@corral/protocol/limits';
import type { Finding } from '@corral/protocol/model/inspection';
import type { Inspector, InspectorAnswer, InspectorOptions } from '@corral/protocol/ports/inspector';
import { longestForm, type KnownValue } from './known-values.ts';
import { PERSONAL_CHARS } from './personal-data.ts';
import { SHAPE_CHARS } from './secret-shapes.ts';
import { scan, type Search } from './scan.ts';

export interface BuiltInOptions extends InspectorOptions {
  /** Searches for keys of known shapes and these values, which may change with time, or for personal data. */
  readonly search: { readonly kind: 'secrets'; readonly values: () => readonly KnownValue[] } | { readonly kind: 'personal' };
  /** Kinds of findings that do not count, such as `email`. */
  readonly except: readonly string[];
}

export function builtIn({ name, on, always, timeout_ms, search, except }: BuiltInOptions): Inspector {
  let pool: Promise<Piscina> | undefined;
  const now = (): Search =>
    search.kind === 'personal' ? { kind: 'personal', except } : { kind: 'secrets', except, values: search.values() };
  return {
    name,
    on,
    always,
    timeout_ms,
    longest_chars: () => (search.kind === 'personal' ? PERSONAL_CHARS : secretChars(search.values())),
    atOnce: (value: Json, whole: boolean): Finding | undefined =>
      scan(value, now(), whole ? MACHINE.inspected_chars.default : MACHINE.inspected_at_once_chars.default),
    async inspect({ value }, signal): Promise<InspectorAnswer> {
      pool ??= started();
      try {
        const finding = (await (await pool).run({ value, search: now() }, { signal })) as Finding | undefined;
        return finding === undefined ? { kind: 'missing', why: 'the value is too large for it' } : { kind: 'said', finding };
      } catch {
        return { kind: 'missing', why: 'it failed' };
      }
    },
    close: async () => (await pool)?.destroy(),
  };
}

const secretChars = (values: readonly KnownValue[]): number => Math.max(SHAPE_CHARS, longestForm(values));

/** One thread, which ends when nothing is to be done. */
async function started(): Promise<Piscina> {
  const { Piscina: Pool } = await import('piscina');
  const filename = new URL('./scan-worker.ts', import.meta.url).href;
  return new Pool({ filename, minThreads: 0, maxThreads: 1, idleTimeout: IDLE_MS, atomics: 'disabled' });
}

const IDLE_MS = 30_000;
