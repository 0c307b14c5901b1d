/** Every route of the front door: method, path, permission, input, output. */
import * as z from 'zod';
import { AgentName } from '../ids.ts';
import { COUNT_ROUTES } from './counts.ts';
import { EVIDENCE_ROUTES } from './evidence.ts';
import { FIXTURE_ROUTES } from './fixtures.ts';
import { LOOP_ROUTES } from './loops.ts';
import { route, type Route } from './route.ts';
import * as a from './approvals.ts';
import { APPROVALS } from './routes-approvals.ts';
import { GOVERNANCE } from './routes-governance.ts';
import { HEALTH_ROUTES } from './health.ts';
import { HOST_ROUTES } from './routes-host.ts';
import { MEMORY_ROUTES } from './memory.ts';
import { PEOPLE_ROUTES } from './routes-people.ts';
import * as r from './run-events.ts';
import { SCENE_ROUTES } from './scene.ts';
import { SECRET_ROUTES } from './secrets.ts';
import { SPENDING } from './spending.ts';
import { TOOL_REVIEW_ROUTES } from './tool-reviews.ts';
import { TOOL_VIEW_ROUTES } from './tool-view.ts';
import * as s from './schemas.ts';
import * as settling from './settling.ts';
import { USAGE_ROUTES } from './usage.ts';
import { WEBHOOK_ROUTES } from './webhooks.ts';

export type { Route } from './route.ts';

const agentPath = z.strictObject({ agent: AgentName.meta({ description: 'percent-encoded, since names may contain a /' }) });
const aliasPath = agentPath.extend({ alias: s.AliasName });

export const ROUTES = {
  ...COUNT_ROUTES,
  ...EVIDENCE_ROUTES,
  ...FIXTURE_ROUTES,
  ...LOOP_ROUTES,
  ...MEMORY_ROUTES,
  ...SCENE_ROUTES,
  ...SECRET_ROUTES,
  ...TOOL_REVIEW_ROUTES,
  ...TOOL_VIEW_ROUTES,
  ...WEBHOOK_ROUTES,
  deployAgent: route({
    method: 'POST',
    path: '/v1/agents',
    tag: 'agents',
    summary: 'Deploys a bundle. Deploying the same one again changes nothing.',
    operation: 'agent.deploy',
    act: 'deploy',
    body: s.DeployRequest,
    status: 201,
    response: s.Deployed,
  }),
  listAgents: route({
    method: 'GET',
    path: '/v1/agents',
    tag: 'agents',
    summary: 'Lists agents.',
    operation: 'agent.read',
    query: s.AgentQuery,
    status: 200,
    response: s.AgentList,
  }),
  showAgent: route({
    method: 'GET',
    path: '/v1/agents/:agent',
    tag: 'agents',
    summary: 'Shows an agent: its versions and aliases.',
    operation: 'agent.read',
    params: agentPath,
    query: s.InTenant,
    status: 200,
    response: s.AgentDetail,
  }),
  moveAlias: route({
    method: 'PUT',
    path: '/v1/agents/:agent/aliases/:alias',
    tag: 'agents',
    summary: 'Points an alias at a version.',
    operation: 'agent.alias',
    act: 'move-alias',
    params: aliasPath,
    body: s.MoveAlias,
    status: 200,
    response: s.AgentAlias,
  }),
  rollBack: route({
    method: 'POST',
    path: '/v1/agents/:agent/aliases/:alias/rollback',
    tag: 'agents',
    summary: 'Points an alias at the version it had before.',
    operation: 'agent.alias',
    act: 'rollback',
    params: aliasPath,
    body: s.RollBack,
    status: 200,
    response: s.AgentAlias,
  }),
  sourceMap: route({
    method: 'GET',
    path: '/v1/bundles/:bundle/map',
    tag: 'agents',
    summary: 'Gives the source map of a bundle, as it was deployed.',
    operation: 'agent.read',
    params: s.SourceMapPath,
    query: s.InTenant,
    status: 200,
    response: s.SourceMap,
  }),
  listTools: route({
    method: 'GET',
    path: '/v1/tools',
    tag: 'agents',
    summary: 'Lists the tools a tenant’s agents may be granted, with their schemas.',
    operation: 'agent.read',
    query: s.ToolQuery,
    status: 200,
    response: s.ToolList,
  }),
  submitRun: route({
    method: 'POST',
    path: '/v1/runs',
    tag: 'runs',
    summary: 'Submits a job. The run is durable once this answers.',
    operation: 'run.submit',
    act: { none: 'the log has the admission of each run' },
    headers: s.SubmitHeaders,
    body: s.SubmitRequest,
    status: 201,
    response: s.RunSummary,
  }),
  sendToService: route({
    method: 'POST',
    path: '/v1/services/:service/:key/:handler',
    tag: 'runs',
    summary: 'Sends a message to an instance of a service as the principal, and waits for its reply.',
    operation: 'service.send',
    act: { none: 'the log has the admission of the run that writes to the service' },
    params: s.ServicePath,
    query: s.SendQuery,
    headers: s.IdempotencyHeader,
    body: s.AnyJson,
    status: 200,
    response: s.Sent,
  }),
  listRuns: route({
    method: 'GET',
    path: '/v1/runs',
    tag: 'runs',
    summary: 'Lists and searches runs, newest first.',
    operation: 'run.read',
    query: s.RunQuery,
    status: 200,
    response: s.RunList,
  }),
  showRun: route({
    method: 'GET',
    path: '/v1/runs/:run',
    tag: 'runs',
    summary: 'Shows a run; can wait for its end.',
    operation: 'run.read',
    params: s.RunPath,
    query: s.ShowQuery,
    status: 200,
    response: s.Run,
  }),
  runTree: route({
    method: 'GET',
    path: '/v1/runs/:run/tree',
    tag: 'runs',
    summary: 'Shows a run with all its children.',
    operation: 'run.read',
    params: s.RunPath,
    status: 200,
    response: s.RunTree,
  }),
  whyRun: route({
    method: 'GET',
    path: '/v1/runs/:run/why',
    tag: 'runs',
    summary: 'Explains the state of a run, and what can be done.',
    operation: 'run.read',
    params: s.RunPath,
    status: 200,
    response: s.Why,
  }),
  storyRun: route({
    method: 'GET',
    path: '/v1/runs/:run/story',
    tag: 'runs',
    summary: 'Tells in ten sentences what a run was asked, read, did, was refused and spent, and who allowed it, each with its entries.',
    operation: 'run.read',
    params: s.RunPath,
    status: 200,
    response: s.Story,
  }),
  runAuthority: route({
    method: 'GET',
    path: '/v1/runs/:run/authority',
    tag: 'runs',
    summary: 'Lists everything a run can reach, and by which grants.',
    operation: 'run.payload',
    params: s.RunPath,
    status: 200,
    response: a.Authority,
  }),
  runCalls: route({
    method: 'GET',
    path: '/v1/runs/:run/calls',
    tag: 'runs',
    summary: 'Lists the calls of a run, oldest first.',
    operation: 'run.payload',
    params: s.RunPath,
    query: s.Page,
    status: 200,
    response: s.CallList,
  }),
  runMessages: route({
    method: 'GET',
    path: '/v1/runs/:run/messages',
    tag: 'runs',
    summary: 'Lists the messages of a run, oldest first.',
    operation: 'run.payload',
    params: s.RunPath,
    query: s.Page,
    status: 200,
    response: s.MessageList,
  }),
  runJournal: route({
    method: 'GET',
    path: '/v1/runs/:run/journal',
    tag: 'runs',
    summary: 'Reads the journal of a run; can wait for more of it.',
    operation: 'run.payload',
    params: s.RunPath,
    query: s.JournalQuery,
    status: 200,
    response: s.JournalPage,
  }),
  runEvents: route({
    method: 'GET',
    path: '/v1/runs/:run/events',
    tag: 'runs',
    summary:
      'Follows what a run is given in streams, emits and logs, as server-sent events, until it ends; from its beginning, or after an event.',
    operation: 'run.payload',
    params: s.RunPath,
    query: r.RunEventQuery,
    headers: r.RunEventHeaders,
    status: 200,
    response: r.RunEvent,
    stream: true,
  }),
  resolveCall: route({
    method: 'POST',
    path: '/v1/runs/:run/calls/:call/resolution',
    tag: 'runs',
    summary: 'Settles a call whose result is unknown.',
    operation: 'run.resolve',
    act: 'resolve',
    params: s.CallPath,
    body: settling.Resolution,
    status: 200,
    response: settling.Resolved,
  }),
  releaseRun: route({
    method: 'POST',
    path: '/v1/runs/:run/release',
    tag: 'runs',
    summary: 'Lets a held run go on: it came from a backup, or replays differently on this runtime.',
    operation: 'run.resolve',
    act: 'release',
    params: s.RunPath,
    body: settling.Release,
    status: 200,
    response: s.RunSummary,
  }),
  ...GOVERNANCE,
  ...SPENDING,
  ...APPROVALS,
  ...USAGE_ROUTES,
  listQuarantines: route({
    method: 'GET',
    path: '/v1/quarantines',
    tag: 'approvals',
    summary: 'Lists quarantines in force.',
    operation: 'quarantine.read',
    query: s.InTenant,
    status: 200,
    response: a.QuarantineList,
  }),
  putQuarantine: route({
    method: 'POST',
    path: '/v1/quarantines',
    tag: 'approvals',
    summary: 'Stops an agent, a version, a tenant or a tool, durably. Versions and tenants need a role of the whole host.',
    operation: 'quarantine.write',
    act: 'quarantine',
    body: a.QuarantineRequest,
    status: 201,
    response: a.QuarantinePut,
  }),
  liftQuarantine: route({
    method: 'DELETE',
    path: '/v1/quarantines/:kind/:name',
    tag: 'approvals',
    summary: 'Lifts a quarantine; runs that it stopped go on.',
    operation: 'quarantine.write',
    act: 'lift',
    params: a.QuarantinePath,
    query: a.LiftQuery,
    status: 200,
    response: a.QuarantineLifted,
  }),
  operate: route({
    method: 'POST',
    path: '/v1/operations',
    tag: 'operations',
    summary: 'Pauses, resumes, cancels or kills runs, or takes a tool back from them, and answers with receipts.',
    operation: 'body',
    act: 'operate',
    body: s.OperationRequest,
    status: 200,
    response: s.OperationResult,
  }),
  listOperations: route({
    method: 'GET',
    path: '/v1/operations',
    tag: 'operations',
    summary: 'Lists operations on runs, newest first.',
    operation: 'operation.read',
    query: s.OperationQuery,
    status: 200,
    response: s.OperationList,
  }),
  events: route({
    method: 'GET',
    path: '/v1/events',
    tag: 'events',
    summary: 'Follows events, as server-sent events; `reset` says that some were missed.',
    operation: 'run.read',
    query: s.EventQuery,
    headers: s.EventHeaders,
    status: 200,
    response: s.Event,
    stream: true,
  }),
  ...PEOPLE_ROUTES,
  makeSchedule: route({
    method: 'POST',
    path: '/v1/schedules',
    tag: 'schedules',
    summary: 'Submits a job at every time of a cron expression.',
    operation: 'schedule.write',
    act: 'make-schedule',
    body: s.ScheduleRequest,
    status: 201,
    response: s.Schedule,
  }),
  listSchedules: route({
    method: 'GET',
    path: '/v1/schedules',
    tag: 'schedules',
    summary: 'Lists schedules.',
    operation: 'schedule.read',
    query: s.InTenant,
    status: 200,
    response: s.ScheduleList,
  }),
  removeSchedule: route({
    method: 'DELETE',
    path: '/v1/schedules/:schedule',
    tag: 'schedules',
    summary: 'Removes a schedule; its runs stay.',
    operation: 'schedule.write',
    act: 'remove-schedule',
    params: s.SchedulePath,
    query: s.Removal,
    status: 200,
    response: s.Schedule,
  }),
  ...HEALTH_ROUTES,
  ...HOST_ROUTES,
} as const satisfies Record<string, Route>;

export type RouteName = keyof typeof ROUTES;
type Part<K extends RouteName, P extends 'params' | 'query' | 'headers' | 'body'> = (typeof ROUTES)[K] extends {
  readonly [Q in P]: infer S;
}
  ? S
  : undefined;
type InputPart<K extends RouteName, P extends 'params' | 'query' | 'headers' | 'body'> =
  Part<K, P> extends z.ZodType ? { readonly [Q in P]: z.input<Part<K, P>> } : unknown;
type OutputPart<K extends RouteName, P extends 'params' | 'query' | 'headers' | 'body'> =
  Part<K, P> extends z.ZodType ? z.output<Part<K, P>> : undefined;

/** The arguments of a route's client method. */
export type RouteInput<K extends RouteName> = InputPart<K, 'params'> &
  Partial<InputPart<K, 'query'>> &
  Partial<InputPart<K, 'headers'>> &
  InputPart<K, 'body'>;
/** The parsed request that a handler receives. */
export interface RouteRequest<K extends RouteName> {
  readonly params: OutputPart<K, 'params'>;
  readonly query: OutputPart<K, 'query'>;
  readonly headers: OutputPart<K, 'headers'>;
  readonly body: OutputPart<K, 'body'>;
}
export type RouteAnswer<K extends RouteName> = z.output<(typeof ROUTES)[K]['response']>;
/** The type of a handler's answer: it is checked and serialised by the schema. */
export type RouteReply<K extends RouteName> = z.input<(typeof ROUTES)[K]['response']>;
