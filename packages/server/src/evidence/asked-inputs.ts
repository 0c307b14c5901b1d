/**
 * Reads the arguments of calls about which people decided from the journals of their runs. A list has many calls, and a journal may be long: there is a
 * bound on what is read for one page, and calls beyond it are left out.
 */
import type { Withheld } from '@corral/protocol/api/withheld';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import { effectsOf } from './calls.ts';
import { breathe } from './serial-queue.ts';
import type { ReadShown } from './shown.ts';

/** Entries that are read at a time, and for all calls together. */
const PAGE = 100;
const READ = 3_000;

type Input = { readonly input: Json } | { readonly withheld: Withheld };

/** @returns the arguments by `run call`, as the reader may see them; calls that were not found have none */
export async function inputsOf(
  read: ReadShown,
  calls: readonly { readonly run: string; readonly call: number }[],
): Promise<ReadonlyMap<string, Input>> {
  const found = new Map<string, Input>();
  let left = READ;
  for (const [run, of] of Map.groupBy(calls, (one) => one.run)) {
    const wanted = new Set(of.map(({ call }) => call));
    for (let after = 0; wanted.size > 0 && left > 0;) {
      const entries = await pageOf(read, run as RunId, after);
      for (const entry of entries)
        for (const effect of effectsOf(entry)) {
          if (effect.kind !== 'call' || !wanted.delete(effect.id)) continue;
          const { withheld } = entry;
          found.set(`${run} ${effect.id}`, withheld === undefined ? { input: effect.input as Json } : { withheld });
        }
      left -= Math.max(1, entries.length);
      const last = entries.at(-1);
      if (last === undefined || entries.length < PAGE) break;
      after = last.seq;
      await breathe();
    }
  }
  return found;
}

/** A journal that was erased, pruned or damaged counts as empty. */
async function pageOf(read: ReadShown, run: RunId, after: number): ReturnType<ReadShown> {
  try {
    return await read(run, after, PAGE);
  } catch (error) {
    if (!(error instanceof CorralError) || error.retryable) throw error;
    return [];
  }
}
