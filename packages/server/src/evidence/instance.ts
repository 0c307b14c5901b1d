/** Instances of services: the state that their last turn left, and what all their turns took, read from their journals. */
import type { RunId } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import type { Entry } from '@corral/protocol/model/run';
import { deliveryOf, effectsOf } from './calls.ts';
import type { Pages, ReadJournal } from './pages.ts';

/** Entries that are read at a time, from the end of a journal. */
const PAGE = 20;

/**
 * The state of an instance; null before its first turn.
 * @param seq number of the last entry
 */
export async function stateOf(journal: ReadJournal, run: RunId, seq: number): Promise<Json> {
  for (let until = seq; until > 0; until -= PAGE) {
    const after = Math.max(0, until - PAGE);
    const found = (await journal(run, after, until - after)).findLast(({ event }) => event?.kind === 'checkpoint');
    if (found !== undefined) return stateIn(found);
  }
  return null;
}

/** Characters of a state that `why` tells; `show` has all of it. */
const SHOWN = 200;

export function stateLine(state: Json): string {
  const text = JSON.stringify(state);
  return `Its state: ${text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text}`;
}

function stateIn(entry: Entry): Json {
  const made = effectsOf(entry).find((effect) => effect.kind === 'checkpoint');
  return made === undefined ? null : (made.state as Json);
}

/** Counts the turns of an instance; each has a purse of its own, so the run's amounts are those of its last turn. */
export class Turns {
  #taken = 0;
  #cpu_us = 0;
  #calls = 0;

  /** Counts in the pages that pass through. */
  async *through(pages: Pages): AsyncGenerator<readonly Entry[]> {
    for await (const page of pages) {
      for (const entry of page) {
        this.#cpu_us += entry.cpu_us;
        if (deliveryOf(entry)?.kind === 'message') this.#taken += 1;
        this.#calls += entry.decisions.filter(({ verdict, tool }) => verdict === 'allow' && tool !== undefined).length;
      }
      yield page;
    }
  }

  get line(): string {
    const counted = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`;
    return `It has taken ${counted(this.#taken, 'message')}, with ${counted(this.#calls, 'call')} and ${(this.#cpu_us / 1000).toFixed(1)} ms of CPU time in all.`;
  }
}
