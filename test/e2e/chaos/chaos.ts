/** Kills real cells and the real host of `host.ts` at random, starts it again, and counts what was done. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Outcome } from '@corral/protocol/model/outcome';
import { spawnHost, type HostProcess } from './process.ts';

const HOST = fileURLToPath(new URL('./host.ts', import.meta.url));
/** Lines each writer writes, and each child. */
const LINES = 6;
const CHILD_LINES = 3;

interface Ended {
  readonly run: string;
  readonly outcome: Outcome | undefined;
  readonly children: readonly { readonly id: string; readonly outcome: Outcome | undefined }[];
}

export interface ChaosResult {
  readonly runs: number;
  readonly kills: { readonly host: number; readonly cells: number };
  /** Calls of unknown result that were settled, and suspects that were resumed, as by a person. */
  readonly resolved: number;
  readonly resumed: number;
  /** Lines that are missing of runs that completed. */
  readonly lost: string[];
  /** Lines that stand there twice. */
  readonly duplicated: string[];
  /** Outcomes other than completed, as text. */
  readonly otherwise: string[];
}

/** @param folder an empty one; @param say told what goes on */
export async function chaos({
  folder,
  runs,
  kills,
  say = () => undefined,
}: {
  readonly folder: string;
  readonly runs: number;
  readonly kills: number;
  readonly say?: (text: string) => void;
}): Promise<ChaosResult> {
  const killed = { host: 0, cells: 0 };
  let resolved = 0;
  let resumed = 0;
  const ended: Ended[] = [];
  let done = false;
  while (!done) {
    done = await live(spawnHost(['--no-node-snapshot', HOST, folder, String(runs)]));
  }

  /** Follows one life of the host; true when everything has ended. */
  async function live(child: HostProcess): Promise<boolean> {
    let finished = false;
    let life = 1 + Math.random() * 6;
    for await (const line of child.lines) {
      const told = JSON.parse(line) as { kind: string; open: number; resolved: number; resumed: number; cells: number[] } & Ended;
      if (told.kind === 'ended') ended.push(told);
      if (told.kind === 'done') finished = true;
      if (told.kind !== 'state') continue;
      resolved += told.resolved;
      resumed += told.resumed;
      const left = kills - killed.host - killed.cells;
      if (left <= 0) continue;
      say(`${told.open} runs open, ${left} kills to go`);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 30));
      // Two cells for one host, about: cells are more, and die quicker.
      if ((life -= 1) > 0) {
        const pid = told.cells.filter((one) => one !== undefined)[Math.floor(Math.random() * told.cells.length)];
        if (pid === undefined) continue;
        try {
          process.kill(pid, 'SIGKILL');
          killed.cells += 1;
        } catch {
          // It has gone by itself.
        }
      } else {
        child.kill('SIGKILL');
        killed.host += 1;
        break;
      }
    }
    await child.gone;
    return finished;
  }

  const written = new Map<string, number>();
  for (const line of readFileSync(join(folder, 'lines'), 'utf8').split('\n').filter(Boolean))
    written.set(line, (written.get(line) ?? 0) + 1);
  const lost: string[] = [];
  const otherwise: string[] = [];
  const count = (run: string) => [...written.keys()].filter((key) => key.startsWith(`${run}:`)).length;
  for (const { run, outcome, children } of ended) {
    if (outcome?.kind !== 'completed') otherwise.push(`${run} ${JSON.stringify(outcome)}`);
    else if (count(run) !== LINES) lost.push(`${run} wrote ${count(run)} of ${LINES}`);
    for (const child of children) {
      if (child.outcome?.kind !== 'completed') otherwise.push(`${child.id} ${JSON.stringify(child.outcome)}`);
      else if (count(child.id) !== CHILD_LINES) lost.push(`${child.id} wrote ${count(child.id)} of ${CHILD_LINES}`);
    }
  }
  return {
    runs: ended.length,
    kills: killed,
    resolved,
    resumed,
    lost,
    duplicated: [...written].filter(([, n]) => n > 1).map(([key]) => key),
    otherwise,
  };
}
