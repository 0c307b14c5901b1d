/**
 * The trees of spawned runs, fed by the supervisor: depth, breadth, and whether they grow ever faster. A supervisor has one instance; it
 * keeps the living runs of all trees, and a few numbers for each tree.
 */
import { acrossRuns } from './detector.ts';
import type { FindingOf } from './events.ts';

export interface SpawnBounds {
  /** Bounds: the value at which a tree is reported, and the value with confidence 1. */
  readonly runs: readonly [number, number];
  readonly depth: readonly [number, number];
  readonly children: readonly [number, number];
}
export const SPAWN_BOUNDS: SpawnBounds = { runs: [32, 512], depth: [6, 12], children: [32, 256] };

interface Run {
  readonly tree: string;
  readonly parent: string | undefined;
  readonly depth: number;
  children: number;
  living: number;
  ended: boolean;
}
interface Tree {
  runs: number;
  living: number;
  depth: number;
  broadest: number;
  /** The times at which the tree first had 2^n runs. Milliseconds. */
  doubled: number[];
  reported: number;
}

/** 0 below the lower bound, 0.3 at it, and up to 1 at the upper bound, on a logarithmic scale. */
const between = (value: number, [low, high]: readonly [number, number]) =>
  value < low ? 0 : Math.min(1, 0.3 + (0.7 * Math.log(value / low)) / Math.log(high / low));

export const spawnTree = acrossRuns({
  name: 'spawn_tree',
  sees: 'depth, breadth, size, and doublings that do not slow down',
  spares: 'a crew of children one after another',
  ladder: { notice: 0.4, slow: 0.5, pause: 0.6, kill: 0.8 },
});

export class Spawns {
  readonly #runs = new Map<string, Run>();
  readonly #trees = new Map<string, Tree>();
  readonly #bounds: SpawnBounds;

  constructor(bounds: SpawnBounds = SPAWN_BOUNDS) {
    this.#bounds = bounds;
  }

  /** Records that `parent` spawned `run`. An unknown parent is the root of a new tree. `at` is in milliseconds. */
  spawned(run: string, parent: string, at: number): FindingOf<'spawn_tree'>[] {
    const above = this.#runs.get(parent) ?? this.#add(parent, undefined, parent, 0, at);
    const one = this.#add(run, parent, above.tree, above.depth + 1, at);
    above.children++;
    above.living++;
    const tree = this.#trees.get(above.tree) as Tree;
    tree.depth = Math.max(tree.depth, one.depth);
    tree.broadest = Math.max(tree.broadest, above.living);
    const growing = exploding(tree.doubled);
    const confidence = Math.max(
      between(tree.living, this.#bounds.runs),
      between(tree.depth, this.#bounds.depth),
      // Counts the living children: replacing a crew one by one makes it no broader.
      between(above.living, this.#bounds.children),
      // Doublings that do not slow down mean exponential growth.
      growing >= 3 ? Math.min(0.95, 0.25 + growing * 0.12) : 0,
    );
    if (confidence < 0.3 || confidence < tree.reported + 0.1) return [];
    tree.reported = confidence;
    return [
      {
        detector: 'spawn_tree',
        confidence,
        evidence: {
          text: `The tree of ${above.tree} has ${tree.runs} runs (${tree.living} alive), ${tree.depth} generations, at most ${tree.broadest} children of one run${growing >= 3 ? `, and doubled ${growing} times without slowing down` : ''}.`,
          events: [],
          subjects: [above.tree, ...this.#lineage(run)],
          figures: { runs: tree.runs, living: tree.living, depth: tree.depth, children: tree.broadest, doublings: growing },
        },
      },
    ];
  }

  ended(run: string): void {
    const one = this.#runs.get(run);
    if (one === undefined || one.ended) return;
    one.ended = true;
    const tree = this.#trees.get(one.tree) as Tree;
    tree.living--;
    // A run with living children is kept for their lineage.
    let name: string | undefined = run;
    while (name !== undefined) {
      const own: Run | undefined = this.#runs.get(name);
      if (own === undefined || !own.ended || own.living > 0) break;
      this.#runs.delete(name);
      const above: Run | undefined = own.parent === undefined ? undefined : this.#runs.get(own.parent);
      if (above !== undefined) above.living--;
      name = own.parent;
    }
    if (tree.living === 0) this.#trees.delete(one.tree);
  }

  get size(): number {
    return this.#runs.size;
  }

  #add(name: string, parent: string | undefined, root: string, depth: number, at: number): Run {
    const run: Run = { tree: root, parent, depth, children: 0, living: 0, ended: false };
    this.#runs.set(name, run);
    let tree = this.#trees.get(root);
    if (tree === undefined) {
      tree = { runs: 0, living: 0, depth: 0, broadest: 0, doubled: [], reported: 0 };
      this.#trees.set(root, tree);
    }
    tree.runs++;
    tree.living++;
    if ((tree.runs & (tree.runs - 1)) === 0) tree.doubled.push(at);
    return run;
  }

  #lineage(run: string): string[] {
    const names: string[] = [];
    for (let name: string | undefined = run; name !== undefined && names.length < 16; name = this.#runs.get(name)?.parent) names.push(name);
    return names.reverse();
  }
}

/** Number of latest doublings in a row none of which took over a quarter longer than the one before. The first few runs do not count. */
function exploding(doubled: readonly number[]): number {
  let count = 0;
  for (let i = doubled.length - 1; i >= 4; i--) {
    const took = (doubled[i] as number) - (doubled[i - 1] as number);
    const before = (doubled[i - 1] as number) - (doubled[i - 2] as number);
    if (took > before * 1.25) break;
    count++;
  }
  return count;
}
