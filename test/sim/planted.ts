/** The planted bugs by name: each replaces a piece of a file. Applied by mutations.ts. */
import { CONTROL_BUGS } from './planted-control.ts';
import { type Edit, FLEET_BUGS } from './planted-fleet.ts';
import { MONEY_BUGS } from './planted-money.ts';
import { SLICE_BUGS } from './planted-slices.ts';
import { STREAM_BUGS } from './planted-streams.ts';

export const MUTATIONS: Readonly<Record<string, readonly Edit[]>> = {
  ...SLICE_BUGS,
  ...CONTROL_BUGS,
  ...MONEY_BUGS,
  ...STREAM_BUGS,
  /** Calls are sent before their crank is durable. */
  'skip-embargo': [
    {
      file: 'broker/src/broker.ts',
      piece: 'if (!call.early || neverLeft(pending) !== undefined) continue;',
      becomes: 'if (neverLeft(pending) !== undefined) continue;',
    },
  ],
  /** The store accepts appends of a stale owner. */
  'ignore-epoch': [{ file: 'store/src/core/apply.ts', piece: 'standing.epoch !== epoch || last', becomes: 'last' }],
  /** A delivery on its way into a cell is lost when its run has to leave the cell. */
  'drop-delivery': [
    {
      file: 'supervisor/src/runs/run.ts',
      piece: 'if (crank !== undefined) this.queue.putBack(crank);\n',
      becomes: '',
    },
  ],
  /** Reviving a run uses the present clock and grants instead of the recorded decisions. */
  'decide-again': [
    {
      file: 'supervisor/src/runs/revive.ts',
      piece: 'ledger.load(saved);',
      becomes: `ledger.load({ ...saved, pending: saved.pending.map((one) =>
      one.kind === 'timer' ? { ...one, due: clock.now() + one.due - saved.lastAt } : one) });`,
    },
    {
      file: 'supervisor/src/runs/revive.ts',
      piece: 'ledger.applying(entry, { checkpoint }))',
      becomes: `ledger.applying({ ...entry, decisions: entry.decisions.map((decision) => {
      const spent = chain.some(({ id, uses, used }) => id === decision.grant && uses !== undefined && used >= uses);
      if (decision.due !== undefined) return { ...decision, due: clock.now() + decision.due - entry.at };
      return spent ? { id: decision.id, verdict: 'deny' as const, code: 'CORRAL_GRANT_SPENT' as const, message: 'spent' } : decision;
    }) }, { checkpoint }))`,
    },
  ],
  /** A notice is delivered to the isolate of a segment that a checkpoint has just ended. */
  'notice-first': [
    {
      file: 'supervisor/src/runs/lifecycle.ts',
      piece: 'if (run.ledger.segment_entries === 0) this.#beginSegment(run);\n    this.#options.loops.cranked(run);',
      becomes: `const checkpointed = run.ledger.segment_entries === 0;
    this.#options.loops.cranked(run);
    if (checkpointed) this.#beginSegment(run);`,
    },
  ],
  /** A checkpoint forgets the label of what a run has read. */
  'wash-label': [
    {
      file: 'broker/src/ledger/snapshot.ts',
      piece: 'label: from.label, ...(from.placed',
      becomes: 'label: undefined, ...(from.placed',
    },
  ],
  /** Calls that were decided before a revocation are still sent. */
  'revoke-later': [
    {
      file: 'broker/src/dispatch/departures.ts',
      piece: "if (pending?.kind !== 'call' || !this.#options.powers.grants.isRevoked(pending.grant)) return false;",
      becomes: "if (pending?.kind !== 'call' || Date.now() > 0) return false;",
    },
  ],
  /** The sender of a request gets no answer when the receiver ends. */
  'forget-requests': [
    {
      file: 'store/src/core/apply.ts',
      piece: 'of this.#engine.requests.close(run, n))',
      becomes: 'of this.#engine.requests.close(run, n).slice(1_000_000))',
    },
  ],
  /** Time that a run waits for its host counts as its own. */
  'queue-is-wall': [
    {
      file: 'supervisor/src/runs/run.ts',
      piece: 'free && (this.#onCpu !== undefined || !busy)',
      becomes: 'free',
    },
    {
      file: 'supervisor/src/runs/clocks.ts',
      piece: 'if (run.onCpu === undefined && !run.hasWork) run.ledger.wall.waited(',
      becomes: 'if (false) run.ledger.wall.waited(',
    },
  ],
  /** Answers that the store has kept are ignored when their run is revived. */
  'lose-answer': [
    {
      file: 'supervisor/src/runs/revive.ts',
      piece: "(seq < 0 && delivery.kind === 'reply' ? delivery.results : [])",
      becomes: '(seq === 0 ? [] : [])',
    },
  ],
  /** A kept answer is not deleted by the commit of its crank, so the next host delivers it again. */
  'answer-twice': [
    {
      file: 'store/src/core/apply.ts',
      piece: 'for (const call of commit.answered) engine',
      becomes: 'for (const call of commit.answered.slice(1_000_000)) engine',
    },
    {
      file: 'supervisor/src/runs/taken-up.ts',
      piece: "pending?.kind !== 'call' || pending.state === 'unknown' || run.queue.hasReply(result.id)",
      becomes: 'run.queue.hasReply(result.id)',
    },
    {
      file: 'supervisor/src/runs/queue.ts',
      piece: '(inbox === undefined ? pending.has(id) :',
      becomes: '(inbox === undefined ? id > 0 :',
    },
  ],
  /** A call that a breaker keeps back is reported as not sent, even if an earlier host may have sent it. */
  'deny-having-left': [
    { file: 'broker/src/dispatch/dispatcher.ts', piece: 'if (call.leftBefore !== true) return', becomes: 'if (Date.now() > 0) return' },
  ],
  /** A call with a kept answer is treated as if it had none. */
  'doubt-answer': [{ file: 'supervisor/src/runs/taken-up.ts', piece: '    if (run.queue.hasReply(pending.id)) continue;\n', becomes: '' }],
  /** A run is parked even if it has new deliveries or another owner. */
  'park-blindly': [
    {
      file: 'store/src/sqlite/rows-runs.ts',
      piece: 'WHERE id = ? AND epoch = ? AND inbox_seq = ? AND parked = 0',
      becomes: 'WHERE id = ? AND ? IS NOT NULL AND ? IS NOT NULL AND parked = 0',
    },
  ],
  /** Runs of earlier hosts end when cells do not start for a while. */
  'end-unstarted': [
    {
      file: 'supervisor/src/supervisor.ts',
      piece: 'runtime.fail(error);',
      becomes: `runtime.fail(error);
      for (const run of this.#host.runs.values())
        if (run.outcome === undefined && run.began === undefined)
          this.#host.lifecycle.endSoon(run, { kind: 'never_started', code: error.code, message: error.message }, false);`,
    },
  ],
  /** Opening a handle does not raise the label. */
  'open-unseen': [
    {
      file: 'policy/src/flow/run.ts',
      piece: 'this.raise(label);\n    const { untrusted_input, private_data } = label.sticky;',
      becomes: 'const { untrusted_input, private_data } = label.sticky;',
    },
  ],
  /** A child starts with a clean label, regardless of its parent's. */
  'clean-child': [{ file: 'broker/src/effects/spawn.ts', piece: '    ...labelOf(ledger),\n    bundle:', becomes: '    bundle:' }],
  /** A reply carries no label. */
  'clean-reply': [
    { file: 'broker/src/ledger/requests.ts', piece: 'depth: ledger.depth + 1, ...labelOf(ledger) }', becomes: 'depth: ledger.depth + 1 }' },
  ],
  /** A tool's error message is treated as the host's own text. */
  'clean-error': [
    { file: 'broker/src/policies/flow.ts', piece: "['CORRAL_TOOL_FAILED', 'CORRAL_UNKNOWN_RESULT', 'CORRAL_STREAM_LOST']", becomes: '[]' },
  ],
  /** Some inbox items stay in the inbox after their crank. */
  'deliver-again': [
    {
      file: 'store/src/core/apply.ts',
      piece: 'if (commit.consumed !== undefined) engine',
      becomes: 'if (commit.consumed !== undefined && commit.consumed % 3 !== 0) engine',
    },
  ],
  /** A parent gets no end of a child that was killed. */
  'untold-child': [
    {
      file: 'broker/src/commit/commits.ts',
      piece: 'if (parent === undefined) return [];',
      becomes: "if (parent === undefined || outcome.kind === 'killed') return [];",
    },
  ],
  /** The children of a run that ends go on. */
  'children-live-on': [
    {
      file: 'supervisor/src/runs/lifecycle.ts',
      piece: "if (pending.kind === 'child') this.#options.transitions.lifecycle.onOrphaned.emit(pending.run);",
      becomes: ';',
    },
  ],
  /** A host takes over a run without a new epoch. */
  'same-epoch': [
    { file: 'store/src/sqlite/rows-runs.ts', piece: 'SET epoch = epoch + 1, lifecycle', becomes: 'SET epoch = epoch + 0, lifecycle' },
  ],
  /** Calls that a run made before it ended are still sent. */
  'leave-after-end': [
    {
      file: 'broker/src/commit/commits.ts',
      piece: 'if (run.outcome !== undefined) return;\n    if (this.#options.closed()) return;',
      becomes: 'if (this.#options.closed()) return;',
    },
  ],
  /** After a restart, every call is made again. */
  'repeat-all': [
    {
      file: 'supervisor/src/runs/taken-up.ts',
      piece: 'return called !== undefined && mayRepeat(annotationsOf(called, input));',
      becomes: 'return called !== undefined && input !== called;',
    },
  ],
  /** Messages that were delivered and not read are lost at a checkpoint. */
  'lose-unread': [
    {
      file: 'supervisor/src/runs/start.ts',
      piece: '...(unread.length === 0 ? {} : { unread })',
      becomes: '...(unread.length === 0 ? {} : {})',
    },
  ],
  /** A host keeps the policies with which it started. */
  'old-policies': [
    {
      file: 'supervisor/src/governance/tenant-policies.ts',
      piece: 'const before = new Map(this.#held);',
      becomes: 'if (this.#held.size > 0) return; const before = new Map(this.#held);',
    },
  ],
  /** A run that waits only for a reply counts as stalled. */
  'stalled-too-soon': [
    {
      file: 'supervisor/src/runs/idle.ts',
      piece: 'run.ledger.pending.size === 0 &&\n',
      becomes: "[...run.ledger.pending.values()].every((one) => one.kind === 'request') &&\n",
    },
  ],
  /** Timers of runs in memory fire seconds late. */
  'late-timers': [
    {
      file: 'supervisor/src/runs/clocks.ts',
      piece: 'Math.max(0, due - clock.now()), () => this.#isDue(run, id, due)',
      becomes: 'Math.max(0, due - clock.now()) + 8_000, () => this.#isDue(run, id, due)',
    },
  ],
  /** A timer does not wake its parked run. */
  'sleep-for-ever': [
    {
      file: 'store/src/sqlite/queries.ts',
      piece: "WHERE due <= ?1 AND parked = 1 AND still = 0 AND control = 'none'",
      becomes: "WHERE due <= ?1 AND parked = 2 AND still = 0 AND control = 'none'",
    },
  ],
  /** There is no sweep, so a lost wake-up hint is never made up for. */
  'no-sweep': [{ file: 'supervisor/src/runs/residency.ts', piece: 'await this.#fill();\n      await this.#lookBehind();', becomes: '' }],
  /** The sweep finds due timers and queued runs, but not messages in inboxes. */
  'sweep-trusts-hints': [
    { file: 'store/src/sqlite/queries.ts', piece: 'WHERE inbox.seq > 0 AND parked = 1', becomes: 'WHERE inbox.seq > 0 AND parked = 2' },
  ],
  /** Deliveries that came for a run while it was being revived are not looked for. */
  'no-second-look': [
    {
      file: 'supervisor/src/runs/revival.ts',
      piece: 'if (await this.refresh(run)) this.#events.onCaughtUp(run);',
      becomes: 'this.#events.onCaughtUp(run);',
    },
  ],
  /** Idle runs keep their places in memory while others need them. */
  'idle-keep-places': [{ file: 'supervisor/src/runs/residency.ts', piece: 'await this.#lookBehind();', becomes: '' }],
  /** A run that has left memory still gets a delivery, and makes another crank. */
  'crank-after-parking': [
    {
      file: 'supervisor/src/runs/parking.ts',
      piece: '    if (!parked) {\n      run.stay();',
      becomes: '    run.stay();\n    if (!parked) {',
    },
    { file: 'supervisor/src/runs/revival.ts', piece: '() => runs.get(run.id) === run;', becomes: '() => true;' },
  ],
  /** Readings from outside the journal change the ledger. */
  'write-beside-journal': [{ file: 'supervisor/src/detection/loops.ts', piece: 'memory.readings += 1;', becomes: 'loops.position += 1;' }],
  /** The length of entries counts only for live cranks, and not when the journal is read back. */
  'count-lived-only': [
    {
      file: 'broker/src/ledger/ledger.ts',
      piece: 'this.journalBytes += length;',
      becomes: 'this.journalBytes += this.wall.runs ? length : 0;',
    },
  ],
  /** After cells failed to start in a row, the next attempt comes only after minutes. */
  'rest-for-minutes': [
    { file: 'supervisor/src/cells/pool.ts', piece: 'const RETRY_MS = 1_000;', becomes: 'const RETRY_MS = 120_000;' },
    { file: 'supervisor/src/cells/pool.ts', piece: 'const RETRY_LONGEST_MS = 5_000;', becomes: 'const RETRY_LONGEST_MS = 240_000;' },
  ],
  ...FLEET_BUGS,
};

/** Bugs that show in fewer than one of 500 worlds. To find one: `npm run sim -- --minutes N --mutation NAME`. */
export const RARE: ReadonlySet<string> = new Set([
  'fire-decided',
  'idle-keep-places',
  'retry-under-quarantine',
  'lose-unread',
  'leave-after-end',
  'approve-by-old-policies',
  'crank-after-parking',
  'park-while-asked',
  'lift-resumes-paused',
  'quarantine-before-pause',
  'stream-to-nobody',
  'chunk-of-unknown',
  'bring-back-late',
]);
