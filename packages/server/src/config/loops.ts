/** What a tenant's part of the configuration says about loops, runaways and drift (docs/loops.md). */
import * as z from 'zod';
import { DETECTORS } from '@corral/policy/detect/events';
import { STEPS } from '@corral/policy/detect/ladder';
import { nearest } from '@corral/policy/cedar/problem';
import { AgentName, ToolName } from '@corral/protocol/ids';

const TAKEN = STEPS.filter((step) => step !== 'observe');

/** Says what there is, instead of only that this is not it. */
const only =
  (what: string, known: readonly string[]) =>
  (issue: { readonly code?: string | undefined; readonly keys?: readonly string[] | undefined }): string | undefined => {
    if (issue.code !== 'unrecognized_keys') return undefined;
    const wrong = (issue.keys ?? []).map((key) => {
      const meant = nearest(key, known);
      return `there is no ${what} ${key}${meant === undefined ? '' : `; did you mean ${meant}?`}`;
    });
    return `${wrong.join('; ')} (${what}s: ${known.join(', ')})`;
  };

const threshold = z
  .union([z.number().min(0).max(1), z.null()], { error: 'must be a confidence from 0 to 1, or null to take the step away' })
  .exactOptional();
const Thresholds = z.strictObject(
  Object.fromEntries(TAKEN.map((step) => [step, threshold])) as Record<(typeof TAKEN)[number], typeof threshold>,
  { error: only('step', TAKEN) },
);
const thresholds = Thresholds.exactOptional();
export const Layer = z.strictObject({
  detectors: z
    .strictObject(
      Object.fromEntries(DETECTORS.map((name) => [name, thresholds])) as Record<(typeof DETECTORS)[number], typeof thresholds>,
      {
        error: only('detector', DETECTORS),
      },
    )
    .exactOptional()
    .describe(
      `by detector (${DETECTORS.join(', ')}) and step (${TAKEN.join(', ')}): the confidence from which it is taken; \`null\`: never`,
    ),
  grace_events: z
    .int()
    .min(0)
    .max(10_000)
    .exactOptional()
    .describe('events a run has after a step before a higher one; 4 where nothing is said'),
  calm_events: z
    .int()
    .min(1)
    .max(100_000)
    .exactOptional()
    .describe('events without a finding after which it is a step lower; 40 where nothing is said'),
});

const share = z.number().gt(0).max(1);
const AgentBreaker = z.strictObject({
  window: z.int().min(1).max(32).exactOptional().describe('runs looked at, the latest so many; 20 where nothing is said'),
  least: z.int().min(1).max(32).exactOptional().describe('fewer ends say nothing; 8'),
  failed: share.exactOptional().describe('share of them that failed, looped or diverged; 0.8'),
  rest_ms: z.int().min(1).max(86_400_000).exactOptional().describe('how long no run is taken; twice as long each time; 30,000'),
  rest_most_ms: z.int().min(1).max(604_800_000).exactOptional().describe('but no longer than so; 1,800,000'),
  tries: z.int().min(1).max(32).exactOptional().describe('runs that are let through then to try, all of which must go well; 1'),
});

export const Loops = z.union([
  z.literal(false),
  z.strictObject({
    ladder: Layer.exactOptional().describe('for all its runs'),
    agents: z.record(AgentName, Layer).exactOptional().describe('by name of the agent; goes before `ladder`'),
    tools: z.record(ToolName, Layer).exactOptional().describe('by tool, where a finding is about one; goes before both'),
    slow_ms: z
      .int()
      .min(1)
      .max(3_600_000)
      .exactOptional()
      .describe('how long a slowed run waits between two cranks; 500 where nothing is said'),
    breaker: AgentBreaker.exactOptional().describe('rest agents whose runs keep failing; without it, none rests'),
  }),
]);
