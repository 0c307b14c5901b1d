/** The routes that the console asks, with method and path: the schemas of the protocol would be three times as large as the page. */
import type { RouteName } from '@corral/protocol/api/routes';

/** `routes.test.ts` holds each to the protocol's own table. */
export const PATHS = {
  signIn: 'POST /v1/session',
  signOut: 'DELETE /v1/session',
  showSession: 'GET /v1/session',
  listRuns: 'GET /v1/runs',
  showRun: 'GET /v1/runs/:run',
  countRuns: 'GET /v1/runs/counts',
  runHistory: 'GET /v1/runs/history',
  runTree: 'GET /v1/runs/:run/tree',
  whyRun: 'GET /v1/runs/:run/why',
  runAuthority: 'GET /v1/runs/:run/authority',
  runCalls: 'GET /v1/runs/:run/calls',
  runMessages: 'GET /v1/runs/:run/messages',
  runJournal: 'GET /v1/runs/:run/journal',
  storyRun: 'GET /v1/runs/:run/story',
  runEvents: 'GET /v1/runs/:run/events',
  resolveCall: 'POST /v1/runs/:run/calls/:call/resolution',
  revokeGrant: 'POST /v1/grants/:grant/revoke',
  listApprovals: 'GET /v1/approvals',
  countApprovals: 'GET /v1/approvals/count',
  decideApproval: 'POST /v1/approvals/:run/:call',
  operate: 'POST /v1/operations',
  listOperations: 'GET /v1/operations',
  listAgents: 'GET /v1/agents',
  listQuarantines: 'GET /v1/quarantines',
  putQuarantine: 'POST /v1/quarantines',
  liftQuarantine: 'DELETE /v1/quarantines/:kind/:name',
  totals: 'GET /v1/totals',
  listSpend: 'GET /v1/spend',
  ready: 'GET /readyz',
  listTokens: 'GET /v1/tokens',
  makeToken: 'POST /v1/tokens',
  revokeToken: 'DELETE /v1/tokens/:token',
  listSchedules: 'GET /v1/schedules',
  removeSchedule: 'DELETE /v1/schedules/:schedule',
  listWebhooks: 'GET /v1/webhooks',
  events: 'GET /v1/events',
} as const satisfies Partial<Record<RouteName, `${string} /${string}`>>;

export type Asked = keyof typeof PATHS;
