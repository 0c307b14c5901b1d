/**
 * Detects a run that is refused something and tries to reach it otherwise. Only the first attempt of each way counts, as a scan for open
 * ports shows in first contacts and not in repeats (Jung, Paxson et al., Fast Portscan Detection Using Sequential Hypothesis Testing,
 * IEEE S&P 2004).
 */
import { detector } from '../detector.ts';
import type { Attempt, RefusedWay } from '../ends.ts';
import { hashText, mix } from '../reading.ts';

/** Ways to one end from which it is called probing. The first is a mistake, and the second may be a correction of it. */
const WAYS = 3;
/** The part of the doubt that each further way leaves. */
const DOUBT = Math.sqrt(0.1);
/** Ends that are remembered, and ways to each. */
const ENDS_MAX = 64;
const WAYS_MAX = 8;

type End = {
  readonly end: number;
  refusals: number;
  readonly ways: number[];
  /** For each way: the tool, and whether a child tried it. */
  readonly by: [what: string, child: boolean][];
  /** For each way: the position of its first refusal. */
  readonly at: number[];
};

export const probing = detector({
  name: 'probing',
  sees: 'three different ways to one end, each refused by a grant, a policy or a person: with another tool, in another spelling, or by a child. An end is a value that names something (a path, an address, a recipient, an account) or a longer text',
  spares: 'the same call again; refusals for different things; arguments that do not fit, limits that are reached, errors of tools',
  ladder: { pause: 0.75 },
  on: 'refusal',
  initial: (): End[] => [],
  observe(ends, refusal, run) {
    let most: End | undefined;
    for (const attempt of refusal.attempts) {
      const end = took(ends, attempt, refusal, run.position);
      if (end !== undefined && end.ways.length > (most?.ways.length ?? WAYS - 1)) most = end;
    }
    if (most === undefined) return ends;
    const ways = most.ways.length;
    const children = most.by.filter(([, child]) => child).length;
    run.say(1 - DOUBT ** (ways - 1), `${most.end} ${ways}`, {
      text: `${ways} different ways to one end were refused: ${listed(most.by)}.`,
      events: most.at,
      subjects: [...new Set(most.by.map(([what]) => what))],
      figures: { ways, refusals: most.refusals, by_children: children },
    });
    return ends;
  },
});

/** Counts an attempt. @returns its end, if this way to it is new */
function took(ends: End[], { end, spelt }: Attempt, { what, child }: RefusedWay, position: number): End | undefined {
  let known = ends.find((one) => one.end === end);
  if (known === undefined) {
    if (ends.length >= ENDS_MAX) ends.splice(leastTried(ends), 1);
    ends.push((known = { end, refusals: 0, ways: [], by: [], at: [] }));
  }
  known.refusals += 1;
  const way = mix(hashText(what), child ? mix(spelt, 1) : spelt);
  if (known.ways.includes(way) || known.ways.length >= WAYS_MAX) return undefined;
  known.ways.push(way);
  known.by.push([what.slice(0, 128), child]);
  known.at.push(position);
  return known;
}

/** The end with the fewest ways, the oldest of those. */
function leastTried(ends: readonly End[]): number {
  let least = 0;
  ends.forEach(({ ways }, i) => {
    if (ways.length < (ends[least] as End).ways.length) least = i;
  });
  return least;
}

/** Tools in the order in which they were tried: `fs.read in 2 spellings, http.get, fs.read by a child`. */
function listed(by: End['by']): string {
  const counts = new Map<string, number>();
  for (const [what, child] of by) {
    const name = child ? `${what} by a child` : what;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].map(([name, count]) => (count === 1 ? name : `${name} in ${count} spellings`)).join(', ');
}
