/**
 * What becomes of the calls of a run that comes back from the store: those that were answered are given their answers, those that may
 * be repeated are made again, and of the others nobody knows.
 */
import type { Broker } from '@corral/broker/broker';
import type { Grants } from '@corral/policy/capability/grants';
import type { RunId, TenantId } from '@corral/protocol/ids';
import type { Store } from '@corral/protocol/ports/store';
import { mayRepeat, type Tool } from '@corral/protocol/ports/tool';
import { kept } from '../control/revocation.ts';
import type { Run } from './run.ts';
import type { Settlements } from './settlements.ts';
import type { Transitions } from '../events/transitions.ts';

interface Powers {
  readonly store: Store;
  readonly broker: Broker;
  readonly grants: Grants;
  readonly runs: ReadonlyMap<RunId, Run>;
  readonly settlements: Settlements;
  readonly tool: (tenant: TenantId, name: string) => Tool | undefined;
  readonly transitions: Transitions;
}

/**
 * Calls whose answers no crank was given are given them now: what the store kept of them, or this host still knows. So are messages that
 * reached nobody, where the last host ended before their sender's journal had that.
 */
export function giveAnswers(powers: Powers, run: Run): void {
  const { answers } = powers.broker;
  for (const result of answers.found(run, run.kept)) {
    if (isSent(run, result.id)) {
      powers.broker.bounce(run, result);
      const told = run.ledger.pending.get(result.id);
      if (told?.kind === 'decided') run.queue.add(told.delivery);
      continue;
    }
    const pending = run.ledger.pending.get(result.id);
    if (pending?.kind !== 'call' || pending.state === 'unknown' || run.queue.hasReply(result.id)) {
      answers.settled(run.id, [result.id]);
      continue;
    }
    const delivery = kept(powers, run, { kind: 'reply', results: [result] });
    if (delivery === undefined) continue;
    run.queue.add(delivery);
    if (!run.kept.includes(result)) answers.hold(run, result);
  }
}

const isSent = ({ ledger }: Run, id: number): boolean => {
  const pending = ledger.pending.get(id);
  return pending?.kind === 'decided' && pending.sent === true;
};

/** Calls that no tool is at work on are made again where that does no harm; of the others nobody knows whether they were done. */
export function askAgain({ broker, settlements, tool }: Powers, run: Run): void {
  for (const pending of run.ledger.pending.values()) {
    if (pending.kind !== 'call' || pending.state === 'unknown' || broker.isUnderway(run.id, pending.id)) continue;
    if (run.queue.hasReply(pending.id)) continue;
    const called = tool(run.tenant, pending.tool);
    // A fork of an older host, or one whose call was to be made again where nobody could ask the policies of a host.
    const leaves = pending.given_up !== true && !broker.isRevoked(pending.grant);
    const against = pending.inherited === undefined || !leaves ? undefined : broker.mayCallHere(run, pending);
    if (against !== undefined)
      settlements.unknown(run, pending.id, `The call was allowed to the run that this one was forked from: ${against}.`);
    else if (called !== undefined && mayRepeat(called.annotations)) broker.again(run.ledger, pending);
    else settlements.unknown(run, pending.id, `Corral stopped while ${pending.tool} was at work.`);
  }
}

/** A run from a backup may do again what it did after that was made, unless all it can do may be repeated. */
export function holdRestored({ grants, store, broker, tool, transitions }: Powers, run: Run): void {
  run.lookedAt();
  const harmless = [...run.ledger.caps.values()].every((id) => {
    const target = grants.get(id)?.target;
    if (target?.kind !== 'tool') return true;
    const called = tool(run.tenant, target.tool);
    return called !== undefined && mayRepeat(called.annotations);
  });
  const settled = async () => {
    if (!harmless && run.ledger.held === undefined) {
      const detail = 'It comes from a backup: what it did after that was made is not known, and it might do it again.';
      transitions.observers.tell({ kind: 'held', run: run.id, why: 'restored', detail });
      await broker.record(run, { kind: 'held', why: 'restored', detail });
    }
    await store.release(run.id);
  };
  // If the store refuses that now, the run is still marked, and held when it is taken up again.
  settled().catch(() => undefined);
}

/** A host that stops keeps the answers that no crank was given, also of calls that could be made again: they were paid for. */
export function keepAnswers({ answers }: Broker, runs: Iterable<Run>): void {
  for (const run of runs) {
    if (run.outcome !== undefined) continue;
    for (const { delivery, inbox } of [...run.queue, ...(run.onCpu === undefined ? [] : [run.onCpu])]) {
      if (inbox !== undefined || delivery.kind !== 'reply') continue;
      for (const result of delivery.results)
        if (run.ledger.pending.get(result.id)?.kind === 'call' && !answers.has(run.id, result.id)) answers.hold(run, result);
    }
  }
}
