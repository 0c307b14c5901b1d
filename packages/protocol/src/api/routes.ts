/** Every route of the front door: method, path, who may, what goes in, what comes out. */
import * as z from 'zod';
import { AgentName } from '../ids.ts';
import type { Operation } from './roles.ts';
import * as a from './approvals.ts';
import * as s from './schemas.ts';

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** `:name` for parameters. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  /** What the principal must be allowed; `open`: nothing, `anyone`: to be somebody, `body`: it depends on the body. */
  readonly operation: Operation | 'open' | 'anyone' | 'body';
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly headers?: z.ZodObject;
  readonly body?: z.ZodType;
  readonly status: number;
  readonly response: z.ZodType;
  /** It answers with a stream of server-sent events, each as the response schema says. */
  readonly stream?: true;
}

const route = <const R extends Route>(one: R): R => one;
const agentPath = z.strictObject({ agent: AgentName.meta({ description: 'percent-encoded, since names may hold a /' }) });
const aliasPath = agentPath.extend({ alias: s.AliasName });

export const ROUTES = {
  deployAgent: route({
    method: 'POST',
    path: '/v1/agents',
    tag: 'agents',
    summary: 'Deploys a bundle. The same one again changes nothing.',
    operation: 'agent.deploy',
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
    query: s.InTenant,
    status: 200,
    response: s.ToolList,
  }),
  submitRun: route({
    method: 'POST',
    path: '/v1/runs',
    tag: 'runs',
    summary: 'Submits a job. When this answers, it is durable and will be run.',
    operation: 'run.submit',
    headers: s.IdempotencyHeader,
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
    summary: 'Explains the state a run is in, and what can be done.',
    operation: 'run.read',
    params: s.RunPath,
    status: 200,
    response: s.Why,
  }),
  runAuthority: route({
    method: 'GET',
    path: '/v1/runs/:run/authority',
    tag: 'runs',
    summary: 'Says everything a run could ever reach, and by which grants.',
    operation: 'run.payload',
    params: s.RunPath,
    status: 200,
    response: a.Authority,
  }),
  runCalls: route({
    method: 'GET',
    path: '/v1/runs/:run/calls',
    tag: 'runs',
    summary: 'Lists the calls of a run.',
    operation: 'run.payload',
    params: s.RunPath,
    status: 200,
    response: s.CallList,
  }),
  runMessages: route({
    method: 'GET',
    path: '/v1/runs/:run/messages',
    tag: 'runs',
    summary: 'Lists the messages of a run.',
    operation: 'run.payload',
    params: s.RunPath,
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
  resolveCall: route({
    method: 'POST',
    path: '/v1/runs/:run/calls/:call/resolution',
    tag: 'runs',
    summary: 'Settles a call whose result is unknown.',
    operation: 'run.resolve',
    params: s.CallPath,
    body: s.Resolution,
    status: 200,
    response: s.Resolved,
  }),
  releaseRun: route({
    method: 'POST',
    path: '/v1/runs/:run/release',
    tag: 'runs',
    summary: 'Lets a run go on that is held: it came from a backup, or replays differently on this runtime.',
    operation: 'run.resolve',
    params: s.RunPath,
    body: s.Release,
    status: 200,
    response: s.RunSummary,
  }),
  listApprovals: route({
    method: 'GET',
    path: '/v1/approvals',
    tag: 'approvals',
    summary: 'Lists calls that wait for people: who asks, what exactly, which rules, and what is unusual.',
    operation: 'approval.read',
    query: s.InTenant,
    status: 200,
    response: a.ApprovalList,
  }),
  decideApproval: route({
    method: 'POST',
    path: '/v1/approvals/:run/:call',
    tag: 'approvals',
    summary: 'Approves or denies a call, as yourself. Whoever submitted the run may not.',
    operation: 'approval.decide',
    params: s.CallPath,
    body: a.Judgement,
    status: 200,
    response: a.Judged,
  }),
  listQuarantines: route({
    method: 'GET',
    path: '/v1/quarantines',
    tag: 'approvals',
    summary: 'Lists quarantines that stand.',
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
    body: a.QuarantineRequest,
    status: 201,
    response: a.Quarantine,
  }),
  liftQuarantine: route({
    method: 'DELETE',
    path: '/v1/quarantines/:kind/:name',
    tag: 'approvals',
    summary: 'Lifts a quarantine; runs that it kept still go on.',
    operation: 'quarantine.write',
    params: a.QuarantinePath,
    query: a.LiftQuery,
    status: 200,
    response: a.Quarantine,
  }),
  operate: route({
    method: 'POST',
    path: '/v1/operations',
    tag: 'operations',
    summary: 'Pauses, resumes, cancels or kills runs, and answers with receipts.',
    operation: 'body',
    body: s.OperationRequest,
    status: 200,
    response: s.OperationResult,
  }),
  listOperations: route({
    method: 'GET',
    path: '/v1/operations',
    tag: 'operations',
    summary: 'Lists what was done to runs, newest first.',
    operation: 'operation.read',
    query: s.OperationQuery,
    status: 200,
    response: s.OperationList,
  }),
  events: route({
    method: 'GET',
    path: '/v1/events',
    tag: 'events',
    summary: 'Follows what happens, as server-sent events; `reset` says that some were missed.',
    operation: 'run.read',
    query: s.EventQuery,
    headers: s.EventHeaders,
    status: 200,
    response: s.Event,
    stream: true,
  }),
  makeToken: route({
    method: 'POST',
    path: '/v1/tokens',
    tag: 'people',
    summary: 'Makes a token; its secret is in this answer and nowhere else.',
    operation: 'token.write',
    body: s.TokenRequest,
    status: 201,
    response: s.TokenMade,
  }),
  listTokens: route({
    method: 'GET',
    path: '/v1/tokens',
    tag: 'people',
    summary: 'Lists tokens.',
    operation: 'token.read',
    query: s.InTenant,
    status: 200,
    response: s.TokenList,
  }),
  revokeToken: route({
    method: 'DELETE',
    path: '/v1/tokens/:token',
    tag: 'people',
    summary: 'Revokes a token, at once.',
    operation: 'token.write',
    params: s.TokenPath,
    status: 200,
    response: s.TokenView,
  }),
  whoAmI: route({
    method: 'GET',
    path: '/v1/whoami',
    tag: 'people',
    summary: 'Says who you are here.',
    operation: 'anyone',
    status: 200,
    response: s.WhoAmI,
  }),
  makeSchedule: route({
    method: 'POST',
    path: '/v1/schedules',
    tag: 'schedules',
    summary: 'Submits a job again and again, by a cron expression.',
    operation: 'schedule.write',
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
    params: s.SchedulePath,
    status: 200,
    response: s.Schedule,
  }),
  showConfig: route({
    method: 'GET',
    path: '/v1/config',
    tag: 'configuration',
    summary: 'Shows the configuration in force.',
    operation: 'config.read',
    status: 200,
    response: s.ConfigView,
  }),
  checkConfig: route({
    method: 'POST',
    path: '/v1/config/check',
    tag: 'configuration',
    summary: 'Reads the configuration file again and says what would change.',
    operation: 'config.apply',
    status: 200,
    response: s.ConfigCheck,
  }),
  applyConfig: route({
    method: 'POST',
    path: '/v1/config/apply',
    tag: 'configuration',
    summary: 'Reads the configuration file again and applies it, all of it or nothing.',
    operation: 'config.apply',
    status: 200,
    response: s.ConfigCheck,
  }),
  health: route({
    method: 'GET',
    path: '/healthz',
    tag: 'host',
    summary: 'Says that the process answers.',
    operation: 'open',
    status: 200,
    response: s.Health,
  }),
  ready: route({
    method: 'GET',
    path: '/readyz',
    tag: 'host',
    summary: 'Says whether work is taken; 503 while it is not.',
    operation: 'open',
    status: 200,
    response: s.Ready,
  }),
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

/** What a client says to call a route. */
export type RouteInput<K extends RouteName> = InputPart<K, 'params'> &
  Partial<InputPart<K, 'query'>> &
  Partial<InputPart<K, 'headers'>> &
  InputPart<K, 'body'>;
/** What a handler is given: parsed. */
export interface RouteRequest<K extends RouteName> {
  readonly params: OutputPart<K, 'params'>;
  readonly query: OutputPart<K, 'query'>;
  readonly headers: OutputPart<K, 'headers'>;
  readonly body: OutputPart<K, 'body'>;
}
export type RouteAnswer<K extends RouteName> = z.output<(typeof ROUTES)[K]['response']>;
/** What a handler may return: it is checked and serialised by the schema. */
export type RouteReply<K extends RouteName> = z.input<(typeof ROUTES)[K]['response']>;
