/**
 * Acts on loops and runaways of live runs. It takes the findings of each run's own detectors, and finds what shows only across runs or by
 * measurement (circular conversations, spawn trees, deadlocks, interference, growing memory). The runs concerned go up the ladder.
 */
import type { Broker } from '@corral/broker/broker';
import { messageId } from '@corral/broker/ledger/requests';
import type { AgentBreakers } from './agent-breakers.ts';
import { measured, type Line } from '@corral/policy/detection/burn';
import { Causes } from '@corral/policy/detection/causes';
import type { DetectorName, Finding } from '@corral/policy/detection/list';
import { Interference } from '@corral/policy/detection/interference';
import { climb, HOST_LADDER, ladderFor, reasonOf, type LadderSettings } from '@corral/policy/detection/ladder';
import { foreseen } from '@corral/policy/detection/run/runaway';
import type { Step } from '@corral/policy/detection/steps';
import { Spawns } from '@corral/policy/detection/spawns';
import type { Grants } from '@corral/policy/capability/grants';
import { targetIn, type RunId, type TenantId } from '@corral/protocol/ids';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { Clock } from '@corral/protocol/ports/machine';
import type { ChildRefusal, RunRecord, StepReason } from '@corral/protocol/model/run';
import type { Store } from '@corral/protocol/ports/store';
import { holdsLess, isNarrowed } from '../governance/judged.ts';
import type { Run } from '../runs/run.ts';
import type { Residency } from '../runs/residency.ts';
import type { Scheduler } from '../cells/scheduler.ts';
import type { Transitions } from '../events/transitions.ts';
import { Deadlocks } from './deadlocks.ts';
import { tempered, type LoopOptions, type Watching } from './watching.ts';

export interface LoopsOptions {
  readonly clock: Clock;
  readonly store: Store;
  readonly broker: Broker;
  readonly grants: Grants;
  readonly runs: ReadonlyMap<RunId, Run>;
  readonly watching: Watching;
  readonly residency: Pick<Residency, 'hold' | 'refresh'>;
  readonly scheduler: Pick<Scheduler, 'wake'>;
  readonly transitions: Transitions;
}

const SLOW_MS = 500;

/** Memory use of a run over time. It is measured and not journaled, so it starts again after the run was parked. */
interface Memory {
  readonly lines: Line[];
  heap_kib: number;
  /** Confidence of the last finding that went up the ladder; 0 since the forecast was last harmless. */
  said: number;
  /** Readings since its last step. */
  readings: number;
}

export class Loops {
  readonly #options: LoopsOptions;
  readonly #causes = new Causes();
  readonly #spawns = new Spawns();
  readonly #deadlocks: Deadlocks;
  readonly #interference = new Map<TenantId, Interference>();
  readonly #memory = new Map<RunId, Memory>();
  /** Runs in memory whose capabilities were narrowed before they got them. */
  readonly #holdLess = new Set<RunId>();
  readonly #ladders = new Map<string, { readonly of: LoopOptions; readonly settings: LadderSettings }>();

  constructor(options: LoopsOptions) {
    this.#options = options;
    this.#deadlocks = new Deadlocks(options, (found) => this.#concern(found));
    options.transitions.bus.sent.listen((from, to, inbox, cause) =>
      this.#concern(this.#causes.sent(messageId(to, inbox), from, to, cause?.message, cause?.progress)),
    );
  }

  /** Circuit breakers of agent versions. */
  get breakers(): AgentBreakers {
    return this.#options.watching.breakers;
  }

  /** Called when the ledger of a run has taken a crank in. */
  cranked(run: Run): void {
    const { loops } = run.ledger;
    if (loops === undefined) return;
    const { found, wrote, refused } = loops.settled;
    if (refused.length > 0) this.#tellParent(run, refused);
    for (const { resource, tool, input } of wrote) {
      const together = this.#interference.get(run.tenant) ?? new Interference();
      this.#interference.set(run.tenant, together);
      this.#concern(together.wrote(run.id, resource, tool, input));
    }
    if (found.length > 0 || loops.rung.step !== 'observe')
      this.#climb(
        run,
        found.map((finding) => tempered(finding)),
      );
    if (loops.rung.step === 'slow' && run.outcome === undefined) this.#slow(run);
    this.#deadlocks.look(run);
  }

  /** Counts a child's refusals as its parent's attempts too, by an entry of the parent's journal, so that its detectors see them again in a replay. */
  #tellParent({ id, ledger: { record } }: Run, refused: readonly ChildRefusal[]): void {
    const { parent } = record;
    if (parent === undefined) return;
    const tell = (above: Run) => {
      if (above.outcome !== undefined || above.parking !== undefined || above.ledger.loops === undefined) return;
      const event = { kind: 'refusals', child: id, agent: record.agent, refused } as const;
      this.#options.broker.record(above, event).catch(() => undefined);
      const { settled } = above.ledger.loops;
      this.#climb(above, settled.found);
      if (settled.refused.length > 0) this.#tellParent(above, settled.refused);
    };
    const hold = async () => {
      const above = await this.#options.residency.hold(parent.run);
      above?.behind.do(() => tell(above));
    };
    hold().catch(() => undefined);
  }

  /** Called when a run is in memory again. */
  woken(run: Run): void {
    this.#note(run.ledger.record);
    this.goesOn(run);
  }

  /** Called when a run that stood still may go on. */
  goesOn(run: Run): void {
    if (run.ledger.loops !== undefined) this.#deadlocks.look(run);
  }

  /** Called when there is a delivery for a run: it can go on, so it is not part of a deadlock. */
  delivered(id: RunId): void {
    this.#deadlocks.goes(id);
  }

  spawned(record: RunRecord): void {
    this.#note(record);
    const { parent } = record;
    if (parent === undefined || this.#options.watching.settings(record.tenant) === undefined) return;
    const [finding] = this.#spawns.spawned(record.id, parent.run, this.#options.clock.now());
    // Only the root of the tree goes up the ladder, since a step that the root takes applies to the whole tree.
    if (finding !== undefined) this.#concern([finding], finding.evidence.subjects.slice(0, 1));
  }

  ended(id: RunId, outcome: Outcome): void {
    const run = this.#options.runs.get(id);
    if (run !== undefined) {
      const narrowed = isNarrowed(run, this.#options.runs, this.#holdLess);
      this.breakers.ended(run.ledger.record, run.ledger.version, outcome, narrowed);
    }
    this.#holdLess.delete(id);
    this.#spawns.ended(id);
    this.#deadlocks.ended(id);
    this.#memory.delete(id);
  }

  parked(id: RunId): void {
    this.#holdLess.delete(id);
    this.#memory.delete(id);
  }

  /** Notes narrowed capabilities while the run has them; they are gone when it has ended. */
  #note(record: RunRecord): void {
    if (holdsLess(record, this.#options.grants)) this.#holdLess.add(record.id);
  }

  /** Adds the present heap size of each resident run to its memory use, and acts on the forecast; looks at doubtful deadlocks again. */
  measure(): void {
    this.#deadlocks.lookAgain();
    const at = this.#options.clock.now();
    for (const run of this.#options.runs.values()) {
      const { loops, record } = run.ledger;
      if (loops === undefined || run.seat === undefined || run.outcome !== undefined || run.control !== 'none' || run.parking !== undefined)
        continue;
      const memory = this.#memory.get(run.id) ?? { lines: [], heap_kib: 0, said: 0, readings: 0 };
      if (memory.heap_kib === run.heap_kib) continue;
      this.#memory.set(run.id, memory);
      memory.heap_kib = run.heap_kib;
      const forecast = measured(memory.lines, 'memory', at, run.heap_kib / 1024, record.ceilings.memory_mib);
      memory.readings += 1;
      const finding = forecast && foreseen(forecast);
      if (finding === undefined) memory.said = 0;
      else if (finding.confidence > memory.said) {
        memory.said = finding.confidence;
        this.#climb(run, [finding]);
      }
    }
  }

  /** Takes each subject of the findings up its own ladder. */
  #concern(found: readonly Finding[], subjects = found[0]?.evidence.subjects ?? []): void {
    if (found.length === 0) return;
    const concern = async (id: RunId) => {
      // Needed even if the run is in memory: it may be about to be parked, and nothing may be recorded about it then.
      const run = await this.#options.residency.hold(id);
      if (run !== undefined) this.#climb(run, found);
    };
    for (const id of new Set(subjects)) concern(id as RunId).catch(() => undefined);
  }

  #climb(run: Run, found: readonly Finding[]): void {
    const { loops } = run.ledger;
    if (loops === undefined || run.outcome !== undefined) return;
    if (run.behind.deciding) return run.behind.do(() => this.#climb(run, found));
    const settings = this.#ladder(run, found);
    const position = this.#positionOf(run);
    const { rung, take, because } = climb(loops.rung, found, position, settings);
    if (take !== undefined) this.#take(run, take, because);
    else if (rung.step !== loops.rung.step) this.#record(run, rung.step, []);
    // Findings of its own crank reach the ladder when the entry is applied. Those from outside are not journaled, so now and then an entry
    // records where they have led.
    else if (rung.step !== 'observe' && rung.seen - loops.rung.seen > settings.calm_events / 2) this.#record(run, rung.step, [], true);
  }

  #take(run: Run, step: Exclude<Step, 'observe'>, because: readonly Finding[]): void {
    const { scheduler, transitions } = this.#options;
    const loops = run.ledger.loops as NonNullable<Run['ledger']['loops']>;
    this.#record(run, step, loops.reasons(because));
    const reason = `${reasonOf(because)}${step === 'notice' ? '' : pollingOf(run, because)}`;
    const [first] = because;
    // A finding of drift names arguments of calls, which not everybody may read who hears about the step; the journal has it.
    const told = first?.detector === 'drift' ? 'Unlike the approved runs of its agent.' : reason;
    transitions.observers.tell({ kind: 'step', run: run.id, step, detector: first?.detector as DetectorName, reason: told });
    switch (step) {
      case 'notice':
        if (loops.notice !== undefined) run.queue.add(loops.notice);
        return scheduler.wake(run);
      case 'slow':
        return;
      case 'pause':
        for (const one of first?.detector === 'spawn_tree' || first?.detector === 'probing' ? this.#descendants(run) : [run]) {
          // Recorded in the journal of each run, so that none of them runs on if the host dies half way.
          if (one !== run && one.ledger.loops !== undefined)
            one.behind.do(() => {
              if (one.outcome === undefined && one.parking === undefined) this.#record(one, step, loops.reasons(because));
            });
          transitions.detection.onPause.emit(one.id, reason);
        }
        return;
      case 'kill':
        return transitions.detection.onKill.emit(run, { kind: 'looped', evidence: reason });
    }
  }

  /** Records a step in the journal. If the store refuses it, the broker's own event says so. */
  #record(run: Run, step: Step, because: readonly StepReason[], stays = false): void {
    const position = this.#positionOf(run);
    const event = { kind: 'step', step, position, because, ...(stays ? { stays: true as const } : {}) } as const;
    this.#options.broker.record(run, event).catch(() => undefined);
    const memory = this.#memory.get(run.id);
    if (memory !== undefined) memory.readings = 0;
  }

  /** The clock of a run's ladder: its journaled events, plus the memory readings since its last step, which are not journaled. */
  #positionOf(run: Run): number {
    return (run.ledger.loops?.position ?? 0) + (this.#memory.get(run.id)?.readings ?? 0);
  }

  /** Holds back deliveries to a run for a while. */
  #slow(run: Run): void {
    const { clock, watching, scheduler } = this.#options;
    const stop = clock.after(watching.settings(run.tenant)?.slow_ms ?? SLOW_MS, () => {
      run.alarms.rang('slow');
      scheduler.wake(run);
    });
    run.alarms.set('slow', stop);
  }

  #descendants(root: Run): Run[] {
    const tree = new Set<RunId>([root.id]);
    // One pass finds all: a child comes into memory after its parent, so the parent precedes it in the map.
    for (const run of this.#options.runs.values()) {
      const { parent } = run.ledger.record;
      if (parent !== undefined && tree.has(parent.run)) tree.add(run.id);
    }
    return [...tree].flatMap((id) => this.#options.runs.get(id) ?? []);
  }

  #ladder(run: Run, found: readonly Finding[]): LadderSettings {
    const of = this.#options.watching.settings(run.tenant) ?? {};
    const { agent } = run.ledger.record;
    const tools = [...new Set(found.flatMap(({ evidence }) => evidence.subjects))].filter((name) => of.tools?.[name] !== undefined);
    const key = [run.tenant, agent, ...tools].join(' ');
    const known = this.#ladders.get(key);
    if (known?.of === of) return known.settings;
    const settings = ladderFor(HOST_LADDER, of, agent, tools);
    this.#ladders.set(key, { of, settings });
    return settings;
  }
}

/** Detectors that see repeats of calls. */
const OF_REPEATS: ReadonlySet<DetectorName> = new Set(['repeat', 'near_repeat', 'no_progress', 'cycle', 'stuck']);

/** A sentence on how to permit the repeats that these findings are about, if the agent polls; empty if they are about something else. */
function pollingOf({ manifest }: Run, because: readonly Finding[]): string {
  const about = because.filter(({ detector }) => OF_REPEATS.has(detector));
  const own = Object.values(manifest.uses).flatMap((target) => (/^(?:tool|http):/.test(target) ? [targetIn(target)] : []));
  const named = about.flatMap(({ evidence }) => evidence.subjects).find((subject) => own.includes(subject));
  // The score of all evidence names no tool.
  const tool = named ?? (own.length === 1 ? own[0] : 'TOOL');
  if (about.length === 0) return '';
  return `\nIf it polls and that is meant: \`annotations: { '${tool}': { polled: true } }\` of the configuration, or of the tool itself, permits it; so does waiting longer each time.`;
}
