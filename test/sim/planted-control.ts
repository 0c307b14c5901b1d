/** Planted bugs of what people do to runs: approvals, pauses, cancels, kills, and quarantines. */
import type { Edit } from './planted-fleet.ts';

export const CONTROL_BUGS: Readonly<Record<string, readonly Edit[]>> = {
  /** A call that needs several approvals is made after the first one. */
  'one-is-enough': [
    { file: 'broker/src/ledger/take-event.ts', piece: 'if (everybody.length < quorum)', becomes: 'if (everybody.length < 1)' },
  ],
  /** An answer to a question that it does not take is recorded. */
  'any-answer': [
    { file: 'supervisor/src/control/resolution.ts', piece: 'if (checked === undefined) return value;', becomes: 'return value;' },
  ],
  /** An agent is given another answer than the person gave. */
  'another-answer': [
    { file: 'broker/src/effects/question.ts', piece: 'const result = { id, value, ...', becomes: 'const result = { id, value: true, ...' },
  ],
  /** An answered question still expires. */
  'answer-expires': [
    {
      file: 'broker/src/broker.ts',
      piece: "event.kind === 'approval' && ledger.pending.get(event.id)?.kind !== 'approval'",
      becomes: "event.kind === 'approval' && event.answer === undefined && ledger.pending.get(event.id)?.kind !== 'approval'",
    },
  ],
  /** Time in which people are asked counts as the run's own. */
  'asking-is-wall': [
    {
      file: 'broker/src/ledger/ledger.ts',
      piece: "return waiting === 'approval' || waiting === 'resolution' || waiting === 'upgrade';",
      becomes: "return waiting === 'upgrade';",
    },
  ],
  /** A call that its run has given up is made once people approve it. */
  'approve-given-up': [
    {
      file: 'broker/src/dispatch/given-up.ts',
      piece: "else if (pending?.kind === 'approval' || pending",
      becomes: "else if ((pending?.kind === 'approval' && pending.quorum > 99) || pending",
    },
    {
      file: 'broker/src/effects/decide.ts',
      piece: 'callOffApproval(batch, effect.id);\n          break;',
      becomes: 'break;',
    },
  ],
  /** The receipt of a kill comes before all descendants have ended. */
  'early-receipt': [
    {
      file: 'supervisor/src/control/control.ts',
      piece: 'return endDescendants({ ...this.#options, control: this }, id, (child) => this.kill(child, by, reason));',
      becomes: 'return Promise.resolve();',
    },
    {
      file: 'supervisor/src/control/control.ts',
      piece: 'return (await Promise.all(receipts)).filter((receipt) => receipt !== undefined);',
      becomes: 'return [];',
    },
  ],
  /** Pausing a family stops only the children of the run, and not their descendants. */
  'pause-children-only': [
    {
      file: 'supervisor/src/control/families.ts',
      piece: '.filter((child) => !still.has(child));',
      becomes: `.filter((child) => !still.has(child));
      for (const child of [...left]) {
        if ((await store.run(child))?.record.parent?.run !== id) left.splice(left.indexOf(child), 1);
      }`,
    },
  ],
  /** Resuming a family resumes also the runs that were paused separately. */
  'resume-everything': [
    {
      file: 'supervisor/src/control/control.ts',
      piece: 'if (family !== undefined && run.ledger.family !== family)',
      becomes: 'if (Date.now() < 0)',
    },
  ],
  /** Runs that were parked under a quarantine stay stopped after it is lifted. */
  'lift-forgets-parked': [
    {
      file: 'supervisor/src/control/stops.ts',
      piece: 'const parked = await store.quarantined(after, LOOK_RUNS);',
      becomes: 'const parked: RunId[] = [];',
    },
    {
      file: 'supervisor/src/runs/lifecycle.ts',
      piece: 'if (stands === undefined) this.#options.transitions.lifecycle.onClear.emit(run);',
      becomes: '',
    },
  ],
  /** A run that is loaded into memory is not checked for a quarantine. */
  'wake-under-quarantine': [
    {
      file: 'supervisor/src/runs/lifecycle.ts',
      piece: "if (stands !== undefined && run.control === 'none')",
      becomes: 'if (Date.now() < 0)',
    },
  ],
  /** A run that is admitted or spawned is not checked for a quarantine of its agent. */
  'begin-under-quarantine': [
    {
      file: 'supervisor/src/runs/lifecycle.ts',
      piece: 'if (stands !== undefined) {\n      run.stop',
      becomes: 'if (Date.now() < 0) {\n      run.stop',
    },
    {
      file: 'supervisor/src/control/quarantine.ts',
      piece: 'const stands = this.against(run, version);',
      becomes: 'const stands = undefined as Quarantine | undefined;',
    },
  ],
  /** A tool under quarantine is still offered. */
  'tool-under-quarantine': [
    {
      file: 'supervisor/src/wiring.ts',
      piece: '(quarantined(tenant, name) ? undefined : offers.tool(tenant, name))',
      becomes: '(offers.tool(tenant, name))',
    },
    {
      file: 'broker/src/broker.ts',
      piece: 'this.#isQuarantined(tenant)(tool)',
      becomes: 'this.#isQuarantined(tenant)(tool) && Date.now() < 0',
    },
  ],
  /** Pausing a run does not stop the crank in progress. */
  'pause-between-only': [
    {
      file: 'supervisor/src/cells/scheduler.ts',
      piece: "if (run.control !== 'none' || this.#draining) {",
      becomes: 'if (this.#draining) {',
    },
    {
      file: 'supervisor/src/control/control.ts',
      piece: 'if (cell !== undefined && run.onCpu !== undefined && run.seat?.cell === cell) this.#freeze(run, cell);',
      becomes: '',
    },
  ],
  /** An approved call is made even if the policies now deny it. */
  'approve-by-old-policies': [
    {
      file: 'broker/src/policies/approved.ts',
      piece: "if (verdict.decision === 'deny') return `the policies refuse it now",
      becomes: 'if (Date.now() < 0) return `',
    },
    { file: 'broker/src/policies/approved.ts', piece: 'if ((verdict.quorum ?? 1) > quorum || ', becomes: 'if (' },
  ],
  /** The expiry of the first of two approvals ends the wait for both. */
  'first-ends-asking': [
    { file: 'broker/src/broker.ts', piece: "ledger.pending.get(event.id)?.kind !== 'approval')", becomes: 'Date.now() > 0)' },
  ],
  /** After people have decided, the expiry of their time is delivered to the agent as a timer. */
  'fire-decided': [
    {
      file: 'supervisor/src/runs/clocks.ts',
      piece: 'if (!isTimed(run.ledger.pending.get(id))) return;',
      becomes: '',
    },
  ],
  /** A call is attempted again although its tool was put under quarantine. */
  'retry-under-quarantine': [
    {
      file: 'broker/src/dispatch/dispatcher.ts',
      piece: 'if (this.#heldFor(record.tenant, call.tool.name) !== undefined) return tell();',
      becomes: '',
    },
  ],
  /** A run is parked while its pause is not in the journal yet. */
  'park-while-asked': [
    { file: 'supervisor/src/control/run-turns.ts', piece: 'const letGo = run.keep();', becomes: 'const letGo = () => undefined;' },
  ],
  /** Lifting a quarantine resumes a run that was paused in the meantime. */
  'lift-resumes-paused': [{ file: 'supervisor/src/control/stops.ts', piece: ', { quarantined: true })', becomes: ')' }],
  /** Each host gives a cancelled run its whole grace period. */
  'grace-anew': [{ file: 'supervisor/src/runs/grace.ts', piece: 'Math.max(0, grace_ms - used_ms)', becomes: 'grace_ms' }],
  /** The receipt of a quarantine does not wait for a run that is being paused. */
  'quarantine-before-pause': [
    {
      file: 'supervisor/src/control/stops.ts',
      piece: '.filter((run) => this.#concerns(run))',
      becomes: ".filter((run) => this.#concerns(run) && run.control === 'none')",
    },
  ],
  /** A run that waits for a message is looked at after its own cranks alone: it is never told that its last writer has ended. */
  'look-once': [
    {
      file: 'supervisor/src/runs/lifecycle.ts',
      piece: 'for (const owner of run.mailboxes) this.#stalled.left(owner);',
      becomes: '',
    },
    {
      file: 'supervisor/src/runs/stalled.ts',
      piece: "run.alarms.set('stalled', this.#options.clock.after(wait_ms, again));",
      becomes: 'void again;',
    },
    {
      file: 'supervisor/src/runs/residency.ts',
      piece: 'else if (isRead) this.#events.onCaughtUp(run);',
      becomes: 'else void isRead;',
    },
  ],
  /** A stop that follows from a denial is only in the host's memory, and lost if the host dies. */
  'stop-in-memory': [
    {
      file: 'broker/src/commit/entry.ts',
      piece: 'ledger.checkpointing === undefined) return stop?.event;',
      becomes: 'ledger.checkpointing === undefined) return undefined;',
    },
  ],
};
