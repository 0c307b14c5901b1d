/**
 * The HTTP application of one channel: every route of the table, with the checks that all have in common. Address,
 * authentication, rate and permission are checked in this order; only then is a body read.
 */
import swagger from '@fastify/swagger';
import fastify, {
  LogController,
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerOptions,
} from 'fastify';
import {
  hasZodFastifySchemaValidationErrors,
  isResponseSerializationError,
  jsonSchemaTransform,
  jsonSchemaTransformObject,
  serializerCompiler,
  validatorCompiler,
} from 'fastify-type-provider-zod';
import type { ServerOptions as TlsOptions } from 'node:https';
import { setImmediate } from 'node:timers/promises';
import * as z from 'zod';
import { PROBLEM_TYPE, Problem, problemOf, statusOf } from '@corral/protocol/api/problem';
import { PRIVATE_REASON } from '@corral/protocol/api/withheld';
import { ANY_TENANT, OPERATIONS, type Operation, type Principal } from '@corral/protocol/api/roles';
import { ROUTES, type Route, type RouteName, type RouteRequest } from '@corral/protocol/api/routes';
import { CorralError } from '@corral/protocol/errors';
import { isDeeperThan, JSON_MAX_DEPTH, type Json } from '@corral/protocol/json';
import { JsonTextError, readJsonInPieces } from '@corral/protocol/json-text';
import { ADMISSION, MACHINE } from '@corral/protocol/limits';
import type { ServerContext } from './context.ts';
import { recorder } from '../operation-log.ts';
import type { Access } from '../people/access.ts';
import { hostRefusal, namesOf } from '../people/address.ts';
import { tidy } from './openapi.ts';
import type { Authenticator, Channel } from '../people/authenticate.ts';
import { Reader } from '../people/reader.ts';
import { TooSoon, type Rate } from '../people/rate.ts';
import type { ConsoleSessions } from '../people/console-sessions.ts';
import type { Sessions } from '../people/sessions.ts';
import { RETURN_PATH, type SignIns } from '../people/sign-in.ts';
import { serveConsole, type ConsoleFiles } from './console.ts';
import { written } from './csv.ts';
import { admitted, bucketOf, callerOf, countFailure, guarded, linking, proving, slowSignIn } from './callers.ts';
import { browserOf } from './cookie.ts';
import { serveSignIn } from './sign-in.ts';
import { refuseRaw } from './refuse-raw.ts';
import { STALLED_MS, type Traffic } from './traffic.ts';
import { agentRoutes } from './routes/agents.ts';
import { authorityRoutes } from './routes/authority.ts';
import { approvalRoutes } from './routes/approvals.ts';
import { evidenceRoutes } from './routes/evidence.ts';
import { fixtureRoutes } from './routes/fixtures.ts';
import type { Followers } from './routes/events.ts';
import { governanceRoutes } from './routes/governance.ts';
import { spendingRoutes } from './routes/spending.ts';
import { healthRoutes } from './routes/health.ts';
import { usageRoutes } from './routes/usage.ts';
import type { Context, Handlers } from './routes/handler.ts';
import { operationRoutes } from './routes/operations.ts';
import { markRoutes } from './routes/marks.ts';
import { sceneRoutes } from './routes/scene.ts';
import { sessionRoutes } from './routes/session.ts';
import { memoryRoutes } from './routes/memory.ts';
import { secretRoutes } from './routes/secrets.ts';
import { loginRoutes } from './routes/logins.ts';
import { tokenRoutes } from './routes/tokens.ts';
import { scheduleRoutes } from './routes/schedules.ts';
import { configurationRoutes } from './routes/configuration.ts';
import { serveMcp } from '../mcp/route.ts';
import { toolReviewRoutes } from './routes/tool-reviews.ts';
import { toolRoutes } from './routes/tools.ts';
import { quarantineRoutes } from './routes/quarantines.ts';
import { profileRoutes } from './routes/profiles.ts';
import { linkRoutes } from './routes/links.ts';
import { settlementRoutes } from './routes/settlements.ts';
import { serviceRoutes } from './routes/services.ts';
import { journalRoutes } from './routes/run-journal.ts';
import { countRoutes } from './routes/counts.ts';
import { totalsRoutes } from './routes/totals.ts';
import { runRoutes } from './routes/runs.ts';
import { webhookRoutes } from './routes/webhooks.ts';
import { logRequest } from '../events/log.ts';
import { VERSION } from '../version.ts';

export interface AppOptions {
  readonly door: ServerContext;
  readonly channel: Channel;
  readonly authenticator: Authenticator;
  readonly rate: Rate;
  readonly sessions: Sessions;
  readonly consoleSessions: ConsoleSessions;
  readonly signIns: SignIns;
  /** The files of the console; undefined if it has not been built. */
  readonly console: ConsoleFiles | undefined;
  readonly followers: Followers;
  readonly traffic: Traffic;
  readonly tls?: TlsOptions | undefined;
  readonly logger: FastifyServerOptions['loggerInstance'];
}

/**
 * A bundle, its description and its source map. JSON may double the length of each, since quotes, backslashes and line ends are
 * escaped; a bundle within its limit must not be refused because of that.
 */
const DEPLOY_BYTES = ADMISSION.bundle_bytes.default * 3 * 2;
/**
 * Bodies that differ from `door.body_bytes`. Those of routes for everybody are small, since a body is read before it is known who sends it: a token of
 * an issuer, a link with a reason and a token, and what JSON has around them.
 */
const BODY_BYTES: Partial<Record<RouteName, number>> = { deployAgent: DEPLOY_BYTES, signIn: 10 * 1024, followLink: 16 * 1024 };
/** An input is wrapped in a few more levels. */
const DEEPEST = JSON_MAX_DEPTH + 8;
const HEADERS_MS = 10_000;
const REQUEST_MS = 60_000;
const RETRY_S = 2;

export async function createApp(options: AppOptions): Promise<FastifyInstance> {
  const { door, channel } = options;
  const { settings } = door;
  const app: FastifyInstance = fastify({
    ...(options.logger === undefined ? { logger: false } : { loggerInstance: options.logger }),
    ...(options.tls === undefined ? {} : { https: options.tls as never }),
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: settings.inForce().config.door.body_bytes,
    requestTimeout: REQUEST_MS,
    keepAliveTimeout: 30_000,
    http: { headersTimeout: HEADERS_MS, maxHeaderSize: 16 * 1024 },
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 400, ignoreTrailingSlash: false, caseSensitive: true },
    clientErrorHandler: refuseRaw,
    frameworkErrors: (error, request, reply) => {
      refuse(error, request, reply);
    },
  });
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.removeContentTypeParser('text/plain');
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_: FastifyRequest, bytes: Buffer) => bodyOf(bytes));
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Corral', version: VERSION, description: 'The front door of a Corral host.' },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
    },
    transform: jsonSchemaTransform,
    transformObject: jsonSchemaTransformObject,
  });

  app.setErrorHandler((error, request, reply) => {
    countRefusal(door, request, error);
    return refuse(error, request, reply);
  });
  app.setNotFoundHandler((request, reply) => {
    void refuse(
      new CorralError('CORRAL_ROUTE_UNKNOWN', `There is no ${request.method} ${request.url.split('?')[0]?.slice(0, 200)} here.`),
      request,
      reply,
    );
  });
  // An answer waits in memory for a client that does not take it.
  app.addHook('onSend', async (_, reply) => void reply.raw.setTimeout(STALLED_MS, () => reply.raw.destroy()));
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
    const refusal = channel.kind === 'network' ? hostRefusal(request.headers, namesOf(settings.inForce().config.door)) : undefined;
    if (refusal !== undefined) throw refusal;
  });

  const { logger } = options;
  if (logger !== undefined) app.addHook('onResponse', async (request, reply) => log(logger, request, reply));

  const handlers = handlersOf(options);
  for (const [name, route] of Object.entries(ROUTES) as [RouteName, Route][])
    if (handlers[name] !== undefined) add(app, options, name, route, handlers[name] as AnyHandler);
  serveMcp(app);
  if (channel.kind === 'network') {
    serveConsole(app, options.console);
    serveSignIn(app, {
      signIns: options.signIns,
      random: door.random,
      isHttps: () => settings.inForce().config.door.url?.startsWith('https:') === true,
      slowDown: (request) => slowSignIn(options, request),
      refused: (request, why) => {
        if (why === 'again' || why === 'refused') countFailure(door, request, `GET ${RETURN_PATH}`, 'CORRAL_UNAUTHENTICATED');
      },
    });
  }
  app.get('/openapi.json', { schema: { hide: true } }, () => tidy(app.swagger()));
  return app;
}

/** The handlers of all routes. */
function handlersOf(options: AppOptions): Handlers<RouteName> {
  const { door, channel, followers, authenticator, consoleSessions, rate, signIns } = options;
  const { scene } = door;
  const identify = async (request: FastifyRequest, token: string, redeems = false): Promise<Principal> => {
    const redeemed = () => (redeems ? signIns.redeem(token, browserOf(request)) : undefined);
    const known = async () => (await scene?.visitor(token)) ?? redeemed() ?? authenticator.identify(token);
    const principal = await guarded(options, ROUTES.signIn, request, known);
    rate.take(bucketOf(principal), door.settings.inForce().config.door, door.clock.monotonic());
    return principal;
  };
  const prove = proving(channel, identify);
  return {
    ...agentRoutes(door),
    ...runRoutes(door),
    ...serviceRoutes(door),
    ...countRoutes(door),
    ...journalRoutes(door),
    ...totalsRoutes(door),
    ...evidenceRoutes(door, channel),
    ...fixtureRoutes(door),
    ...operationRoutes(door),
    ...approvalRoutes(door, prove),
    ...linkRoutes(door, { ...linking(options), prove }),
    ...quarantineRoutes(door),
    ...settlementRoutes(door, prove),
    ...authorityRoutes(door),
    ...governanceRoutes(door),
    ...spendingRoutes(door),
    ...usageRoutes(door),
    ...healthRoutes(door),
    ...profileRoutes(door),
    ...markRoutes(door),
    ...tokenRoutes(door),
    ...memoryRoutes(door),
    ...secretRoutes(door),
    ...loginRoutes(door),
    ...sessionRoutes(door, consoleSessions, signIns, (request, token) => identify(request, token, true)),
    ...scheduleRoutes(door),
    ...configurationRoutes(door),
    ...toolReviewRoutes(door),
    ...toolRoutes(door),
    ...webhookRoutes(door),
    ...(scene === undefined ? {} : sceneRoutes(scene, door)),
    events: async (request: RouteRequest<'events'>, context: Context) => followers.follow(request, context),
    runEvents: async (request: RouteRequest<'runEvents'>, context: Context) => followers.followRun(request, context),
  } as unknown as Handlers<RouteName>;
}

type AnyHandler = (request: unknown, context: Context) => Promise<unknown>;

function add(app: FastifyInstance, options: AppOptions, name: RouteName, route: Route, handler: AnyHandler): void {
  const { door, rate, sessions, traffic } = options;
  const { settings, clock } = door;
  app.route({
    method: route.method,
    url: route.path,
    ...(BODY_BYTES[name] === undefined ? {} : { bodyLimit: BODY_BYTES[name] }),
    schema: schemaOf(name, route),
    onRequest: async (request, reply) => {
      if (route.operation === 'open') return;
      if (door.recovering()) throw new CorralError('CORRAL_STARTING', 'This host has just started and is taking up its runs.');
      const { door: limits } = settings.inForce().config;
      const now = clock.monotonic();
      const access = await admitted(options, route, request);
      accesses.set(request, access);
      rate.take(bucketOf(access.principal), limits, now);
      readers.set(request, new Reader(door, access, route, request.headers[PRIVATE_REASON]));
      if (route.operation !== 'anyone' && route.operation !== 'body') access.role(route.operation);
      traffic.enter(access.principal.tenant, lengthOf(request), reply.raw);
    },
    preValidation: async (request) => {
      if (request.body !== undefined && isDeeperThan(request.body, DEEPEST))
        throw new CorralError('CORRAL_REQUEST_INVALID', `The body nests deeper than ${DEEPEST} levels.`);
    },
    handler: async (request, reply) => {
      const { params, query, headers, body } = request;
      const access = accesses.get(request) as Access;
      const { keep, done, failed } = recorder(door.acts, route, access?.principal, { params, query, body });
      const again = () => callerOf(options, request, false);
      const hold = (end: () => void) => sessions.open({ principal: access.principal, again }, end);
      const reader = readers.get(request) as Reader;
      const context = { access, reader, request, reply, keep, hold };
      const answer = await handler({ params, query, headers, body }, context).catch((error: unknown) => {
        failed(error);
        throw error;
      });
      done();
      if (reply.sent || route.stream === true) return reply;
      if (reply.statusCode === 200) reply.code(name === 'submitRun' && reply.hasHeader('idempotent-replayed') ? 200 : route.status);
      return written(route, name, answer, request, reply);
    },
  });
}

/** Length of a body; where the request does not say it, the longest that its route takes. */
function lengthOf({ headers, method, routeOptions }: FastifyRequest): number {
  const { 'content-length': length, 'transfer-encoding': coding } = headers;
  if (length !== undefined) return Number(length);
  return coding === undefined || method === 'GET' ? 0 : routeOptions.bodyLimit;
}

/** Schemas of an answer, by its content type. */
function answersOf(route: Route) {
  const kind = kindOf(route);
  if (kind !== undefined) return { content: { [kind]: { schema: route.response } } };
  if (route.csv === undefined) return route.response;
  return { content: { 'application/json': { schema: route.response }, 'text/csv': { schema: z.string() } } };
}

/** The content type of an answer; undefined for JSON. */
const kindOf = ({ stream, text }: Route) => (stream === true ? 'text/event-stream' : text === true ? 'text/plain' : undefined);

/** The schemas of a route’s request and answer, for validation and for the OpenAPI document. */
function schemaOf(name: RouteName, route: Route) {
  return {
    operationId: name,
    summary: route.summary,
    description: aboutOf(route.operation),
    tags: [route.tag],
    ...(route.operation === 'open' ? { security: [] } : {}),
    ...(route.params === undefined ? {} : { params: route.params }),
    ...(route.query === undefined ? {} : { querystring: route.query }),
    ...(route.headers === undefined ? {} : { headers: route.headers }),
    ...(route.body === undefined ? {} : { body: route.body }),
    response: {
      [route.status]: answersOf(route),
      ...(name === 'submitRun' ? { 200: route.response } : {}),
      ...(name === 'ready' ? { 503: route.response } : {}),
      '4xx': { content: { [PROBLEM_TYPE]: { schema: Problem } } },
    },
  };
}

/** Refusals, for the log. */
const codes = new WeakMap<FastifyRequest, string>();

function log(logger: FastifyBaseLogger, request: FastifyRequest, reply: FastifyReply): void {
  const { run } = (request.params ?? {}) as { readonly run?: string };
  logRequest(logger, {
    method: request.method,
    route: request.routeOptions.url ?? 'unknown',
    status: reply.statusCode,
    took_ms: reply.elapsedTime,
    by: accesses.get(request)?.principal.id,
    run,
    code: codes.get(request),
  });
}

/** The caller of each request, set when the request was let in. */
const accesses = new WeakMap<FastifyRequest, Access>();

/** The reader behind each request. */
const readers = new WeakMap<FastifyRequest, Reader>();

/** Statuses of refusals to an authenticated caller. */
const REFUSED: ReadonlySet<number> = new Set([403, 409]);

function countRefusal({ refusals }: ServerContext, request: FastifyRequest, error: unknown): void {
  const access = accesses.get(request);
  if (access === undefined || !(error instanceof CorralError) || !REFUSED.has(statusOf(error.code))) return;
  const { id, roles, tenant } = access.principal;
  const route = `${request.method} ${request.routeOptions.url ?? ''}`;
  refusals.count({
    operation: 'refuse-request',
    by: id,
    roles,
    tenant: tenant === ANY_TENANT ? undefined : tenant,
    route,
    code: error.code,
  });
}

function aboutOf(operation: Route['operation']): string {
  if (operation === 'open') return 'For everybody.';
  if (operation === 'anyone') return 'For everybody with a token.';
  if (operation === 'body') return 'Roles: as the operation in the body needs.';
  const row: { readonly roles: readonly string[]; readonly host?: true } = OPERATIONS[operation satisfies Operation];
  return `Roles: ${row.roles.join(', ')}${row.host === true ? '; of the whole host' : ''}.`;
}

function refuse(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { failure, status, errors } = explained(error, request);
  codes.set(request, failure.code);
  if (failure.audience === 'bug') request.log.error({ err: failure.cause ?? failure, route: request.routeOptions.url }, 'failed');
  if (failure instanceof TooSoon) reply.header('retry-after', String(failure.retry_after_s));
  else if (status === 429 || status === 503) reply.header('retry-after', String(RETRY_S));
  if (status === 401) reply.header('www-authenticate', 'Bearer realm="corral"');
  // Serialised here, because the route's own schema describes only its successful answer.
  return reply
    .code(status)
    .type(PROBLEM_TYPE)
    .serializer((body: unknown) => JSON.stringify(body))
    .send(problemOf(failure, status, errors));
}

function explained(
  error: unknown,
  request: FastifyRequest,
): { readonly failure: CorralError; readonly status: number; readonly errors?: Problem['errors'] } {
  if (error instanceof CorralError) return { failure: error, status: statusOf(error.code) };
  if (hasZodFastifySchemaValidationErrors(error)) {
    const where = (error as FastifyError & { validationContext?: string }).validationContext ?? 'request';
    const errors = error.validation.slice(0, 20).map(({ instancePath, message }) => ({
      at: `${where === 'querystring' ? 'query' : where}${instancePath}`.slice(0, 300),
      message: (message ?? 'is invalid').slice(0, 300),
    }));
    return { failure: new CorralError('CORRAL_REQUEST_INVALID', 'The request does not fit its schema.'), status: 400, errors };
  }
  const { statusCode, message } = error as Partial<FastifyError>;
  if (!isResponseSerializationError(error) && statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    if (statusCode === 413) return { failure: tooLarge(request), status: statusCode };
    return { failure: new CorralError('CORRAL_REQUEST_INVALID', sentence(message ?? 'The request is invalid')), status: statusCode };
  }
  return { failure: new CorralError('CORRAL_INTERNAL', 'The request failed.', { cause: error }), status: 500 };
}

/** Says which limit was exceeded, and for what. */
function tooLarge({ routeOptions: { bodyLimit, schema } }: FastifyRequest): CorralError {
  const { operationId } = (schema ?? {}) as { readonly operationId?: string };
  if (operationId === ('deployAgent' satisfies RouteName))
    return new CorralError(
      'CORRAL_BUNDLE_TOO_LARGE',
      `The bundle comes in a request of more than ${bodyLimit} bytes; a bundle may have at most ${ADMISSION.bundle_bytes.default}.`,
    );
  return new CorralError('CORRAL_REQUEST_TOO_LARGE', `The body has more than ${bodyLimit} bytes, which is the limit here.`);
}

/** Depth is checked for each route, with the name of the member that is too deep. */
const BODY = { depth: Number.POSITIVE_INFINITY, members: MACHINE.body_members.default, names: MACHINE.body_names.default };

/** An empty body counts as none, whatever its content type: many clients send a DELETE with a content type and no body. */
async function bodyOf(bytes: Buffer): Promise<Json | undefined> {
  if (bytes.length === 0) return undefined;
  try {
    const pieces = readJsonInPieces(bytes, BODY);
    for (let piece = pieces.next(); ; piece = pieces.next()) {
      if (piece.done === true) return piece.value;
      // Other requests and runs have their turn before the next piece.
      await setImmediate();
    }
  } catch (error) {
    if (!(error instanceof JsonTextError)) throw error;
    throw new CorralError('CORRAL_REQUEST_INVALID', `The body ${error.message}.`);
  }
}

const sentence = (text: string): string => (text.endsWith('.') ? text : `${text}.`).slice(0, 300);
