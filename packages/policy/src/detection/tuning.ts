/**
 * Proposes thresholds from people's marks: no false alarm would have been raised, and as many confirmed findings as possible still would.
 * The proposal is for review and changes nothing. Pure.
 */
import { ladderFor, type LadderLayer, type LadderLayers, type LadderSettings } from './ladder.ts';
import { DETECTORS, type DetectorName } from './list.ts';
import { STEPS, type Taken } from './steps.ts';

/** A person's verdict on a finding about a run. */
export interface Mark {
  readonly run: string;
  readonly agent: string;
  readonly detector: DetectorName;
  /** The highest confidence of the detector in this run. */
  readonly confidence: number;
  /** Subjects and figures of that finding. */
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
  /** Null: the step is removed, since no confidence is above that of the false alarms. */
  readonly to: number | null;
  /** The marks that the change is based on. */
  readonly false_alarms: readonly Mark[];
  /** `kept`: confirmed findings for which the step is still taken. `lost`: those for which it is not. */
  readonly kept: readonly Mark[];
  readonly lost: readonly Mark[];
}

export interface Proposal {
  readonly changes: readonly Change[];
  /** The layers with the changes applied. */
  readonly layers: LadderLayers;
  /** False alarms that would still be raised, because a tool's layer wins over the changed one. */
  readonly still: readonly Mark[];
}

/** If this many agents have false alarms of one detector, its threshold is changed for all agents. */
const MANY_AGENTS = 3;
/** Distance of a new threshold to the surest false alarm. */
const ROOM = 0.01;

/** @param base the ladder below the layers */
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

/** The steps that the marked finding asks for. */
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

/** A threshold above the surest false alarm and, if possible, not above the least sure confirmed finding that is surer than it. */
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
