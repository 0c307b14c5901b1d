/** The processes of this machine, read from /proc, for what watches a host from outside. */
import { readdirSync, readFileSync } from 'node:fs';

/** A process. The start time distinguishes it from a later one with the same number. */
export interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly started: string;
  readonly rss_kib: number;
}

/** All processes; empty on a system without /proc. */
export function processes(): Process[] {
  let pids: string[];
  try {
    pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
  return pids.flatMap((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      // The fields after the name, which may contain anything: state, parent, …; field 22 is the start time, field 24 the resident pages.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (fields[0] === 'Z') return [];
      return [{ pid: Number(pid), parent: Number(fields[1]), started: fields[19] ?? '', rss_kib: Number(fields[21]) * 4 }];
    } catch {
      // The process is gone.
      return [];
    }
  });
}

/** A process, then its descendants. */
export function family(root: number | undefined): Process[] {
  const there = processes();
  const found = there.filter(({ pid }) => pid === root);
  for (const one of found) found.push(...there.filter(({ parent }) => parent === one.pid));
  return found;
}
