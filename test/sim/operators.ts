/** The operators of a simulated world, who pause, resume, cancel, kill, resolve, decide, revoke and quarantine. */
import type { RunId } from '@corral/protocol/ids';
import type { Receipt } from '@corral/protocol/model/receipt';
import type { QuarantineKind } from '@corral/protocol/model/quarantine';
import { isElsewhere } from '@corral/supervisor/control/fencing';
import type { Supervisor } from '@corral/supervisor/supervisor';
import type { Known } from './known.ts';
import type { Dice } from './dice.ts';
import type { Host } from './fleet.ts';
import type { Oracle } from './oracle.ts';
import { TOOL_KINDS } from './powers.ts';

export interface OperatorsOptions {
  readonly oracle: Oracle;
  /** Randomness for choices of operators. */
  readonly dice: Dice;
  /** The host that the operators talk to. */
  readonly host: () => Host | undefined;
  /** Whether operators have every call of unknown result made again. */
  readonly insists: () => boolean;
  /** Lease of the hosts; 0: there is one host. */
  readonly lease_ms: number;
  readonly later: (ms: number, then: () => void) => void;
  readonly say: (what: string) => void;
  /** A command was refused. A refusal that no operator should get is a fault of the host. */
  readonly refused: (error: unknown, what: string) => void;
}

/** The runs that are paused according to the receipt. */
const runsIn = ({ run, control, children }: Receipt): RunId[] => [...(control === 'paused' ? [run] : []), ...children.flatMap(runsIn)];

/** Names that can be quarantined, by kind. */
const STOPPABLE: readonly (readonly [QuarantineKind, readonly string[]])[] = [
  ['tenant', ['red', 'blue']],
  ['agent', ['red/root', 'red/node', 'blue/teller', 'blue/leaf', 'red/keeper']],
  ['tool', TOOL_KINDS.flatMap((name) => [`red/${name}`, `blue/${name}`])],
];

/** A command to resume a run, or a run with its descendants. */
interface Resuming {
  readonly host: Host;
  readonly runs: ReadonlySet<RunId>;
  readonly family?: RunId;
}

export class Operators {
  readonly #options: OperatorsOptions;
  /** Number of resume commands for each run. */
  readonly #resumed = new Map<RunId, number>();
  /** Resume commands that have no answer yet. */
  readonly #resuming = new Set<Resuming>();

  constructor(options: OperatorsOptions) {
    this.#options = options;
  }

  /** To be called when a host is gone, since it answers no more commands. One that stands still may go on with its own. */
  forget(): void {
    for (const one of this.#resuming) if (!one.host.alive) this.#resuming.delete(one);
  }

  live(): Known[] {
    return [...this.#options.oracle.runs.values()].filter(({ outcome }) => outcome === undefined);
  }

  /** Makes one random command. */
  operate(dice: Dice): void {
    const live = this.live();
    if (live.length === 0) return;
    const known = dice.pick(live);
    const roll = dice.next();
    if (dice.chance(0.3)) this.decide(dice);
    else if (dice.chance(0.2)) this.#revoke(known, dice);
    else if (roll < 0.4) this.#pause(known.record.id);
    else if (roll < 0.75) this.resume(known.record.id);
    else if (roll < 0.83) this.#cancel(known.record.id);
    else if (roll < 0.91) this.#kill(known.record.id);
    else this.resolve(known, dice);
  }

  /** A person does something to this run. */
  meddle(run: RunId, dice: Dice): void {
    const known = this.#options.oracle.runs.get(run);
    if (known === undefined || known.outcome !== undefined) return;
    const roll = dice.next();
    if (roll < 0.35) this.#kill(run);
    else if (roll < 0.45) this.#pause(run);
    else if (roll < 0.5) this.resume(run);
    else if (roll < 0.6) this.#cancel(run);
    else if (roll < 0.75) this.#revoke(known, dice);
    else if (roll < 0.9) this.decide(dice, true);
    else this.resolve(known, dice);
  }

  #pause(run: RunId): void {
    const { oracle } = this.#options;
    const since = oracle.now();
    const resumed = this.#resumed.get(run);
    this.#command(
      'pause',
      run,
      ({ control }) => control.pause(run, 'sim', 'now'),
      () => {
        if (this.#isPaused(run, resumed, since)) oracle.paused.add(run);
      },
    );
  }

  resume(run: RunId): void {
    const host = this.#options.host();
    if (host?.alive !== true || host.supervisor === undefined) return;
    this.#options.oracle.paused.delete(run);
    this.#resumed.set(run, (this.#resumed.get(run) ?? 0) + 1);
    const asked = { host, runs: new Set([run]) };
    this.#resuming.add(asked);
    this.#command('resume', run, async ({ control }) => {
      try {
        return await control.resume(run, 'sim', 'now');
      } catch (error) {
        // Another host holds the run. Once the faults have ended it is asked soon, since a paused run may keep a cell that others wait for.
        if (isElsewhere(error) && this.#options.oracle.now() >= this.#options.oracle.calmFrom)
          this.#options.later(20, () => this.resume(run));
        throw error;
      } finally {
        this.#resuming.delete(asked);
      }
    });
  }

  /** Pauses a run with its descendants, or resumes such a family. */
  pauseFamily(dice: Dice): void {
    const { oracle } = this.#options;
    const live = this.live();
    const parents = new Set(live.flatMap(({ record }) => (record.parent === undefined ? [] : [record.parent.run])));
    const living = [...parents].flatMap((run) => oracle.runs.get(run) ?? []).filter(({ outcome }) => outcome === undefined);
    if (living.length === 0) return;
    const known = dice.pick(living);
    const { id } = known.record;
    const paused = living.filter(({ family, record }) => family === record.id);
    if (paused.length > 0 && dice.chance(0.5)) return this.#resumeFamily(dice.pick(paused).record.id);
    if (dice.chance(0.3)) void this.#options.host()?.supervisor?.park();
    const since = oracle.now();
    const resumed = new Map(this.#resumed);
    this.#command(
      'pause family',
      id,
      ({ families }) => families.pause(id, 'sim', 'now'),
      (receipt) => {
        // An ancestor may have been resumed, and some of these runs with it.
        oracle.hasPausedFamily(id, since);
        // A run that is spawned while its family is being resumed belongs to the family, although the command did not name it.
        const isLetGo = (run: RunId) =>
          [...oracle.lineage(oracle.runs.get(run) as Known)].some(
            ({ record: one }) => this.#isLettingGo(one.id) || this.#resumed.get(one.id) !== resumed.get(one.id),
          );
        for (const run of runsIn(receipt as Receipt))
          if (!isLetGo(run) && this.#isPaused(run, resumed.get(run), since)) oracle.paused.add(run);
      },
    );
  }

  /**
   * Whether a run is paused for which an operator has the receipt of a pause. It is not if a command to resume it was sent since, has no answer
   * yet, or was sent before and took effect after the pause: the receipt may come late.
   * @param resumed how many commands to resume it had been sent when the pause was sent, at `since`
   */
  #isPaused(run: RunId, resumed: number | undefined, since: number): boolean {
    const known = this.#options.oracle.runs.get(run);
    const wentOn = known?.control === 'none' && known.resumedAt >= since;
    return this.#resumed.get(run) === resumed && ![...this.#resuming].some(({ runs }) => runs.has(run)) && !wentOn;
  }

  /** Whether a family is being resumed. */
  #isLettingGo(id: RunId): boolean {
    return [...this.#resuming].some(({ family }) => family === id);
  }

  #resumeFamily(id: RunId): void {
    const { oracle } = this.#options;
    const host = this.#options.host();
    if (host?.alive !== true || host.supervisor === undefined) return;
    const below = [...oracle.runs.values()].filter((one) => [...oracle.lineage(one)].some(({ record }) => record.id === id));
    for (const { record, family } of below) {
      this.#resumed.set(record.id, (this.#resumed.get(record.id) ?? 0) + 1);
      // Runs that were paused separately stay paused.
      if (record.id === id || family === id) oracle.paused.delete(record.id);
    }
    const asked = { host, runs: new Set(below.map(({ record }) => record.id)), family: id };
    this.#resuming.add(asked);
    this.#command('resume family', id, ({ families }) => families.resume(id, 'sim', 'now').finally(() => this.#resuming.delete(asked)));
  }

  #cancel(run: RunId, grace_ms?: number): void {
    this.#options.oracle.asks('cancel', run);
    const given = () => grace_ms ?? this.#options.dice.pick([0, 20, 2_000]);
    this.#command('cancel', run, ({ control }) => control.cancel(run, 'sim', 'now', given()));
  }

  /** Cancels a run with a grace period. */
  askToStop(dice: Dice): void {
    const live = this.live().filter(({ cancelled }) => !cancelled);
    if (live.length > 0) this.#cancel(dice.pick(live).record.id, 2_000);
  }

  /** Kills a run with its descendants. */
  killFamily(dice: Dice): void {
    const parents = new Set(this.live().flatMap(({ record }) => (record.parent === undefined ? [] : [record.parent.run])));
    const living = [...parents].filter((run) => this.#options.oracle.runs.get(run)?.outcome === undefined);
    if (living.length === 0) return;
    const run = dice.pick(living);
    // Usually the run has just been parked with its children, which then have to be woken to be ended.
    if (dice.chance(0.7)) void this.#options.host()?.supervisor?.park();
    this.#options.later(dice.spread(1, 80), () => this.#kill(run));
  }

  #kill(run: RunId): void {
    const { oracle } = this.#options;
    oracle.asks('kill', run);
    const asked = Symbol(run);
    const host = this.#command(
      'kill',
      run,
      ({ control }) => control.kill(run, 'sim', 'now').finally(() => host?.kills.delete(asked)),
      (receipt) => oracle.hasKilled(run, receipt as Receipt),
    );
    host?.kills.set(asked, run);
  }

  /** Decides about some of the calls that wait for approval, or about all. */
  decide(dice: Dice, all = false): void {
    const host = this.#options.host();
    if (host?.alive !== true || host.supervisor === undefined) return;
    host.supervisor.approvals().then(
      (waiting) => {
        for (const { run, call, asks, input } of waiting) {
          if (!host.alive || (!all && dice.chance(0.5))) continue;
          const by = `person ${dice.below(1_000)}`;
          if (asks !== undefined) {
            this.#answer(run, call, by, (input as { n: number }).n, dice);
            continue;
          }
          const verdict = dice.chance(0.7) ? 'approve' : 'deny';
          this.#command(`${verdict} ${call}`, run, ({ control }) => control.decide(run, call, by, verdict, 'as they said'));
        }
        return undefined;
      },
      (error: unknown) => this.#options.refused(error, 'looking at approvals'),
    );
  }

  /** Answers a question, rarely with another number than it takes, or declines to. */
  #answer(run: RunId, call: number, by: string, n: number, dice: Dice): void {
    const owner = ['owner'];
    if (dice.chance(0.2))
      this.#command(`decline ${call}`, run, ({ control }) => control.decide(run, call, by, 'deny', 'as they said', owner));
    else {
      const value = { n: dice.chance(0.1) ? n + 1 : n, by };
      const what = value.n === n ? 'answer' : 'answer wrongly';
      this.#command(`${what} ${call}`, run, ({ control }) => control.answer(run, call, by, value, '', owner));
    }
  }

  #revoke(known: Known, dice: Dice): void {
    const { oracle } = this.#options;
    const held = known.record.caps.filter(({ alias }) => alias !== '');
    if (held.length === 0 || this.#options.host()?.supervisor === undefined) return;
    const { grant } = dice.pick(held);
    oracle.revoking.add(grant);
    this.#command(
      `revoke ${grant}`,
      known.record.id,
      ({ stops }) => stops.revoke(grant, 'sim', 'now'),
      () => this.#everywhere(() => oracle.hasRevoked(grant)),
    );
  }

  /** Puts something under quarantine, or lifts an active quarantine. */
  quarantine(dice: Dice): void {
    const supervisor = this.#options.host()?.supervisor;
    if (supervisor === undefined) return;
    const standing = supervisor.stops.quarantines();
    if (standing.length > 0 && dice.chance(0.6)) {
      const { kind, name, tenant } = dice.pick(standing);
      this.lift(kind, name, tenant);
      return;
    }
    const { stopped } = this.#options.oracle;
    const [kind, names] = dice.pick(STOPPABLE);
    const name = dice.pick(names);
    const turn = stopped.asks(kind, name);
    this.#command(
      `quarantine ${kind}`,
      name,
      ({ stops }) => stops.quarantine(kind, name, 'sim', 'now'),
      () => this.#everywhere(() => stopped.stands(kind, name, turn)),
    );
  }

  /** A decision of one host holds for all once each has given a sign of life, or has lost its lease. */
  #everywhere(then: () => void): void {
    const { lease_ms, later } = this.#options;
    if (lease_ms === 0) then();
    else later(lease_ms, then);
  }

  lift(kind: QuarantineKind, name: string, tenant?: string): void {
    this.#options.oracle.stopped.lifts(kind, name);
    this.#command(`lift ${kind}`, name, ({ stops }) => stops.lift(kind, name, 'sim', 'now', tenant));
  }

  /** Lifts all quarantines. */
  liftAll(): void {
    for (const { kind, name, tenant } of this.#options.host()?.supervisor?.stops.quarantines() ?? []) this.lift(kind, name, tenant);
  }

  resolve(known: Known, dice: Dice): void {
    const run = known.record.id;
    const [call] = [...known.calls].filter(([, one]) => one.unknown).map(([id]) => id);
    if (call === undefined) return;
    const drawn = dice.pick([{ how: 'retry' } as const, { how: 'fail' } as const, { how: 'result', value: 'said so' } as const]);
    const how = this.#options.insists() ? ({ how: 'retry' } as const) : drawn;
    this.#command(`resolve ${how.how} ${call}`, run, ({ control }) => control.resolve(run, call, 'sim', how));
  }

  #command(
    what: string,
    whom: string,
    work: (supervisor: Supervisor) => Promise<unknown>,
    then?: (receipt: unknown) => void,
  ): Host | undefined {
    const host = this.#options.host();
    if (host?.alive !== true || host.supervisor === undefined) return undefined;
    const { say } = this.#options;
    say(`operator ${what} ${whom}`);
    work(host.supervisor).then(
      (receipt) => {
        if (!host.alive) return undefined;
        say(`receipt of ${what} ${whom} ${JSON.stringify(receipt)?.slice(0, 900) ?? 'nothing'}`);
        then?.(receipt);
        return undefined;
      },
      (error: unknown) => this.#options.refused(error, `${what} ${whom}`),
    );
    return host;
  }
}
