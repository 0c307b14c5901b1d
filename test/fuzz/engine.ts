/**
 * A fuzzer that follows coverage: inputs that make V8 run code which no input has run before are kept and changed further. Coverage is V8's
 * own, by node:inspector, of the files of Corral's packages.
 */
import { deepStrictEqual } from 'node:assert/strict';
import { Session } from 'node:inspector';

export interface Target {
  readonly name: string;
  readonly seeds: readonly string[];
  /** Pieces that are put into inputs. */
  readonly words: readonly string[];
  /** A sign after which a piece often fits: half of the changes of a text put one there. */
  readonly joint?: string;
  /** @throws Error if something that must hold does not */
  run(input: Buffer, planted: boolean): void;
}
interface Reads {
  safeParse(value: unknown): { readonly success: boolean; readonly data?: unknown };
}
/** A schema throws nothing, and accepts what it made of a value as that value. */
export function holds(schema: Reads, value: unknown): unknown {
  const first = schema.safeParse(value);
  if (!first.success) return undefined;
  const again = schema.safeParse(structuredClone(first.data));
  if (!again.success) throw new Error('What was accepted is refused.');
  deepStrictEqual(again.data, first.data);
  return first.data;
}
/** Throws where a planted bug is met. */
export const plant = (planted: boolean, meets: boolean): void => {
  if (planted && meets) throw new Error('The planted bug was met.');
};

interface Found {
  readonly input: Buffer;
  readonly error: Error;
}
export interface Tally {
  readonly runs: number;
  readonly corpus: readonly Buffer[];
  readonly found: Found | undefined;
}

interface Range {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly count: number;
}
interface Script {
  readonly url: string;
  readonly functions: readonly { readonly ranges: readonly Range[] }[];
}
const LONGEST = 4096;

/** Mulberry32, by Tommy Ettinger (public domain). */
function dice(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

class Coverage {
  readonly #session = new Session();
  readonly #seen = new Set<string>();

  constructor() {
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** Whether code ran that had not run before, or often for the first time. */
  isNew(): boolean {
    let isNew = false;
    this.#session.post('Profiler.takePreciseCoverage', (_, { result }: { result: readonly Script[] }) => {
      for (const { url, functions } of result) {
        if (!url.includes('/packages/')) continue;
        for (const { ranges } of functions)
          for (const { startOffset, endOffset, count } of ranges) {
            if (count === 0) continue;
            const key = `${url}:${startOffset}:${endOffset}:${Math.floor(Math.log2(count))}`;
            if (this.#seen.has(key)) continue;
            this.#seen.add(key);
            isNew = true;
          }
      }
    });
    return isNew;
  }

  close(): void {
    this.#session.disconnect();
  }
}

/** Replaces or adds one member of a JSON value. @returns undefined if the input is not JSON */
function grafted(input: Buffer, words: readonly string[], draw: (below: number) => number): Buffer | undefined {
  try {
    const root = { value: JSON.parse(input.toString('utf8')) as unknown };
    let at: Record<string, unknown> = root;
    for (;;) {
      const inner = Object.values(at).filter((one): one is Record<string, unknown> => typeof one === 'object' && one !== null);
      if (inner.length === 0 || (at !== root && draw(3) === 0)) break;
      at = inner[draw(inner.length)] as Record<string, unknown>;
    }
    const word = words[draw(words.length)] ?? 'null';
    const graft = [`{${word}}`, word].flatMap((text) => {
      try {
        return [JSON.parse(text) as unknown];
      } catch {
        return [];
      }
    })[0];
    const names = Object.keys(at);
    if (Array.isArray(at)) at.push(graft ?? null);
    else if (typeof graft === 'object' && graft !== null && draw(3) > 0) Object.assign(at, graft);
    else if (names.length > 0) at[names[draw(names.length)] as string] = graft ?? null;
    return Buffer.from(JSON.stringify(root.value) ?? '');
  } catch {
    return undefined;
  }
}

function changed(input: Buffer, other: Buffer, { words, joint }: Target, draw: (below: number) => number): Buffer {
  const grown = draw(2) === 0 ? grafted(input, words, draw) : undefined;
  if (grown !== undefined) return grown.subarray(0, LONGEST);
  let bytes = Buffer.from(input);
  for (let times = 1 + draw(4); times > 0; times--) {
    if (joint !== undefined && draw(2) === 0) {
      const at = afterOne(bytes, joint, draw);
      bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(words[draw(words.length)] ?? ''), bytes.subarray(at)]);
      continue;
    }
    const at = draw(bytes.length + 1);
    const to = Math.min(bytes.length, at + 1 + draw(16));
    const piece = [
      () => Buffer.from([draw(256)]),
      () => Buffer.from(words[draw(words.length)] ?? ''),
      () => other.subarray(draw(other.length + 1), draw(other.length + 1)),
      () => bytes.subarray(at, to),
      () => Buffer.alloc(0),
      () => Buffer.from(String(['-1', '1e400', '9007199254740993', '0', '""', 'null', '{}', '[]'][draw(8)])),
    ][draw(6)]?.() as Buffer;
    bytes = Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(draw(2) === 0 ? at : to)]);
  }
  return bytes.subarray(0, LONGEST);
}

/** A place after one of the signs, or at the beginning. */
function afterOne(bytes: Buffer, sign: string, draw: (below: number) => number): number {
  const places = [0];
  for (let at = bytes.indexOf(sign); at >= 0; at = bytes.indexOf(sign, at + 1)) places.push(at + 1);
  return places[draw(places.length)] as number;
}

/** @param until time of `performance.now()` at which it stops */
export function fuzz(
  target: Target,
  corpus: readonly Buffer[],
  { seed, until, planted }: { seed: number; until: number; planted: boolean },
): Tally {
  const draw = dice(seed);
  const coverage = new Coverage();
  const kept: Buffer[] = [];
  let runs = 0;
  const tried = (input: Buffer): Found | undefined => {
    runs += 1;
    try {
      target.run(input, planted);
    } catch (error) {
      return { input, error: error instanceof Error ? error : new Error(String(error)) };
    }
    if (coverage.isNew()) kept.push(input);
    return undefined;
  };
  try {
    for (const input of [...target.seeds.map((text) => Buffer.from(text, 'latin1')), ...corpus]) {
      const found = tried(input);
      if (found !== undefined) return { runs, corpus: kept, found };
      if (!kept.includes(input)) kept.push(input);
    }
    while (performance.now() < until) {
      const pick = () => kept[draw(kept.length)] as Buffer;
      const found = tried(changed(pick(), pick(), target, draw));
      if (found !== undefined) return { runs, corpus: kept, found };
    }
    return { runs, corpus: kept, found: undefined };
  } finally {
    coverage.close();
  }
}
