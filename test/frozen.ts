/** A host whose cells stand still: every process that this one has started is stopped where it is, until it is let go on. */
import { readdirSync, readFileSync } from 'node:fs';
import { onTestFinished } from 'vitest';

/** @returns what lets them go on; the end of the test does too. Linux alone */
export function freezeCells(): () => void {
  const frozen = descendants();
  const signal = (name: 'SIGSTOP' | 'SIGCONT') => {
    for (const pid of frozen)
      try {
        process.kill(pid, name);
      } catch {
        // Its cell was given up meanwhile.
      }
  };
  signal('SIGSTOP');
  const thaw = () => signal('SIGCONT');
  onTestFinished(thaw);
  return thaw;
}

/** Cells, and whatever is wrapped around them. */
function descendants(): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // It is gone already.
    }
  }
  const isMine = (pid: number): boolean => {
    const parent = parents.get(pid);
    return parent !== undefined && (parent === process.pid || isMine(parent));
  };
  return [...parents.keys()].filter((pid) => isMine(pid));
}
