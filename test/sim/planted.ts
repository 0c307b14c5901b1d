/** The planted bugs by name: each replaces a piece of a file. Applied by mutations.ts. */
import { type Edit, FLEET_BUGS } from './planted-fleet.ts';
import { SLICE_BUGS } from './planted-slices.ts';

export const MUTATIONS: Readonly<Record<string, readonly Edit[]>> = {
  ...SLICE_BUGS,
  /** Calls are sent before their crank is durable. */
  'skip-embargo': [
    {
      file: 'broker/src/broker.ts',
      piece: 'if (!call.early || neverLeft(pending) !== undefined) continue;',
      becomes: 'if (neverLeft(pending) !== undefined) continue;',
    },
  ],
  /** The amount that a payment moves is not reserved in the purse. */
  'pay-for-nothing': [{ file: 'broker/src/accounts/price.ts', piece: '* attempts + moves;', becomes: '* attempts;' }],
  /** The store accepts appends of a stale owner. */
  'ignore-epoch': [{ file: 'store/src/sqlite/core.ts', piece: 'standing.epoch !== epoch || ', becomes: '' }],
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
      piece: 'ledger.apply(entry, { checkpoint });\n    lastAt',
      becomes: `ledger.apply({ ...entry, decisions: entry.decisions.map((decision) => {
      const spent = chain.some(({ id, uses, used }) => id === decision.grant && uses !== undefined && used >= uses);
      if (decision.due !== undefined) return { ...decision, due: clock.now() + decision.due - entry.at };
      return spent ? { id: decision.id, verdict: 'deny' as const, code: 'CORRAL_GRANT_SPENT' as const, message: 'spent' } : decision;
    }) }, { checkpoint });
    lastAt`,
    },
  ],
  /** A call that needs several approvals is made after the first one. */
  'one-is-enough': [
    { file: 'broker/src/ledger/take-event.ts', piece: 'if (everybody.length < quorum)', becomes: 'if (everybody.length < 1)' },
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
      file: 'broker/src/broker.ts',
      piece: "if (pending?.kind !== 'call' || !this.#powers.grants.isRevoked(pending.grant)) return false;",
      becomes: "if (pending?.kind !== 'call' || Date.now() > 0) return false;",
    },
  ],
  /** The sender of a request gets no answer when the receiver ends. */
  'forget-requests': [
    {
      file: 'store/src/sqlite/post.ts',
      piece: 'of this.#requests.close(run, n))',
      becomes: 'of this.#requests.close(run, n).slice(1_000_000))',
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
  /** Time in which people are asked counts as the run's own. */
  'asking-is-wall': [
    {
      file: 'broker/src/ledger/ledger.ts',
      piece: "return waiting === 'approval' || waiting === 'resolution' || waiting === 'upgrade';",
      becomes: "return waiting === 'upgrade';",
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
      file: 'store/src/sqlite/core.ts',
      piece: 'for (const id of commit.answered ?? []) this.#run(',
      becomes: 'for (const id of (commit.answered ?? []).slice(1_000_000)) this.#run(',
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
  /** Reservations in the accounts remain when their run ends. */
  'keep-reserved': [
    { file: 'broker/src/broker.ts', piece: 'if (ending) closeTally(', becomes: 'if (ending && Date.now() < 0) closeTally(' },
  ],
  /** Accounts record reservations, but not what was spent. */
  'spend-nothing': [
    { file: 'broker/src/accounts/tally.ts', piece: 'this.#add(day, spent, {}, 1);', becomes: 'this.#add(day, {}, {}, 1);' },
  ],
  /** A call that is approved on a later day is paid for on the day of the request. */
  'approve-on-old-day': [
    {
      file: 'supervisor/src/control/resolution.ts',
      piece: 'return day === undefined || day === call.day ? {} : { day };',
      becomes: 'return Date.now() < 0 && day !== undefined ? { day } : {};',
    },
  ],
  /** An approval does not check whether the accounts of its day can pay for the call. */
  'approve-unpaid': [
    { file: 'supervisor/src/control/resolution.ts', piece: 'accounts.mustPay(ledger, call.reserved, now, call.day);', becomes: '' },
  ],
  /** A payment of unknown result that is made again reserves nothing more in the purse. */
  'retry-for-nothing': [{ file: 'broker/src/accounts/spending.ts', piece: '(amount > 0 ? [[name', becomes: '(amount < 0 ? [[name' }],
  /** A call that its run has given up is made once people approve it. */
  'approve-given-up': [
    {
      file: 'broker/src/dispatch/given-up.ts',
      piece: "else if (pending?.kind === 'approval')\n    withdraw(ledger, pending, givenUp(id",
      becomes: "else if (pending?.kind === 'approval' && pending.quorum > 99)\n    withdraw(ledger, pending, givenUp(id",
    },
    {
      file: 'broker/src/effects/decide.ts',
      piece: 'callOffApproval(batch, effect.id);\n          break;',
      becomes: 'break;',
    },
  ],
  /** A run is parked even if it has new deliveries or another owner. */
  'park-blindly': [
    {
      file: 'store/src/sqlite/claims.ts',
      piece: 'WHERE id = ? AND epoch = ? AND inbox_seq = ? AND parked = 0',
      becomes: 'WHERE id = ? AND ? IS NOT NULL AND ? IS NOT NULL AND parked = 0',
    },
  ],
  /** The receipt of a kill comes before all descendants have ended. */
  'early-receipt': [
    {
      file: 'supervisor/src/control/control.ts',
      piece: 'await endDescendants({ ...this.#options, control: this }, id, (child) => this.kill(child, by, reason));',
      becomes: '',
    },
    {
      file: 'supervisor/src/control/control.ts',
      piece: 'const ended = await Promise.all(receipts);',
      becomes: 'const ended: (Receipt | undefined)[] = [];',
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
  'clean-error': [{ file: 'broker/src/policies/flow.ts', piece: "['CORRAL_TOOL_FAILED', 'CORRAL_UNKNOWN_RESULT']", becomes: '[]' }],
  /** The check of a purse ignores reserved and spent amounts. */
  'spend-freely': [
    {
      file: 'policy/src/capability/purse.ts',
      piece: 'if ((amounts[name] ?? 0) > this.left(name)) return name;',
      becomes: 'if ((amounts[name] ?? 0) > this.granted[name]) return name;',
    },
  ],
  /** A grant can be used once more than its limit. */
  'one-more-use': [{ file: 'policy/src/capability/grants.ts', piece: 'node.used >= grant.uses', becomes: 'node.used > grant.uses' }],
  /** Some inbox items stay in the inbox after their crank. */
  'deliver-again': [
    {
      file: 'store/src/sqlite/core.ts',
      piece: 'if (commit.consumed !== undefined) this.#run(',
      becomes: 'if (commit.consumed !== undefined && commit.consumed % 3 !== 0) this.#run(',
    },
  ],
  /** A parent gets no end of a child that was killed. */
  'untold-child': [
    {
      file: 'broker/src/broker.ts',
      piece: 'if (ending && record.parent !== undefined) {',
      becomes: "if (ending && record.parent !== undefined && outcome.kind !== 'killed') {",
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
  /** A host takes over a run without a new epoch. */
  'same-epoch': [
    { file: 'store/src/sqlite/claims.ts', piece: 'SET epoch = epoch + 1, lifecycle', becomes: 'SET epoch = epoch + 0, lifecycle' },
  ],
  /** Calls that a run made before it ended are still sent. */
  'leave-after-end': [
    {
      file: 'broker/src/broker.ts',
      piece: 'if (run.outcome !== undefined) return;\n    if (this.#closed) return;',
      becomes: 'if (this.#closed) return;',
    },
  ],
  /** After a restart, every call is made again. */
  'repeat-all': [
    {
      file: 'supervisor/src/runs/taken-up.ts',
      piece: 'if (called !== undefined && mayRepeat(called.annotations)) broker.again',
      becomes: 'if (called !== undefined) broker.again',
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
  /** An approved call is made even if the policies now deny it. */
  'approve-by-old-policies': [
    {
      file: 'broker/src/policies/approved.ts',
      piece: "if (verdict.decision === 'deny') return `the policies refuse it now",
      becomes: 'if (Date.now() < 0) return `',
    },
    { file: 'broker/src/policies/approved.ts', piece: 'if ((verdict.quorum ?? 1) > quorum || ', becomes: 'if (' },
  ],
  /** A run that waits only for a reply counts as stalled. */
  'stalled-too-soon': [
    {
      file: 'supervisor/src/runs/lifecycle.ts',
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
  /** Idle runs keep their places in memory while others need them. */
  'idle-keep-places': [{ file: 'supervisor/src/runs/residency.ts', piece: 'await this.#lookBehind();', becomes: '' }],
  /** A call is attempted again although its tool was put under quarantine. */
  'retry-under-quarantine': [
    {
      file: 'broker/src/dispatch/dispatcher.ts',
      piece: 'if (this.#heldFor(record.tenant, call.tool.name) !== undefined) tell();\n      else if',
      becomes: 'if',
    },
  ],
  /** A run that has left memory still gets a delivery, and makes another crank. */
  'crank-after-parking': [
    {
      file: 'supervisor/src/runs/residency.ts',
      piece: '    if (!parked) {\n      run.stay();',
      becomes: '    run.stay();\n    if (!parked) {',
    },
    { file: 'supervisor/src/runs/revival.ts', piece: 'if (runs.get(run.id) !== run) return false;', becomes: '' },
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
  /** A run is parked while its pause is not in the journal yet. */
  'park-while-asked': [
    { file: 'supervisor/src/control/control.ts', piece: 'const letGo = run.keep();', becomes: 'const letGo = () => undefined;' },
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
  /** After cells failed to start in a row, the next attempt comes only after minutes. */
  'rest-for-minutes': [
    { file: 'supervisor/src/cells/pool.ts', piece: 'const RETRY_MS = 1_000;', becomes: 'const RETRY_MS = 120_000;' },
    { file: 'supervisor/src/cells/pool.ts', piece: 'const RETRY_LONGEST_MS = 5_000;', becomes: 'const RETRY_LONGEST_MS = 240_000;' },
  ],
  /** A stop that follows from a denial is only in the host's memory, and lost if the host dies. */
  'stop-in-memory': [
    {
      file: 'broker/src/commit/entry.ts',
      piece: 'ledger.checkpointing === undefined) return stop?.event;',
      becomes: 'ledger.checkpointing === undefined) return undefined;',
    },
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
]);
