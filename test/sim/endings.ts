/** Checks that no run ends without a real reason, and that none waits for something that will never come. */
import type { Outcome } from '@corral/protocol/model/outcome';
import type { Commit } from '@corral/protocol/ports/store';
import { amountGiven } from './authority.ts';
import type { Book } from './book.ts';
import type { Known } from './known.ts';

/** Checks that a run has a real reason for its outcome. */
export function judgeEnd(book: Book, known: Known, outcome: Outcome, commit: Commit): void {
  known.outcome = outcome;
  known.endedAt = book.now();
  const run = known.record.id;
  const { finished } = known;
  const last = commit.entry.effects !== undefined;
  const excuses = book.excused.get(run);
  const text = JSON.stringify(outcome);
  const must = (holds: boolean) => book.must(holds, () => `8: ${run} ended as ${text}, and there was no reason for it`);
  switch (outcome.kind) {
    case 'completed':
      return must(
        last &&
          finished !== undefined &&
          finished.error === undefined &&
          JSON.stringify(finished.output) === JSON.stringify(outcome.output),
      );
    case 'cancelled':
      // Cancelled by an operator, itself or with an ancestor.
      return must(book.lineage(known).some((one) => book.cancelAsked.has(one.record.id)));
    case 'killed': {
      // Killed by an operator, itself or with an ancestor.
      for (const one of book.lineage(known)) {
        if (outcome.by === 'sim' && book.killAsked.has(one.record.id)) return;
        if (one !== known && outcome.by === `run:${one.record.id}`) return must(one.outcome !== undefined);
      }
      return must(false);
    }
    case 'exceeded': {
      if (outcome.limit === 'wall') {
        const used = known.wall.used(known, commit.entry.at);
        return book.must(
          known.began !== undefined && used >= known.record.ceilings.wall_ms - 5 && known.control === 'none',
          () => `9: ${run} ended for its wall time of ${known.record.ceilings.wall_ms} ms after ${used} ms`,
        );
      }
      if (outcome.limit === 'cpu_total') return must(amountGiven(book, known, 'cpu_ms') >= known.record.budget.cpu_ms);
      if (outcome.limit === 'stack') return must(book.deaths >= 3);
      if (outcome.limit === 'memory') return must(excuses?.has('memory') === true);
      if (outcome.limit === 'cpu' || outcome.limit === 'crank_wall')
        return must(excuses?.has('cpu') === true || excuses?.has('timeout') === true);
      return must(last && finished?.error !== undefined);
    }
    case 'failed':
      if (outcome.code === 'CORRAL_CELL_PROTOCOL') return must(book.blamed.has(run));
      // A run is ended only after several deaths of cells, since any process may be killed once.
      if (outcome.code === 'CORRAL_CELL_CRASHED') return must(book.deaths >= 3);
      if (outcome.code === 'CORRAL_UNHANDLED_REJECTION') return must(excuses?.has('rejected') === true);
      if (outcome.code === 'CORRAL_BUNDLE_INVALID') return must(excuses?.has('load') === true);
      if (outcome.code === 'CORRAL_STALLED') return stalled(book, known, commit);
      return must(last && finished?.error !== undefined);
    default:
      return must(false);
  }
}

/** Checks that nothing was on its way to a run that ended as stalled. */
function stalled(book: Book, known: Known, commit: Commit): void {
  const run = known.record.id;
  const calls = [...known.calls.values()].filter(({ answered, decision }) => !answered && decision.verdict !== 'deny').length;
  const children = [...known.children.values()].filter(({ told }) => !told).length;
  const open = calls + children + known.sends.size + known.asks.size;
  const waiting = [...book.sent].filter(([name, to]) => to === run && !known.given.has(name)).length;
  book.must(
    open === 0 && waiting === 0,
    () => `7: ${run} ended as stalled at entry ${commit.entry.seq} with ${open} effects open and ${waiting} messages waiting`,
  );
}

/** The thing that a living run waits for although it will never come; undefined if what it waits for can still come. */
export function lostWake(book: Book, known: Known): string | undefined {
  const run = known.record.id;
  const stored = book.core.run(run);
  if (stored === undefined) return 'it is not in the store';
  // A quarantined run stays stopped until a person has looked at it.
  if (book.quarantined.has(run)) return undefined;
  // People resume it in vain: it is paused again at once.
  if (stored.status.control === 'paused' && known.deadlocked && isStuck(book, known)) return undefined;
  if (stored.status.control !== 'none') return `it is ${stored.status.control}`;
  const [item] = book.core.inbox(run);
  if (item !== undefined) return `a ${item.delivery.kind} waits in its inbox as number ${item.seq}`;
  if (known.seq === 0) return 'it never began';
  for (const [id, call] of known.calls)
    if (!call.answered) return `call ${id} to ${call.decision.tool ?? 'a tool that denied it'} was never answered`;
  for (const id of known.sends.keys()) return `send ${id} was never acknowledged`;
  for (const [id, { peer }] of known.asks) {
    if (book.runs.get(peer)?.outcome !== undefined) return `request ${id} was never answered, and ${peer} has ended`;
    if (book.runs.get(peer)?.replied.has(`${run}:${id}`) === true) return `request ${id} was never answered, and ${peer} replied`;
  }
  for (const { run: child, told } of known.children.values())
    if (!told && book.runs.get(child)?.outcome !== undefined) return `it was never told that child ${child} has ended`;
  const children = [...known.children.values()].filter(({ told }) => !told);
  if (children.length > 0 || known.asks.size > 0) return undefined;
  if (known.record.service !== undefined && stored.status.waiting === 'message') return undefined;
  if (stored.status.waiting === 'message') {
    const mailbox = known.record.caps.find(({ cap }) => cap === 0)?.grant;
    return mailbox !== undefined && book.core.isShared(mailbox) ? undefined : 'it listens, and nobody is left who could write';
  }
  for (const [id, { due, over }] of known.timers)
    if (!over && due < book.now() - 5_000) return `timer ${id} was due ${book.now() - due} ms ago`;
  return stored.status.waiting === 'timer' ? undefined : `it waits on ${stored.status.waiting}`;
}

/** Whether the run, and each run for whose reply or end it waits, waits for nothing but others of them, or for a message. */
function isStuck(book: Book, known: Known, seen = new Set<string>()): boolean {
  seen.add(known.record.id);
  const isBusy = [...known.calls.values()].some(({ answered }) => !answered) || [...known.timers.values()].some(({ over }) => !over);
  if (known.outcome !== undefined || isBusy || known.sends.size > 0) return false;
  const children = [...known.children.values()].flatMap(({ told, run }) => (told ? [] : [run]));
  const on = [...[...known.asks.values()].map(({ peer }) => peer), ...children];
  if (on.length === 0) return book.core.run(known.record.id)?.status.waiting === 'message';
  return on.every((other) => {
    const its = book.runs.get(other);
    return seen.has(other) || (its !== undefined && isStuck(book, its, seen));
  });
}

/** Counts how runs have ended. */
export function endsOf(runs: Iterable<Known>): ReadonlyMap<string, number> {
  const ends = new Map<string, number>();
  for (const { outcome } of runs) {
    const kind =
      outcome === undefined
        ? 'waiting'
        : outcome.kind === 'failed'
          ? outcome.code
          : outcome.kind === 'exceeded'
            ? `exceeded ${outcome.limit}`
            : outcome.kind;
    ends.set(kind, (ends.get(kind) ?? 0) + 1);
  }
  return ends;
}
