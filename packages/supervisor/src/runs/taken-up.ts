/**
 * Continues the calls of a run that comes back from the store: calls that were answered get their answers, calls that may be repeated are
 * made again, and the results of the others are unknown.
 */
import type { Broker } from '@corral/broker/broker';
import type { PendingApproval } from '@corral/broker/ledger/pending';
import { hasBegun } from '@corral/broker/ledger/streams';
import type { Grants } from '@corral/policy/capability/grants';
import type { RunId, TenantId } from '@corral/protocol/ids';
import type { Store } from '@corral/protocol/ports/store';
import { annotationsOf, mayRepeat, type Tool } from '@corral/protocol/ports/tool';
import { kept } from '../control/revocation.ts';
import { arrivedAt } from './arrived.ts';
import type { Run } from './run.ts';
import type { Settlements } from './settlements.ts';
import type { Transitions } from '../events/transitions.ts';

interface TakenUpDeps {
  readonly store: Store;
  readonly broker: Broker;
  readonly grants: Grants;
  readonly runs: ReadonlyMap<RunId, Run>;
  readonly settlements: Settlements;
  readonly tool: (tenant: TenantId, name: string) => Tool | undefined;
  readonly transitions: Transitions;
}

/**
 * Delivers the answers of calls that no crank has got yet, from the store or from this host's memory. Also answers messages that could not
 * be delivered, if the last host ended before that was in the sender's journal.
 */
export function giveAnswers(deps: TakenUpDeps, run: Run): void {
  const { answers } = deps.broker;
  for (const result of answers.found(run, run.kept)) {
    if (isSent(run, result.id)) {
      deps.broker.bounce(run, result);
      const told = run.ledger.pending.get(result.id);
      if (told?.kind === 'decided') run.queue.add(told.delivery);
      continue;
    }
    const pending = run.ledger.pending.get(result.id);
    if (pending?.kind !== 'call' || pending.state === 'unknown' || run.queue.hasReply(result.id)) {
      answers.settled(run.id, [result.id]);
      continue;
    }
    const looked = deps.broker.inspectAnswer(run, result);
    if (looked instanceof Promise) {
      void looked.then((told) => told && deps.transitions.bus.answered.emit(run.id, told, false));
      if (!run.kept.includes(result)) answers.hold(run, result);
      continue;
    }
    const delivery = kept(deps, run, { kind: 'reply', results: [looked] });
    if (delivery === undefined) continue;
    run.queue.add(delivery);
    if (!run.kept.includes(result)) answers.hold(run, result);
  }
}

const isSent = ({ ledger }: Run, id: number): boolean => {
  const pending = ledger.pending.get(id);
  return pending?.kind === 'decided' && pending.sent === true;
};

/** Asks the inspectors for which calls wait, and repeats the calls that have no answer and are not under way, if their tool may be repeated; the results of the others are unknown. */
export function askAgain({ broker, settlements, tool }: TakenUpDeps, run: Run): void {
  const repeats = ({ tool: name, input }: PendingApproval['call']) => {
    const called = tool(run.tenant, name);
    return called !== undefined && mayRepeat(annotationsOf(called, input));
  };
  for (const pending of run.ledger.pending.values()) {
    if (pending.kind === 'inspection') broker.inspect(run, pending.id);
    if (pending.kind === 'approval') settlements.inputAgain(run, pending.id, repeats(pending.call));
    if (pending.kind !== 'call' || pending.state === 'unknown' || broker.isUnderway(run.id, pending.id)) continue;
    if (run.queue.hasReply(pending.id)) continue;
    // The call was inherited by a fork and not yet checked for it: the fork is of an older host, or the retry was decided without a host.
    const leaves = pending.given_up !== true && !broker.isRevoked(pending.grant);
    const against = pending.inherited === undefined || !leaves || hasBegun(pending) ? undefined : broker.mayCallHere(run, pending);
    if (against !== undefined)
      settlements.unknown(run, pending.id, `The call was allowed to the run that this one was forked from: ${against}.`);
    else if (repeats(pending)) broker.again(run.ledger, pending);
    else settlements.unknown(run, pending.id, `Corral stopped while ${pending.tool} was at work.`);
  }
}

/**
 * Holds a run that was restored from a backup, since it could do a second time what it did after the backup, unless all its tools may be
 * repeated.
 */
export function holdRestored({ grants, store, broker, tool, transitions }: TakenUpDeps, run: Run): void {
  run.lookedAt();
  const harmless = [...run.ledger.caps.values()].every((id) => {
    const target = grants.get(id)?.target;
    if (target?.kind !== 'tool') return true;
    const called = tool(run.tenant, target.tool);
    return called !== undefined && mayRepeat(called.annotations);
  });
  const settled = async () => {
    if (!harmless && run.ledger.held === undefined) {
      const detail = 'It comes from a backup: what it did after the backup is not known, and it might do that again.';
      transitions.observers.tell({ kind: 'held', run: run.id, why: 'restored', detail });
      await broker.record(run, { kind: 'held', why: 'restored', detail });
    }
    await store.release(run.id);
  };
  // If the store refuses it now, the run is still marked as restored, and is held when it comes back the next time.
  settled().catch(() => undefined);
}

/**
 * Stores the answers that no crank has got yet, when a host stops or drops a run; also those of calls that could be repeated, because they were paid for.
 */
export function keepAnswers({ answers }: Broker, runs: Iterable<Run>): void {
  for (const run of runs) {
    if (run.outcome !== undefined) continue;
    // A crank that is not decided when the host stops is run again with the same delivery.
    for (const result of arrivedAt(run)) if (!answers.has(run.id, result.id)) answers.hold(run, result);
  }
}
