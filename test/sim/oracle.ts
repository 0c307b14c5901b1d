/**
 * Checks in a simulated world what must hold always: effects follow their commit, replays agree, a run has one owner, a kill loses
 * nothing and is proved, pauses are real, budgets are conserved, and authority only shrinks. The oracle records what becomes durable,
 * from the writes as they take effect, and checks every effect, crank, receipt and outcome against its own record.
 */
import type { Delivery, Result } from '@corral/protocol/wire/delivery';
import { decisionOn, type Effect } from '@corral/protocol/wire/effect';
import type { Grant } from '@corral/protocol/model/grant';
import type { GrantId, RunId } from '@corral/protocol/ids';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { Receipt } from '@corral/protocol/model/receipt';
import type { RunRecord } from '@corral/protocol/model/run';
import { dayOf } from '@corral/protocol/model/spend';
import type { Commit, CommitResult, HeldElsewhere, Seen, StoredRun, Taken } from '@corral/protocol/ports/store';
import { chargeBytes, granted, isWithin, keptBack, spawned, used } from './authority.ts';
import { Book } from './book.ts';
import { Calls } from './calls.ts';
import type { Known } from './known.ts';
import { judgeEnd } from './endings.ts';
import { differenceFromFold } from './folded.ts';
import { bodyOf, given, noteChunk, wasSent } from './given.ts';
import { Graces } from './grace.ts';
import { decided, ruled, stopsRun, withdrawn } from './people.ts';
import { Taint } from './taint.ts';

/** Most by which the clock of a host is ahead or behind. */
const SKEW_MS = 5;

export class Oracle extends Book {
  readonly taint = new Taint(this);
  readonly calls = new Calls(this);
  readonly paused = new Set<RunId>();
  readonly graces = new Graces();
  /** Maximum number of runs in a host's memory. */
  places = Number.POSITIVE_INFINITY;
  #isCrowded = false;
  /** Time of the last death of a cell, in milliseconds since 1970. */
  #died = 0;
  /** Runs whose admission was acknowledged. */
  readonly accepted = new Set<RunId>();
  /** Runs whose end a caller waits for, with the number of its host. */
  readonly waiting = new Map<RunId, number>();
  // Reports of operators and cells

  asks(what: 'kill' | 'cancel', run: RunId): void {
    (what === 'kill' ? this.killAsked : this.cancelAsked).add(run);
  }

  /** Checks a kill receipt: the run and its descendants have ended. */
  hasKilled(run: RunId, receipt: Receipt): void {
    this.killed.add(run);
    const { node, until: said } = receipt.fenced ?? {};
    const until = node === undefined ? undefined : this.nodes.sendsUntil(run, node);
    this.must(
      said === undefined || (until !== undefined && said >= until - SKEW_MS),
      () => `8: the receipt for the kill of ${run} says that ${node}, its former node, may send until ${said}; it may until ${until}`,
    );
    const known = this.runs.get(run);
    this.must(known?.outcome !== undefined, () => `8: there is a receipt for the kill of ${run}, which has not ended in the store`);
    for (const one of this.runs.values()) {
      const isBelow = one.outcome === undefined && [...this.lineage(one)].some(({ record }) => record.id === run);
      this.must(!isBelow, () => `8: there is a receipt for the kill of ${run}, and ${one.record.id} below it has not ended in the store`);
    }
  }

  /** Checks a receipt for pausing a family: its descendants are stopped, except those that were resumed since the command, and what these have started. */
  hasPausedFamily(run: RunId, since: number): void {
    for (const one of this.runs.values()) {
      const goesOn = one.outcome === undefined && one.control === 'none' && !this.quarantined.has(one.record.id);
      const line = goesOn ? [...this.lineage(one)] : [];
      const root = line.findIndex(({ record }) => record.id === run);
      const isBelow = root >= 0 && line.slice(0, Math.max(root, 1)).every(({ resumedAt }) => resumedAt < since);
      this.must(!isBelow, () => `9: there is a receipt for the pause of ${run} with its family, and ${one.record.id} below it goes on`);
    }
  }

  /** An operator has the receipt for a revocation. */
  hasRevoked(grant: GrantId): void {
    this.revoked.add(grant);
  }

  dying(runs: readonly string[]): void {
    this.deaths += 1;
    this.#died = this.now();
    for (const run of runs) this.blamed.add(run as RunId);
  }

  excuse(run: string, why: string): void {
    const excuses = this.excused.get(run as RunId) ?? new Set();
    this.excused.set(run as RunId, excuses.add(why));
  }

  /** Checks the outcome that a caller is told. */
  told(run: RunId, outcome: Outcome): void {
    this.waiting.delete(run);
    const known = this.runs.get(run);
    this.must(
      JSON.stringify(known?.outcome) === JSON.stringify(outcome),
      () => `7: the caller that waits for ${run} was told ${JSON.stringify(outcome)}; the store says ${JSON.stringify(known?.outcome)}`,
    );
  }

  /** Checks a crank that begins in a cell. */
  cranking(run: RunId, delivery: Delivery): void {
    const known = this.runs.get(run);
    this.must(known !== undefined, () => `4: ${run} cranks before it is durable`);
    // The wall time runs from the first crank, even if the cell dies during it.
    if (known !== undefined) known.began ??= delivery.at;
    if (known !== undefined) known.crankedAt = this.now();
    known?.wall.cranking(delivery);
    this.crankingLate(run, delivery);
    this.must(!this.isDead(run), () => `8: ${run} cranks after the receipt of its kill`);
    this.must(!this.paused.has(run), () => `9: ${run} cranks although it is paused`);
    const asked = known?.toPause;
    this.must(
      asked === undefined || asked === known?.epoch,
      () => `9: ${run} goes on in a new life although its detectors asked to pause it`,
    );
    const outlived = this.graces.outlived(run, this.now());
    this.must(outlived === undefined, () => `8: ${run} cranks ${outlived} ms after the grace of its cancel`);
    const stop = known && this.stopped.against(known.record);
    this.must(stop === undefined, () => `8: ${run} cranks under the quarantine of ${stop}`);
    if (delivery.kind === 'message') wasSent(this, run, bodyOf(delivery.body));
    if (delivery.kind === 'timer')
      this.must(known?.timers.has(delivery.id) === true, () => `4: timer ${delivery.id} of ${run} fires before it is durable`);
  }

  /** Notes a crank that begins in a cell of a node whose lease is over. */
  crankingLate(run: RunId, delivery: Delivery): void {
    if (delivery.kind === 'chunk') noteChunk(this.runs.get(run), delivery);
  }

  // Writes as they take effect in the store

  before(op: string, args: readonly unknown[]): (value: unknown) => void {
    switch (op) {
      case 'admit': {
        const [record, grants, node] = args as [RunRecord, readonly Grant[], number | undefined];
        return () => {
          this.admitted(record, node !== undefined);
          for (const grant of grants) this.grants.set(grant.id, grant);
        };
      }
      case 'claim':
        return (value) => this.#claimed(value as StoredRun | HeldElsewhere | undefined);
      case 'take':
        return (value) => {
          for (const stored of (value as Taken).runs) this.#claimed(stored);
        };
      case 'park':
        return this.#parking(args as [RunId, Seen, unknown, string | undefined]);
      case 'quarantine':
        return () => this.#quarantined(args[0] as RunId, String(args[1]));
      case 'keep':
        return () => this.calls.kept(...(args as [RunId, number, readonly Result[]]));
      case 'bury':
        return () => {
          const known = this.runs.get(args[0] as RunId);
          this.must(
            known !== undefined && this.quarantined.has(known.record.id),
            () => `8: ${String(args[0])} is buried though it can be read`,
          );
          if (known !== undefined) known.outcome = args[1] as Outcome;
        };
      case 'commit':
        return (value) => this.#committed(args[0] as Commit, value as CommitResult);
      default:
        return () => undefined;
    }
  }

  /**
   * The simulator damages no data, so a quarantine by the host is allowed only for a run that was active each time that hosts died in a
   * row.
   */
  #quarantined(run: RunId, reason: string): void {
    this.must(reason.includes('hosts in a row died') && this.hostsLost >= 3, () => `7: ${run} is quarantined: ${reason}`);
    this.quarantined.add(run);
    const known = this.runs.get(run);
    if (known === undefined) return;
    known.parked = true;
    known.control = 'quarantined';
  }

  #claimed(stored: StoredRun | HeldElsewhere | undefined): void {
    if (stored === undefined || 'holder' in stored) return;
    const known = this.runs.get(stored.record.id);
    if (known === undefined || known.outcome !== undefined) return;
    this.must(stored.epoch > known.epoch, () => `6: a claim of ${stored.record.id} gave epoch ${stored.epoch} after ${known.epoch}`);
    known.epoch = stored.epoch;
    known.parked = false;
  }

  #parking([run, { epoch, seq, inbox }, , saved]: [RunId, Seen, unknown, string | undefined]): (parked: unknown) => void {
    const stored = this.core.run(run);
    return (parked) => {
      const known = this.runs.get(run);
      if (parked !== true || stored === undefined || known === undefined) return;
      this.must(stored.epoch === epoch, () => `6: ${run} was parked under epoch ${epoch}, and is held under ${stored.epoch}`);
      this.must(
        stored.inbox === inbox,
        () => `6: ${run} was parked by one who had seen inbox item ${inbox}; the last one is ${stored.inbox}`,
      );
      this.must(stored.seq === seq, () => `6: ${run} was parked by one who had seen entry ${seq}; the last one is ${stored.seq}`);
      const differs = saved === undefined ? undefined : differenceFromFold(this.core, known, saved);
      this.must(differs === undefined, () => `5: ${run} is parked, and ${differs}`);
      known.parked = true;
    };
  }

  #committed(commit: Commit, result: CommitResult): void {
    const { run, epoch, entry, status } = commit;
    const known = this.runs.get(run);
    if (known === undefined) return this.broken(`6: a commit of ${run}, which nobody admitted`);
    const where = `entry ${entry.seq} of ${run}`;
    if (this.#isCrowded) this.crowdedUntil = this.now();
    this.must(epoch === known.epoch, () => `6: ${where} was accepted under epoch ${epoch}; the run is held under ${known.epoch}`);
    this.must(entry.seq === known.seq + 1, () => `6: ${where} follows entry ${known.seq}`);
    this.must(!known.parked, () => `6: ${where} was accepted while the run is parked`);
    this.must(known.outcome === undefined, () => `6: ${where} was accepted after the run had ended`);
    known.seq = entry.seq;
    this.must(
      !this.isDead(run) || (entry.event?.kind === 'ended' && entry.effects === undefined),
      () => `8: ${where} came after the receipt of its kill`,
    );

    const messages = new Map<RunId, string>();
    for (const [i, { to, delivery }] of commit.outbox.entries()) {
      if (delivery.kind !== 'message') continue;
      const { from, id } = bodyOf(delivery.body);
      const receiver = result.receivers?.[i] ?? to;
      if ((result.delivered[i] ?? 0) <= 0) known.unreached.add(id);
      this.sent.set(`${from}#${id}`, receiver);
      if (!messages.has(receiver)) messages.set(receiver, `${from}#${id}`);
    }
    for (const grant of commit.grants) granted(this, grant);
    for (const record of commit.spawned) spawned(this, record);
    const outlived = entry.event?.kind === 'ended' && !this.graces.endsLate ? this.graces.outlived(run, entry.at) : undefined;
    this.must(outlived === undefined, () => `8: ${where} ends it ${outlived} ms after the grace of its cancel`);
    if (entry.effects !== undefined && entry.delivery !== undefined) this.#cranked(known, commit, entry.delivery, entry.effects, where);
    for (const id of result.created ?? []) this.#created(id, messages.get(id) ?? '');
    const { event } = entry;
    if (event?.kind === 'control') {
      known.control = event.control;
      known.family = event.family;
      if (event.control === 'none') known.resumedAt = this.now();
      known.toPause = undefined;
      if (event.control === 'none') known.stoppedBy = undefined;
      known.deadlocked = event.by === 'loops' && event.reason.startsWith('deadlock');
      if (event.control === 'paused') known.pausedAt ??= entry.at;
      else if (known.pausedAt !== undefined) {
        if (known.began !== undefined) known.paused_ms += entry.at - Math.max(known.pausedAt, known.began);
        known.pausedAt = undefined;
      }
    } else if (event?.kind === 'cancel') {
      known.cancelled = true;
      this.graces.asked(run, event.grace_ms ?? 0, this.now());
    } else if (event?.kind === 'unknown') this.calls.unknown(known, event.id, event.tell, where);
    else if (event?.kind === 'resolved') {
      const call = known.calls.get(event.id);
      this.must(call?.unknown === true, () => `7: ${where} resolves call ${event.id}, which is not unknown`);
      if (call !== undefined) {
        call.unknown = false;
        if (event.how !== 'retry') call.settled = true;
        else {
          call.mayLeave += 1;
          call.paysOn = dayOf(entry.at);
        }
      }
    } else if (event?.kind === 'approval') decided(this, known, event, commit, where);
    else if (event?.kind === 'unanswered') withdrawn(this, known, event, commit, where);
    else if (event?.kind === 'fenced') {
      const call = known.calls.get(event.id);
      keptBack(this, call?.decision.grant, () => `11: ${where} keeps back call ${event.id}, whose capability nobody took back`);
      if (call !== undefined) call.settled = true;
    } else if (event?.kind === 'step') {
      known.notices += event.step === 'notice' ? 1 : 0;
      known.slowed ||= event.step === 'slow';
      // A run that is paused already need not be paused again.
      known.toPause = event.step === 'pause' && known.control !== 'paused' ? epoch : undefined;
    } else if (event?.kind === 'held' || event?.kind === 'restamped') this.broken(`5: ${where} says ${event.kind}`);
    const odd = known.wall.entry(known, epoch, entry, this.#died);
    this.must(odd === undefined, () => `9: ${where} ${odd}`);
    if (status.outcome !== undefined) {
      judgeEnd(this, known, status.outcome, commit);
      this.taint.ended(known);
    }
    this.#isCrowded = this.calls.callers() >= this.places;
  }

  /** Records an instance of the service that was created by a message. */
  #created(id: RunId, message: string): void {
    const record = this.core.run(id)?.record;
    this.must(record?.service !== undefined, () => `7: ${id} was made by a message, and is no instance`);
    if (record === undefined) return;
    for (const { record: other, outcome } of this.runs.values())
      this.must(
        outcome !== undefined || other.tenant !== record.tenant || other.service?.key !== record.service?.key,
        () => `7: ${id} and ${other.id} are the same instance at once`,
      );
    this.admitted(record, false);
    this.taint.created(record, message);
    for (const grant of this.core.grants(id)) this.grants.set(grant.id, grant);
  }

  #cranked(known: Known, commit: Commit, deliveryText: string, effectsText: string, where: string): void {
    const { entry } = commit;
    const { record } = known;
    this.must(known.control === 'none', () => `9: ${where} is a crank, and the run is ${known.control}`);
    this.must(known.stoppedBy === undefined, () => `13: ${where} is a crank, and ${known.stoppedBy} had stopped the run`);
    for (const decision of entry.decisions) stopsRun(known, decision);
    const delivery = JSON.parse(deliveryText) as Delivery;
    known.began ??= delivery.at;
    known.spent.cpu_ms += entry.cpu_us / 1000;
    // Aborted timers too: one that was due before its abort is in the queue, and is still delivered.
    for (const timer of known.timers.values()) if (timer.due <= delivery.at) timer.behind += 1;
    // Checked first, since an answer removes its request from the record.
    this.taint.given(known, delivery, where);
    given(this, known, delivery, commit.consumed, where);
    chargeBytes(known, delivery, deliveryText, effectsText);
    const byId = new Map(entry.decisions.map((decision) => [decision.id, decision]));
    for (const effect of JSON.parse(effectsText) as Effect[]) {
      const decision = decisionOn(effect, byId);
      if (effect.kind === 'finish') known.finished = effect;
      if (effect.kind === 'reply') {
        this.must(!known.replied.has(effect.to), () => `7: ${where} replies to ${effect.to} a second time`);
        known.replied.add(effect.to);
      }
      if (effect.kind === 'pull') {
        const stream = known.calls.get(effect.id)?.stream;
        if (stream !== undefined) stream.asked = true;
      }
      if (effect.kind === 'abort') {
        const timer = known.timers.get(effect.id);
        if (timer !== undefined) timer.over = true;
        const call = known.calls.get(effect.id);
        if (call !== undefined) call.givenUp = true;
        if (call?.approval === 'waiting') call.approval = 'withdrawn';
        continue;
      }
      this.taint.asked(known, effect, decision);
      if (this.governed && effect.kind === 'call' && decision !== undefined)
        ruled(this, known, decision, (effect.input as { n: number }).n, entry.at, where);
      if (decision === undefined || decision.verdict === 'deny') {
        // A denied call has its answer in its decision.
        if (effect.kind === 'call' && decision !== undefined)
          known.calls.set(effect.id, this.calls.made(known, decision, effect.input, entry.at));
        continue;
      }
      if (effect.kind === 'call' && decision.tool === 'service:keeper') {
        known.asks.set(effect.id, { peer: this.sent.get(`${record.id}#${effect.id}`) as RunId, grant: decision.grant });
        known.spent.calls += 1;
        known.spent.messages += 1;
      } else if (effect.kind === 'call') {
        const made = this.calls.made(known, decision, effect.input, entry.at);
        if (effect.stream !== undefined) made.stream = { parts: 0, attempt: undefined, asked: false };
        known.calls.set(effect.id, made);
        known.spent.calls += 1;
        used(this, decision, record.id, (effect.input as { n: number }).n, where);
      } else if (effect.kind === 'send') {
        const target = this.grants.get(decision.grant as GrantId)?.target;
        if (target?.kind === 'mailbox' && effect.request === undefined) known.sends.set(effect.id, target.run);
        else if (target?.kind === 'mailbox') known.asks.set(effect.id, { peer: target.run, grant: decision.grant });
        known.spent.messages += 1;
        used(this, decision, record.id, undefined, where);
      } else if (effect.kind === 'spawn') {
        known.children.set(effect.id, { run: decision.child as RunId, told: false });
        this.taint.spawned(known, decision.child as RunId, where);
        known.spent.children += 1;
      } else if (effect.kind === 'timer') known.timers.set(effect.id, { due: decision.due as number, over: false, behind: 0 });
    }
    // Each turn of an instance has a purse of its own.
    if (record.service !== undefined && entry.event?.kind === 'checkpoint') known.spent.cpu_ms = 0;
    for (const one of this.lineage(known)) isWithin(this, one, where);
  }
}
