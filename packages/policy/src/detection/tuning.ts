/**
 * What people's marks speak for: thresholds at which no false alarm would have been raised, and where possible every right one
 * still would. It is a proposal for review and changes nothing. Pure.
 */
import { ladderFor, type LadderLayer, type LadderLayers, type LadderSettings } from './ladder.ts';
import { DETECTORS, type DetectorName } from './list.ts';
import { STEPS, type Taken } from './steps.ts';

/** A person's word on what a detector said of a run. */
export interface Mark {
  readonly run: string;
  readonly agent: string;
  readonly detector: DetectorName;
  /** The surest that the detector was in this run. */
  readonly confidence: number;
  /** What it was about then, and the figures behind it. */
  readonly subjects: readonly string[];
  readonly figures: Readonly<Record<string, number>>;
  readonly verdict: 'false_alarm' | 'confirmed';
}

const TAKEN = STEPS.filter((step): step is Taken => step !== 'observe');

export interface Change {
  /** Undefined: for all agents of the tenant. */
  readonly agent: string | undefined;
  readonly detector: DetectorName;
  readonly step: Taken;
  readonly from: number;
  /** Null: the step is never taken, since there is no confidence above that of the false alarms. */
  readonly to: number | null;
  /** Marks that it is founded on. */
  readonly false_alarms: readonly Mark[];
  /** Confirmed ones that the step is still taken for, and those that it would not be taken for any more. */
  readonly kept: readonly Mark[];
  readonly lost: readonly Mark[];
}

export interface Proposal {
  readonly changes: readonly Change[];
  /** The layers with the changes in them. */
  readonly layers: LadderLayers;
  /** False alarms that would be raised all the same, since what a tool's layer says goes before. */
  readonly still: readonly Mark[];
}

/** From so many agents with false alarms of one detector on, it is the detector's threshold for all that is wrong. */
const MANY_AGENTS = 3;
/** Room above the surest false alarm. */
const ROOM = 0.01;

/** @param base what holds where the layers say nothing */
export function tune(base: LadderSettings, of: LadderLayers, marks: readonly Mark[]): Proposal {
  const changes: Change[] = [];
  for (const detector of DETECTORS) {
    const about = marks.filter((mark) => mark.detector === detector);
    const wrong = about.filter((mark) => mark.verdict === 'false_alarm' && firesFor(base, of, mark).length > 0);
    const agents = [...new Set(wrong.map(({ agent }) => agent))].sort();
    if (agents.length === 0) continue;
    const scopes = agents.length >= MANY_AGENTS && agents.every((agent) => of.agents?.[agent]?.detectors?.[detector] === undefined);
    for (const agent of scopes ? [undefined] : agents) {
      const within = (mark: Mark) => agent === undefined || mark.agent === agent;
      changes.push(...changesOf(base, of, agent, detector, wrong.filter(within), about.filter(within)));
    }
  }
  const layers = changes.reduce(withChange, of);
  const still = marks.filter(
    (mark) =>
      mark.verdict === 'false_alarm' &&
      changes.some(({ false_alarms }) => false_alarms.includes(mark)) &&
      firesFor(base, layers, mark).length > 0,
  );
  return { changes, layers, still };
}

/** Steps that a finding of this confidence asks for. */
export function firesFor(base: LadderSettings, of: LadderLayers, { agent, detector, confidence, subjects }: Mark): Taken[] {
  const thresholds = ladderFor(base, of, agent, subjects).detectors[detector] ?? {};
  return TAKEN.filter((step) => confidence >= (thresholds[step] ?? Number.POSITIVE_INFINITY));
}

function changesOf(
  base: LadderSettings,
  of: LadderLayers,
  agent: string | undefined,
  detector: DetectorName,
  wrong: readonly Mark[],
  about: readonly Mark[],
): Change[] {
  const right = about.filter(({ verdict }) => verdict === 'confirmed');
  const surest = Math.max(...wrong.map(({ confidence }) => confidence));
  const to = above(
    surest,
    right.map(({ confidence }) => confidence),
  );
  const now =
    (agent === undefined ? ladderFor(base, { ladder: of.ladder ?? {} }, '', []) : ladderFor(base, of, agent, [])).detectors[detector] ?? {};
  return TAKEN.flatMap((step): Change[] => {
    const from = now[step];
    if (from === undefined || from > surest) return [];
    const asked = right.filter(({ confidence }) => confidence >= from);
    const isKept = ({ confidence }: Mark) => to !== null && confidence >= to;
    const lost = asked.filter((mark) => !isKept(mark));
    return [
      {
        agent,
        detector,
        step,
        from,
        to,
        false_alarms: wrong.filter(({ confidence }) => confidence >= from),
        kept: asked.filter(isKept),
        lost,
      },
    ];
  });
}

/** A threshold above the surest false alarm and, if there is room, no higher than the least sure right one above it. */
function above(surest: number, right: readonly number[]): number | null {
  const least = Math.min(...right.filter((confidence) => confidence > surest));
  const wished = Math.ceil((surest + ROOM) * 1000) / 1000;
  if (wished <= Math.min(1, least)) return wished;
  if (least === Number.POSITIVE_INFINITY) return surest < 1 ? 1 : null;
  const rounded = Math.floor(least * 1000) / 1000;
  return rounded > surest ? rounded : least;
}

function withChange(of: LadderLayers, { agent, detector, step, to }: Change): LadderLayers {
  const changed = (layer: LadderLayer = {}): LadderLayer => ({
    ...layer,
    detectors: { ...layer.detectors, [detector]: { ...layer.detectors?.[detector], [step]: to } },
  });
  return agent === undefined
    ? { ...of, ladder: changed(of.ladder) }
    : { ...of, agents: { ...of.agents, [agent]: changed(of.agents?.[agent]) } };
}
