/** Instances of services: the state that their last turn left, and what all their turns took, read from their journals. */
import type { RunId } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import type { Entry } from '@corral/protocol/model/run';
import type { Effect } from '@corral/protocol/wire/effect';
import type { Pages } from './journal.ts';

/** Entries that are read at a time, from the end of a journal. */
const PAGE = 20;

/**
 * The state of an instance; null before its first turn.
 * @param seq number of the last entry
 */
export async function stateOf(
  journal: (run: RunId, after: number, limit: number) => Promise<readonly Entry[]>,
  run: RunId,
  seq: number,
): Promise<Json> {
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

function stateIn({ effects = '[]' }: Entry): Json {
  const made = (JSON.parse(effects) as Effect[]).find((effect) => effect.kind === 'checkpoint');
  return made?.kind === 'checkpoint' ? (made.state as Json) : null;
}

/** Counts the turns of an instance; each has a purse of its own, so the run's amounts are those of its last turn. */
export class Turns {
  #taken = 0;
  #cpu_us = 0;
  #calls = 0;

  /** Counts in the pages that pass through. */
  async *through(pages: Pages): AsyncGenerator<readonly Entry[]> {
    for await (const page of pages) {
      for (const { cpu_us, delivery, decisions } of page) {
        this.#cpu_us += cpu_us;
        if (delivery !== undefined && (JSON.parse(delivery) as { kind: string }).kind === 'message') this.#taken += 1;
        this.#calls += decisions.filter(({ verdict, tool }) => verdict === 'allow' && tool !== undefined).length;
      }
      yield page;
    }
  }

  get line(): string {
    const counted = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`;
    return `It has taken ${counted(this.#taken, 'message')}, with ${counted(this.#calls, 'call')} and ${(this.#cpu_us / 1000).toFixed(1)} ms of CPU time in all.`;
  }
}
