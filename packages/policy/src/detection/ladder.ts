/**
 * The consequences of findings: observe → notice → slow → pause → kill. A pure function of findings, settings and the run's present step.
 * The thresholds are data, by detector, in layers for tenant, agent and tool.
 */
import type { DetectorAbout } from './detector.ts';
import { DETECTORS_ABOUT, OF_SEVERAL, type DetectorName, type Finding } from './list.ts';
import { STEPS, type Step, type Taken, type ThresholdLayer, type Thresholds } from './steps.ts';

export interface LadderSettings {
  readonly detectors: OfAll<Thresholds>;
  /** Number of events after a step before the next one, so that an agent that got a notice can change course. */
  readonly grace_events: number;
  /** After this many events without a finding the run goes one step down. */
  readonly calm_events: number;
}

type OfAll<T> = { readonly [D in DetectorName]?: T };
const about = <T>(of: (one: DetectorAbout) => T | undefined): OfAll<T> =>
  Object.fromEntries(DETECTORS_ABOUT.flatMap((one) => (of(one) === undefined ? [] : [[one.name, of(one)]])));

export const LADDER: LadderSettings = { detectors: about(({ ladder }) => ladder), grace_events: 4, calm_events: 40 };

/** The present step of a run, part of its saved state. */
export interface Rung {
  readonly step: Step;
  /** `at`: position at which it came to this step. `seen`: position of the last finding. */
  readonly at: number;
  readonly seen: number;
}
export const GROUND: Rung = { step: 'observe', at: 0, seen: 0 };

export interface Climb {
  readonly rung: Rung;
  /** The step to take now; undefined if the step stays or goes down. */
  readonly take?: Taken;
  /** The findings that ask for the step, surest first. */
  readonly because: readonly Finding[];
}

/**
 * Applies the findings of one event at `position`. A run goes up one step at a time, and only after the grace period of the last step. An
 * urgent finding goes straight to the highest step that it asks for, because a tree that doubles every second leaves no time for notices.
 * Urgent is a finding whose remaining doubt is at most half of that at its detector's highest threshold. A finding about several runs has no
 * grace either: it is said once, so one of them that has just taken a step would miss it, and the others are stopped without it.
 */
export function climb(rung: Rung, findings: readonly Finding[], position: number, settings: LadderSettings = LADDER): Climb {
  if (findings.length === 0) {
    if (rung.step === 'observe' || position - Math.max(rung.seen, rung.at) < settings.calm_events) return { rung, because: [] };
    const lower = STEPS[STEPS.indexOf(rung.step) - 1] as Step;
    return { rung: { step: lower, at: position, seen: rung.seen }, because: [] };
  }
  const seen = { ...rung, seen: position };
  const here = STEPS.indexOf(rung.step);
  const asked = findings
    .map((finding) => ({ finding, step: asks(finding, settings) }))
    .filter(({ step }) => step > here)
    .sort((a, b) => b.step - a.step || b.finding.confidence - a.finding.confidence);
  const [most] = asked;
  if (most === undefined) return { rung: seen, because: [] };
  const urgent = isUrgent(most.finding, settings);
  const hasGrace = !urgent && !OF_SEVERAL.has(most.finding.detector);
  if (hasGrace && rung.step !== 'observe' && position - rung.at < settings.grace_events) return { rung: seen, because: [] };
  const reach = urgent ? most.step : firstFrom(here + 1, asked, settings);
  const step = STEPS[reach] as Taken;
  return {
    rung: { step, at: position, seen: position },
    take: step,
    because: asked.filter((one) => one.step >= reach).map((one) => one.finding),
  };
}

/** The text for the owner and for the outcome `looped`: the findings as sentences, surest first, at most 2,000 characters. */
export function reasonOf(because: readonly Finding[]): string {
  return because
    .map(({ detector, confidence, evidence }) => `${detector} (${Math.round(confidence * 100)} % sure): ${evidence.text}`)
    .join('\n')
    .slice(0, 2000);
}

/** The highest step that a finding asks for, as an index of STEPS. */
function asks(finding: Finding, settings: LadderSettings): number {
  const thresholds = settings.detectors[finding.detector] ?? {};
  for (let i = STEPS.length - 1; i > 0; i--) {
    const at = thresholds[STEPS[i] as Taken];
    if (at !== undefined && finding.confidence >= at) return i;
  }
  return 0;
}

/** The lowest step from `from` on that the detector of one of these findings has. */
function firstFrom(from: number, asked: readonly { finding: Finding; step: number }[], settings: LadderSettings): number {
  let first = STEPS.length - 1;
  for (const { finding, step } of asked)
    for (let i = from; i <= step; i++)
      if (settings.detectors[finding.detector]?.[STEPS[i] as Taken] !== undefined) {
        first = Math.min(first, i);
        break;
      }
  return first;
}

function isUrgent(finding: Finding, settings: LadderSettings): boolean {
  const thresholds = settings.detectors[finding.detector] ?? {};
  const highest = Math.max(0, ...Object.values(thresholds));
  return highest > 0 && (finding.confidence >= 1 || 1 - finding.confidence <= (1 - highest) / 2);
}

/** Changes to the ladder. Later layers win, by detector and step: host, tenant, agent, tool. A threshold of `null` removes the step. */
export interface LadderLayer {
  readonly detectors?: OfAll<ThresholdLayer>;
  readonly grace_events?: number;
  readonly calm_events?: number;
}
export function layered(base: LadderSettings, ...layers: readonly LadderLayer[]): LadderSettings {
  const detectors: Record<string, Record<string, number>> = {};
  for (const [name, thresholds] of Object.entries(base.detectors)) detectors[name] = { ...thresholds };
  let { grace_events, calm_events } = base;
  for (const layer of layers) {
    grace_events = layer.grace_events ?? grace_events;
    calm_events = layer.calm_events ?? calm_events;
    for (const [name, thresholds] of Object.entries(layer.detectors ?? {})) {
      const own = (detectors[name] ??= {});
      for (const [step, at] of Object.entries(thresholds)) {
        if (at === null) delete own[step];
        else own[step] = at;
      }
    }
  }
  return { detectors, grace_events, calm_events };
}

/** The ladder of a host with the default configuration. */
export const HOST_LADDER: LadderSettings = layered(LADDER, { detectors: about(({ host }) => host) });

/** All layers of a tenant: for every agent, for agents by name, and for tools, which apply if a finding is about that tool. */
export interface LadderLayers {
  readonly ladder?: LadderLayer;
  readonly agents?: Readonly<Record<string, LadderLayer>>;
  readonly tools?: Readonly<Record<string, LadderLayer>>;
}

/**
 * The ladder for a finding about an agent's run and these subjects. A tool's layer wins over the agent's, and the agent's over the
 * general one.
 */
export function ladderFor(base: LadderSettings, of: LadderLayers, agent: string, subjects: readonly string[]): LadderSettings {
  const layers = [of.ladder, of.agents?.[agent], ...subjects.map((name) => of.tools?.[name])].filter((layer) => layer !== undefined);
  return layers.length === 0 ? base : layered(base, ...layers);
}
