/**
 * Telemetry of a host: it writes what observers are told as facts, and answers for what only the host knows at the moment it is asked. The
 * thread of telemetry does the rest.
 */
import type { FastifyBaseLogger } from 'fastify';
import { CorralError } from '@corral/protocol/errors';
import { modelIn, type RunId } from '@corral/protocol/ids';
import { TELEMETRY } from '@corral/protocol/limits-telemetry';
import type { Result } from '@corral/protocol/wire/delivery';
import type { Observation, Stall, Taken } from '@corral/supervisor';
import { callerIn } from '@corral/telemetry/caller';
import type { FactWriter } from '@corral/telemetry/facts';
import { latestOnly } from '@corral/telemetry/names';
import type { Reading } from '@corral/telemetry/messages';
import { traceOf } from '@corral/telemetry/span';
import { Telemetry } from '@corral/telemetry/thread';
import type { LoadedConfig } from '../config/load.ts';
import type { HostPort } from '../ports.ts';
import { VERSION } from '../version.ts';
import type { Feed } from './stream.ts';
import type { Outbox } from './webhooks/outbox.ts';
import { keyOf } from './webhooks/hooks.ts';

export const OPT_IN_ENV = 'OTEL_SEMCONV_STABILITY_OPT_IN';
/** How often the thread is handed what the host knows, for the figures that a collector is sent. */
const READ_MS = 15_000;
const STALLS: readonly Stall['reason'][] = ['no_progress', 'cells_do_not_start'];

export interface TelemetryDeps {
  readonly host: Pick<HostPort, 'observe' | 'load' | 'stalls'>;
  readonly feed: Pick<Feed, 'dropped'>;
  readonly outbox: Pick<Outbox, 'deliveries' | 'stateOf'>;
  readonly log: FastifyBaseLogger | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether the disk of the data folder is full, or nearly. */
  readonly full: () => boolean;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export interface HostTelemetry {
  /** The figures, in the text format of Prometheus. @throws CORRAL_TELEMETRY_LOST */
  readonly text: () => Promise<string>;
  /** The id of the trace of a run, for lines of the log; undefined for a run that has not been in memory. */
  readonly traceIdOf: (run: string) => string | undefined;
  readonly close: () => Promise<void>;
}

/** Starts telemetry if the configuration asks for it. A collector that is away, or a secret that is missing, keeps no host from starting. */
export async function telemetryOf(loaded: LoadedConfig, deps: TelemetryDeps): Promise<HostTelemetry | undefined> {
  const { telemetry } = loaded.config;
  if (telemetry === undefined) return undefined;
  const { host, log, env, now } = deps;
  const thread = new Telemetry({
    collector: await collectorOf(loaded, log),
    sample: telemetry.sample,
    latest: latestOnly(env[OPT_IN_ENV]),
    resource: {
      attributes: [
        ['service.name', env['OTEL_SERVICE_NAME'] || 'corral'],
        ['service.version', VERSION],
      ],
      version: VERSION,
    },
    onTrouble: (why) =>
      why === undefined ? log?.warn('the collector takes telemetry again') : log?.warn({ why }, 'the collector takes no telemetry'),
    onLost: (error) => log?.error({ err: error }, 'the thread of telemetry has ended; this host goes on without'),
  });
  const write = writerOf(thread.facts, now);
  const roots = new Map<string, RunId>();
  const stop = host.observe((seen) => {
    if (seen.kind === 'admitted' || seen.kind === 'woken') rooted(roots, seen);
    write(seen);
  });
  const reading = setInterval(() => {
    readingsOf(deps, loaded).then(
      (readings) => thread.read(readings),
      (error: unknown) => log?.warn({ err: error }, 'the state of the host could not be read for telemetry'),
    );
  }, READ_MS).unref();
  return {
    text: async () => thread.text(await readingsOf(deps, loaded)),
    traceIdOf(run) {
      const root = roots.get(run);
      return root && Buffer.from(traceOf(root)).toString('hex');
    },
    async close() {
      clearInterval(reading);
      stop();
      await thread.close();
    },
  };
}

/** Remembers the first ancestor of a run; those of the runs that were in memory last. */
function rooted(roots: Map<string, RunId>, { taken: about }: Entered): void {
  if (about === undefined) return;
  roots.delete(about.record.id);
  roots.set(about.record.id, rootOf(about.record));
  if (roots.size <= TELEMETRY.runs_known.default) return;
  const [oldest] = roots.keys();
  if (oldest !== undefined) roots.delete(oldest);
}

const rootOf = ({ id, root, parent }: Taken['record']): RunId => root ?? parent?.run ?? id;

async function collectorOf({ config, vault }: LoadedConfig, log: FastifyBaseLogger | undefined) {
  const otlp = config.telemetry?.otlp;
  if (otlp === undefined) return undefined;
  try {
    const headers: Record<string, string> = {};
    for (const [name, secret] of Object.entries(otlp.headers)) headers[name] = await vault.read(secret);
    return { url: otlp.url, headers };
  } catch (error) {
    if (!(error instanceof CorralError)) throw error;
    log?.error({ code: error.code }, `no telemetry is sent: ${error.message} ${error.hint}`);
    return undefined;
  }
}

/** Figures that the host knows now. */
async function readingsOf({ host, feed, outbox, full }: TelemetryDeps, { config }: LoadedConfig): Promise<Reading[]> {
  const load = await host.load();
  const stalled = new Set(host.stalls().map(({ reason }) => reason));
  const queues = config.webhooks.map((one) => ({ ...outbox.deliveries.summary(keyOf(one)), ...outbox.stateOf(keyOf(one)) }));
  const sum = (name: 'pending' | 'given_up') => queues.reduce((all, one) => all + one[name], 0);
  return [
    ...[...load.states].map(([state, count]): Reading => ['runs', [state], count]),
    ...[...load.waiting].map(([what, count]): Reading => ['waiting', [what], count]),
    ['oldest', [], load.oldest_ms / 1000],
    ...STALLS.map((reason): Reading => ['stalled', [reason], stalled.has(reason) ? 1 : 0]),
    ['diskFull', [], full() ? 1 : 0],
    ['cells', [], load.cells],
    ['webhooksWaiting', [], sum('pending')],
    ['webhooksGivenUp', [], sum('given_up')],
    ['webhooksFailing', [], queues.filter(({ failures }) => failures > 0).length],
    ['eventsDropped', [], feed.dropped],
    ['resident', [], process.memoryUsage.rss()],
  ];
}

type Entered = Extract<Observation, { readonly kind: 'admitted' | 'woken' }>;

/** Acts whose name alone is a fact about a run. */
type Told = Extract<Observation, { readonly kind: 'paused' | 'held' | 'damaged' | 'refused' }>;

/** Writes observations as facts. @param now milliseconds since 1970 */
export function writerOf(facts: FactWriter, now: () => number): (seen: Observation) => void {
  return (seen) => {
    switch (seen.kind) {
      case 'admitted':
      case 'woken':
        return taken(facts, seen, now());
      case 'began':
        return facts.began(seen.run, now());
      case 'parked':
        return facts.parked(seen.run, now(), seen.view.waiting);
      case 'ended':
        return ended(facts, seen, now());
      case 'cranked':
        return cranked(facts, seen, now());
      case 'answered':
        return called(facts, { ...seen, peer: undefined }, now());
      case 'replied':
        return called(facts, { ...seen, tool: seen.what, ms: 0 }, now());
      case 'asked':
        return facts.asked(seen.run, now(), seen.call, seen.tool);
      case 'decided':
        return facts.decided(seen.run, now(), seen.call, seen.tool, seen.verdict, seen.since);
      case 'denied': {
        const { id, tool, agent, action, code, rules } = seen.decision;
        return facts.denied(seen.run, now(), id, tool ?? agent ?? action ?? 'effect', code ?? 'denied', rules?.[0] ?? '');
      }
      case 'step':
        return facts.step(seen.run, now(), seen.detector, seen.step);
      case 'quarantined':
      case 'revoked':
        return facts.act(seen.run, now(), seen.kind);
      case 'paused':
      case 'held':
      case 'damaged':
      case 'refused':
        return facts.act(seen.run, now(), seen.kind satisfies Told['kind']);
      case 'lifted':
      case 'resting':
      case 'rested':
      case 'warned':
      case 'hopeless':
        return facts.act(undefined, now(), seen.kind);
      case 'differs':
      case 'context':
      case 'chunk':
      case 'emitted':
      case 'logged':
      case 'stalled':
      case 'moves':
    }
  };
}

function taken(facts: FactWriter, { kind, taken: about }: Entered, at: number): void {
  if (about === undefined) return;
  const { record, version, epoch, fresh } = about;
  const { id: run, parent, tenant, agent, created_at, origin } = record;
  const caller = callerIn(record.trace);
  if (caller !== undefined) facts.caller(run, caller);
  facts.run({
    run,
    root: rootOf(record),
    parent: parent?.run,
    tenant,
    agent,
    version,
    created_at,
    epoch,
    woken_at: kind === 'woken' && !fresh ? at : undefined,
    origin: origin?.run,
  });
}

function ended(facts: FactWriter, { run, outcome, view }: Extract<Observation, { readonly kind: 'ended' }>, at: number): void {
  const why = 'code' in outcome ? outcome.code : 'limit' in outcome ? outcome.limit : undefined;
  const { cpu_ms, calls, money_micros } = view;
  facts.ended({ run, at, outcome: outcome.kind, why, cpu_ms, calls, money_micros });
}

function cranked(
  facts: FactWriter,
  { run, delivery, inbox, ms, cpu_us }: Extract<Observation, { readonly kind: 'cranked' }>,
  at: number,
): void {
  const { kind } = delivery;
  if (kind === 'message') facts.message(run, at, delivery.from.run, undefined, inbox ?? 0);
  const number = kind === 'timer' || kind === 'child_ended' ? delivery.id : 0;
  facts.crank(run, at, kind, ms, cpu_us, number, kind === 'child_ended' ? delivery.run : undefined);
}

/** The answer of a model, as far as telemetry reads it; see `ModelAnswer` of packages/tools. */
interface Said {
  readonly usage?: { readonly inputTokens?: { readonly total?: number }; readonly outputTokens?: { readonly total?: number } };
  readonly maker?: { readonly provider?: string; readonly model?: string };
}

function called(
  facts: FactWriter,
  seen: {
    readonly run: RunId;
    readonly call: number;
    readonly tool: string;
    readonly ms: number;
    readonly result: Result;
    readonly peer: RunId | undefined;
  },
  at: number,
): void {
  const { run, call, tool, ms, result, peer } = seen;
  const asked = modelIn(tool);
  const said = (asked !== undefined && 'value' in result ? result.value : undefined) as Said | null | undefined;
  facts.call({
    run,
    call,
    tool,
    code: 'error' in result ? result.error.code : undefined,
    at,
    took_ms: ms,
    attempts: result.attempts ?? 1,
    provider: asked === undefined ? undefined : (said?.maker?.provider ?? 'unknown'),
    model: said?.maker?.model ?? asked,
    input_tokens: said?.usage?.inputTokens?.total ?? 0,
    output_tokens: said?.usage?.outputTokens?.total ?? 0,
    money_micros: result.cost?.money_micros ?? 0,
    peer,
  });
}
