/** People who meddle with what runs in a simulated world: they pause, resume, cancel, kill, resolve, decide, revoke and quarantine. */
import type { RunId } from '@corral/protocol/ids';
import type { Receipt } from '@corral/protocol/model/receipt';
import type { QuarantineKind } from '@corral/protocol/model/quarantine';
import type { Supervisor } from '@corral/supervisor/supervisor';
import type { Known } from './book.ts';
import type { Dice } from './dice.ts';
import type { Oracle } from './oracle.ts';
import { TOOL_KINDS } from './powers.ts';

export interface OperatorsOptions {
  readonly oracle: Oracle;
  /** For what a person picks on the spot. */
  readonly dice: Dice;
  /** The host that they talk to, as long as it lives. */
  readonly host: () => { readonly alive: boolean; readonly supervisor: Supervisor | undefined } | undefined;
  /** Whether people have everything made again of which nobody knows. */
  readonly insists: () => boolean;
  readonly later: (ms: number, then: () => void) => void;
  readonly say: (what: string) => void;
  /** A command was refused. Anything that no operator may be told is a fault of the host. */
  readonly refused: (error: unknown, what: string) => void;
}

/** Those that stand still because somebody paused them. */
const runsIn = ({ run, control, children }: Receipt): RunId[] => [...(control === 'paused' ? [run] : []), ...children.flatMap(runsIn)];

/** What may be put under quarantine, by tenants of this world. */
const STOPPABLE: readonly (readonly [QuarantineKind, readonly string[]])[] = [
  ['tenant', ['red', 'blue']],
  ['agent', ['red/root', 'red/node', 'blue/teller', 'blue/leaf', 'red/keeper']],
  ['tool', TOOL_KINDS.flatMap((name) => [`red/${name}`, `blue/${name}`])],
];

export class Operators {
  readonly #options: OperatorsOptions;
  /** How often somebody has asked to resume a run. */
  readonly #resumed = new Map<RunId, number>();
  /** Of them, those that have not been answered. */
  /** Families that are being let go on. */
  readonly #lettingGo = new Map<RunId, readonly symbol[]>();
  readonly #resuming = new Map<RunId, number>();

  constructor(options: OperatorsOptions) {
    this.#options = options;
  }

  /** A host is gone, and answers nobody any more. */
  forget(): void {
    this.#resuming.clear();
    this.#lettingGo.clear();
  }

  live(): Known[] {
    return [...this.#options.oracle.runs.values()].filter(({ outcome }) => outcome === undefined);
  }

  /** Somebody does something. */
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

  #pause(run: RunId): void {
    const { oracle } = this.#options;
    const resumed = this.#resumed.get(run);
    this.#command(
      'pause',
      run,
      ({ control }) => control.pause(run, 'sim', 'now'),
      () => {
        // Somebody who asked to resume it, however long ago, may be served only now.
        if (this.#resumed.get(run) === resumed && (this.#resuming.get(run) ?? 0) === 0) oracle.paused.add(run);
      },
    );
  }

  resume(run: RunId): void {
    const host = this.#options.host();
    if (host?.alive !== true || host.supervisor === undefined) return;
    this.#options.oracle.paused.delete(run);
    this.#resumed.set(run, (this.#resumed.get(run) ?? 0) + 1);
    const asked = (by: number) => this.#resuming.set(run, (this.#resuming.get(run) ?? 0) + by);
    asked(1);
    this.#command('resume', run, ({ control }) => control.resume(run, 'sim', 'now').finally(() => asked(-1)));
  }

  /** Somebody pauses a run with all that descends from it, or lets it go on likewise. */
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
        // A run above may have been let go on, and one of these with it.
        oracle.hasPausedFamily(id, since);
        // One that is born while a family is let go on belongs to it, though nobody knew of it as that was asked for.
        const isLetGo = (run: RunId) =>
          [...oracle.lineage(oracle.runs.get(run) as Known)].some(
            ({ record: one }) => this.#lettingGo.has(one.id) || this.#resumed.get(one.id) !== resumed.get(one.id),
          );
        for (const run of runsIn(receipt as Receipt))
          if (!isLetGo(run) && this.#resumed.get(run) === resumed.get(run) && (this.#resuming.get(run) ?? 0) === 0) oracle.paused.add(run);
      },
    );
  }

  #resumeFamily(id: RunId): void {
    const { oracle } = this.#options;
    const host = this.#options.host();
    if (host?.alive !== true || host.supervisor === undefined) return;
    const below = [...oracle.runs.values()].filter((one) => [...oracle.lineage(one)].some(({ record }) => record.id === id));
    const asked = (by: number) => below.forEach(({ record }) => this.#resuming.set(record.id, (this.#resuming.get(record.id) ?? 0) + by));
    for (const { record, family } of below) {
      this.#resumed.set(record.id, (this.#resumed.get(record.id) ?? 0) + 1);
      // Those that somebody else paused stand still all the same.
      if (record.id === id || family === id) oracle.paused.delete(record.id);
    }
    asked(1);
    const turn = Symbol(id);
    this.#lettingGo.set(id, [...(this.#lettingGo.get(id) ?? []), turn]);
    const done = () => {
      asked(-1);
      const left = (this.#lettingGo.get(id) ?? []).filter((one) => one !== turn);
      if (left.length > 0) this.#lettingGo.set(id, left);
      else this.#lettingGo.delete(id);
    };
    this.#command('resume family', id, ({ families }) => families.resume(id, 'sim', 'now').finally(done));
  }

  #cancel(run: RunId, grace_ms?: number): void {
    this.#options.oracle.asks('cancel', run);
    const given = () => grace_ms ?? this.#options.dice.pick([0, 20, 2_000]);
    this.#command('cancel', run, ({ control }) => control.cancel(run, 'sim', 'now', given()));
  }

  /** Somebody asks a run to stop, and leaves it time. */
  askToStop(dice: Dice): void {
    const live = this.live().filter(({ cancelled }) => !cancelled);
    if (live.length > 0) this.#cancel(dice.pick(live).record.id, 2_000);
  }

  /** Somebody kills a run with all that descends from it. */
  killFamily(dice: Dice): void {
    const parents = new Set(this.live().flatMap(({ record }) => (record.parent === undefined ? [] : [record.parent.run])));
    const living = [...parents].filter((run) => this.#options.oracle.runs.get(run)?.outcome === undefined);
    if (living.length === 0) return;
    const run = dice.pick(living);
    // Often just when it has been parked with its children, which are woken to be ended.
    if (dice.chance(0.7)) void this.#options.host()?.supervisor?.park();
    this.#options.later(dice.spread(1, 80), () => this.#kill(run));
  }

  #kill(run: RunId): void {
    const { oracle } = this.#options;
    oracle.asks('kill', run);
    this.#command(
      'kill',
      run,
      ({ control }) => control.kill(run, 'sim', 'now'),
      () => oracle.hasKilled(run),
    );
  }

  /** Somebody looks at what waits for approval, and decides about some of it. */
  decide(dice: Dice, all = false): void {
    const host = this.#options.host();
    if (host?.alive !== true || host.supervisor === undefined) return;
    host.supervisor.approvals().then(
      (waiting) => {
        for (const { run, call } of waiting) {
          if (!host.alive || (!all && dice.chance(0.5))) continue;
          const by = `person ${dice.below(1_000)}`;
          const verdict = dice.chance(0.7) ? 'approve' : 'deny';
          this.#command(`${verdict} ${call}`, run, ({ control }) => control.decide(run, call, by, verdict, 'as they said'));
        }
        return undefined;
      },
      (error: unknown) => this.#options.refused(error, 'looking at approvals'),
    );
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
      () => oracle.hasRevoked(grant),
    );
  }

  /** Puts something under quarantine, or lifts what stands, as often. */
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
      () => stopped.stands(kind, name, turn),
    );
  }

  lift(kind: QuarantineKind, name: string, tenant?: string): void {
    this.#options.oracle.stopped.lifts(kind, name);
    this.#command(`lift ${kind}`, name, ({ stops }) => stops.lift(kind, name, 'sim', 'now', tenant));
  }

  /** Everything that stands is lifted. */
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

  #command(what: string, whom: string, work: (supervisor: Supervisor) => Promise<unknown>, then?: (receipt: unknown) => void): void {
    const host = this.#options.host();
    if (host?.alive !== true || host.supervisor === undefined) return;
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
  }
}
