/** Planted bugs of nodes that share a store: `npm run sim -- --supervisors 2 --mutation NAME` finds them. */

export interface Edit {
  readonly file: string;
  readonly piece: string;
  readonly becomes: string;
}

export const FLEET_BUGS: Readonly<Record<string, readonly Edit[]>> = {
  /** A host that has joined again finishes to bring back a run that it claimed as the node it was before. */
  'bring-back-late': [
    { file: 'supervisor/src/runs/revival.ts', piece: 'if (membership.present !== node) {', becomes: 'if (Date.now() < 0) {' },
  ],
  /** A claim takes a run from a node that is alive. */
  'steal-from-living': [
    {
      file: 'store/src/core/claims.ts',
      piece: "if (elsewhere !== undefined && steal !== 'fence') return elsewhere;",
      becomes: "if (elsewhere !== undefined && steal === 'fence') return elsewhere;",
    },
  ],
  /** A node sends calls though its lease may have run out. */
  'dispatch-after-lease': [
    {
      file: 'broker/src/dispatch/dispatcher.ts',
      piece: 'if (!this.#isSure()) return this.#defer(',
      becomes: 'if (leave === undefined) return this.#defer(',
    },
  ],
  /** The store counts a use of a grant that has none left, for another node has used it up. */
  'spend-twice': [{ file: 'store/src/core/apply.ts', piece: 'used > grant.uses ?', becomes: 'used > grant.uses + 1_000 ?' }],
  /** The store takes a commit that reserves more of an account than its limit allows, for another node has spent of it too. */
  'spend-past-limits': [
    { file: 'store/src/core/apply.ts', piece: 'if (sum <= most) continue;', becomes: 'if (sum <= most + 1e12) continue;' },
  ],
  /** A node that leaves clears the attempts of the runs of others. */
  'clear-neighbours': [
    {
      file: 'store/src/sqlite/rows-nodes.ts',
      piece: 'SET attempts = 0 WHERE attempts > 0 AND claimed_era = ?',
      becomes: 'SET attempts = 0 WHERE attempts > 0 AND claimed_era <> ? - 1_000',
    },
  ],
  /** A kill waits until the node that holds the run gives it up. */
  'kill-waits': [
    {
      file: 'supervisor/src/control/fencing.ts',
      piece: 'const { run, from } = await lifecycle.endElsewhere(id, outcome);',
      becomes: `await new Promise<void>((then) => clock.after(50, then));
    const { run, from } = {} as Partial<Awaited<ReturnType<typeof lifecycle.endElsewhere>>>;`,
    },
  ],
  /** A node goes on with a run that another one has taken from it, until the store refuses an entry. */
  'deaf-to-fences': [
    { file: 'supervisor/src/runs/neighbours.ts', piece: 'if (isTaken && isOurs())', becomes: 'if (isTaken && !isOurs())' },
  ],
  /** A node does not follow the quarantines that others have put up. */
  'ignore-quarantines': [
    {
      file: 'supervisor/src/control/stops.ts',
      piece: 'changes.quarantines ? await quarantines.follow()',
      becomes: 'changes.quarantines && this.#closed ? await quarantines.follow()',
    },
  ],
  /** The store does not note that a quarantine was put up, so other nodes do not read it. */
  'untold-quarantines': [{ file: 'store/src/core/apply.ts', piece: "noteChange(registry, 'quarantines');", becomes: 'void noteChange;' }],
  /** The store takes commits of a node that counts as dead. */
  'commit-of-the-dead': [
    { file: 'store/src/core/apply.ts', piece: 'if (standing.lease === 0) {', becomes: 'if (standing.lease === -1) {' },
  ],
  /** The store keeps no answer of a node that is alive, as if it counted as dead. */
  'answers-of-the-living': [
    { file: 'store/src/core/apply.ts', piece: 'standing.lease === 0) return;', becomes: 'standing.lease > 0) return;' },
  ],
};
