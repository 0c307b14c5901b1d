/** Schemas of profiles of agents, marks on findings, and proposed thresholds. */
import * as z from 'zod';
import { AgentName } from '../ids.ts';
import { dryRunQuery, digest, inTenant, json, Reason, runId, tenant, time_ms } from './parts.ts';
import type { Route } from './route.ts';

const agentPath = z.strictObject({ agent: AgentName.meta({ description: 'percent-encoded, since names may contain a /' }) });
const runPath = z.strictObject({ run: runId });
const tally = z.array(z.object({ what: z.string(), runs: z.int() })).describe('the commonest first');

const Profile = z
  .object({
    profile: z.string(),
    tenant,
    agent: AgentName,
    learned_at: time_ms,
    learned_by: z.string(),
    reason: z.string(),
    runs: z.array(z.object({ run: runId, version: digest })).describe('runs that it was learned from'),
    own: z
      .boolean()
      .describe('whether one of the runs is of the agent’s latest version; if not, it is judged by the behaviour of an older one'),
    tools: z.array(
      z.object({
        tool: z.string(),
        runs: z.int().describe('number of approved runs in which this occurs'),
        after: tally,
        shapes: tally,
        arguments: z.array(
          z.object({ name: z.string(), origins: tally, values: tally, different: z.int().describe('values; texts are stored as digests') }),
        ),
      }),
    ),
  })
  .meta({ id: 'Profile' });

const LearnProfile = z
  .strictObject({
    ...inTenant,
    runs: z
      .array(runId)
      .min(1)
      .max(500)
      .exactOptional()
      .describe('the approved runs; by default the latest that completed and have nothing against them'),
    last: z.int().min(1).max(500).default(100).describe('how many of the latest'),
    reason: Reason,
    dryRun: z.boolean().default(false).describe('only say what would be learned, and from which runs'),
  })
  .meta({ id: 'LearnProfile' });
const Learned = z.object({
  profile: Profile,
  left_out: z.array(z.object({ run: runId, why: z.string() })).describe('runs that completed and are not approved'),
});

const Verdict = z.enum(['false_alarm', 'confirmed']);
const Mark = z
  .object({
    run: runId,
    tenant,
    agent: z.string(),
    detector: z.string().describe('empty: the run as a whole is bad, although no detector found anything'),
    verdict: Verdict,
    by: z.string(),
    reason: z.string(),
    at: time_ms,
    step: z.string().nullable().describe('highest step of the ladder that was based on it'),
    confidence: z.number().describe('its highest confidence in this run'),
    text: z.string(),
    subjects: z.array(z.string()),
    figures: z.record(z.string(), z.number()),
  })
  .meta({ id: 'Mark' });
const MarkRun = z
  .strictObject({
    verdict: Verdict,
    detector: z.string().max(40).exactOptional().describe('left out: every finding about the run'),
    reason: Reason,
  })
  .meta({ id: 'MarkRun' });
const MarkList = z.object({ items: z.array(Mark) });
const MarkQuery = z.strictObject({ ...inTenant, agent: z.string().max(100).exactOptional() });

const Tuning = z
  .object({
    tenant,
    changes: z.array(
      z.object({
        agent: z.string().nullable().describe('null: for all agents'),
        detector: z.string(),
        step: z.string(),
        from: z.number(),
        to: z.number().nullable().describe('null: the step is not taken any more'),
        false_alarms: z.array(z.string()).describe('runs'),
        kept: z.array(z.string()).describe('confirmed findings that still lead to it'),
        lost: z.array(z.string()).describe('confirmed findings that would not lead to it any more'),
      }),
    ),
    still: z.array(z.string()).describe('runs that would still be a false alarm'),
    patch: json.describe('value for `tenants.NAME.loops`; null if no change is proposed'),
  })
  .meta({ id: 'Tuning' });

export const LOOP_ROUTES = {
  learnProfile: {
    method: 'POST',
    path: '/v1/agents/:agent/profile',
    tag: 'agents',
    summary: 'Learns what an agent usually does from approved runs. Runs that are admitted from now on are judged by it.',
    operation: 'profile.write',
    act: 'learn',
    params: agentPath,
    body: LearnProfile,
    status: 201,
    response: Learned,
  },
  showProfile: {
    method: 'GET',
    path: '/v1/agents/:agent/profile',
    tag: 'agents',
    summary: 'Shows what an agent usually does, and who had it learned from which runs.',
    operation: 'profile.read',
    params: agentPath,
    query: z.strictObject(inTenant),
    status: 200,
    response: Profile,
  },
  deleteProfile: {
    method: 'DELETE',
    path: '/v1/agents/:agent/profile',
    tag: 'agents',
    summary: 'Deletes the profiles of an agent: no run is judged by them any more.',
    operation: 'profile.write',
    act: 'forget',
    params: agentPath,
    query: z.strictObject({ ...inTenant, reason: Reason, ...dryRunQuery }),
    status: 200,
    response: z.object({ agent: AgentName, tenant, deleted: z.int() }),
  },
  markRun: {
    method: 'POST',
    path: '/v1/runs/:run/marks',
    tag: 'runs',
    summary: 'Marks what the detectors found in a run as right or as a false alarm. A new mark replaces the last one.',
    operation: 'run.mark',
    act: 'mark',
    params: runPath,
    body: MarkRun,
    status: 201,
    response: MarkList,
  },
  listMarks: {
    method: 'GET',
    path: '/v1/marks',
    tag: 'runs',
    summary: 'Lists marks, newest first.',
    operation: 'mark.read',
    query: MarkQuery,
    status: 200,
    response: MarkList,
  },
  tuning: {
    method: 'GET',
    path: '/v1/tuning',
    tag: 'host',
    summary: 'Proposes thresholds that the marks support, as a change of the configuration. Nothing is changed.',
    operation: 'mark.read',
    query: z.strictObject(inTenant),
    status: 200,
    response: Tuning,
  },
} as const satisfies Record<string, Route>;
