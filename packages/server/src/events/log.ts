/**
 * The host's log: a line for each request, each end of a run, each failure and each change. Payloads, what agents emit and log, and query
 * strings are in none of them.
 */
import type { FastifyBaseLogger } from 'fastify';
import type { Event } from '@corral/protocol/api/schemas';
import type { EventKind } from '@corral/protocol/api/event-kinds';
import type { Feed } from './stream.ts';

type Level = 'debug' | 'info' | 'warn' | 'error';

/** Levels of kinds of events; those that are not listed are changes, at `info`. Undefined: no line. */
const LEVELS: Partial<Record<EventKind, Level | undefined>> = {
  'run.emitted': undefined,
  'run.logged': undefined,
  'run.chunk': undefined,
  // These have lines with more in them, from where they happen.
  'tool.failed': undefined,
  'tools.failed': undefined,
  'tools.restarted': undefined,
  'policy.alarm': undefined,
  'webhook.given_up': undefined,
  // The request, or the end of the parent's crank, has said so.
  'run.admitted': 'debug',
  'run.began': 'debug',
  'run.context': 'debug',
  'run.damaged': 'error',
  'policy.differs': 'error',
  'host.disk_full': 'error',
  'host.stalled': 'error',
  'run.refused': 'warn',
  'run.held': 'warn',
  'run.step': 'warn',
  'run.budget_low': 'warn',
  'spend.warned': 'warn',
  'quarantine.put': 'warn',
  'agent.resting': 'warn',
};
/** Ends that somebody asked for, and good ones. Any other is a failure. */
const CALM = /^(?:completed|killed|cancelled)/;

/** Writes a line for each event that is one of these. @param traceIdOf the id of the trace of a run, where there is telemetry */
export function logEvents(feed: Feed, log: FastifyBaseLogger, traceIdOf: (run: string) => string | undefined): () => void {
  return feed.listen((event) => {
    const level = levelOf(event);
    if (level === undefined) return;
    const { kind, tenant, run, agent, data } = event;
    const about = { tenant, run, agent };
    const named = Object.fromEntries(Object.entries(about).filter(([, value]) => value !== null));
    const trace_id = run === null ? undefined : traceIdOf(run);
    log[level]({ event: kind, ...named, ...(trace_id === undefined ? {} : { trace_id }), ...(isEmpty(data) ? {} : { data }) }, kind);
  });
}

function levelOf({ kind, data }: Event): Level | undefined {
  if (kind !== 'run.ended') return kind in LEVELS ? LEVELS[kind] : 'info';
  const ended = (data as { readonly ended_as?: string } | null)?.ended_as ?? '';
  return CALM.test(ended) ? 'info' : 'warn';
}

const isEmpty = (data: unknown): boolean => data === null || (typeof data === 'object' && Object.keys(data).length === 0);

export interface Answered {
  readonly method: string;
  /** The route, with the names of its parameters instead of their values. */
  readonly route: string;
  readonly status: number;
  readonly took_ms: number;
  readonly by: string | undefined;
  readonly run: string | undefined;
  /** Code of the refusal, if it was one. */
  readonly code: string | undefined;
}

/** Routes that machines ask all the time. */
const OFTEN = /^\/(?:livez|readyz|healthz|metrics)\b/;

export function logRequest(log: FastifyBaseLogger, { method, route, status, took_ms, by, run, code }: Answered): void {
  const level = status >= 500 ? 'error' : OFTEN.test(route) ? 'debug' : status >= 400 ? 'warn' : 'info';
  const line = {
    method,
    route,
    status,
    took_ms: Math.round(took_ms * 10) / 10,
    ...(by === undefined ? {} : { by }),
    ...(run === undefined ? {} : { run }),
    ...(code === undefined ? {} : { code }),
  };
  log[level](line, 'request');
}
