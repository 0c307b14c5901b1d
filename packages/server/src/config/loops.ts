/** A tenant's configuration of loops, runaways and drift (docs/loops.md). */
import * as z from 'zod';
import { DETECTORS } from '@corral/policy/detection/list';
import { STEPS } from '@corral/policy/detection/steps';
import { nearest } from '@corral/policy/cedar/problem';
import { AgentName, ToolName } from '@corral/protocol/ids';

const TAKEN = STEPS.filter((step) => step !== 'observe');

/** Lists the known names, instead of only refusing an unknown one. */
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
    .describe('events a run has after a step before a higher one can follow; default 4'),
  calm_events: z
    .int()
    .min(1)
    .max(100_000)
    .exactOptional()
    .describe('events without a finding after which the run goes down one step; default 40'),
});

const share = z.number().gt(0).max(1);
const AgentBreaker = z.strictObject({
  window: z.int().min(1).max(32).exactOptional().describe('how many of the latest runs are counted; default 20'),
  least: z.int().min(1).max(32).exactOptional().describe('fewest ended runs that the breaker decides on; default 8'),
  failed: share.exactOptional().describe('share of them that failed, looped or diverged, from which the agent rests; default 0.8'),
  rest_ms: z
    .int()
    .min(1)
    .max(86_400_000)
    .exactOptional()
    .describe('milliseconds for which no run is admitted; doubles each time; default 30,000'),
  rest_most_ms: z.int().min(1).max(604_800_000).exactOptional().describe('longest such rest, in milliseconds; default 1,800,000'),
  tries: z
    .int()
    .min(1)
    .max(32)
    .exactOptional()
    .describe('trial runs that are admitted after the rest, all of which must succeed; default 1'),
});

export const Loops = z.union([
  z.literal(false),
  z.strictObject({
    ladder: Layer.exactOptional().describe('for all its runs'),
    agents: z.record(AgentName, Layer).exactOptional().describe('by name of the agent; overrides `ladder`'),
    tools: z.record(ToolName, Layer).exactOptional().describe('by tool, for findings about one tool; overrides both'),
    slow_ms: z.int().min(1).max(3_600_000).exactOptional().describe('milliseconds that a slowed run waits between two cranks; default 500'),
    breaker: AgentBreaker.exactOptional().describe('a breaker for agents whose runs keep failing; without it, no agent rests'),
  }),
]);
