/**
 * Telemetry of a host: it has what observers are told written as facts, and answers for what only the host knows at the moment it is asked. The
 * thread of telemetry does the rest.
 */
import type { FastifyBaseLogger } from 'fastify';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { FrontReads } from '@corral/protocol/ports/front-reads';
import type { Stall } from '@corral/supervisor';
import { latestOnly } from '@corral/telemetry/names';
import type { Reading } from '@corral/telemetry/messages';
import { resourceOf } from '@corral/telemetry/resource';
import { place, traceOf } from '@corral/telemetry/span';
import { Telemetry } from '@corral/telemetry/thread';
import type { LoadedConfig } from '../config/load.ts';
import type { HostPort } from '../ports.ts';
import { VERSION } from '../version.ts';
import { RunFacts } from './facts.ts';
import { logRecords } from './log-records.ts';
import type { LogTap } from './log-tap.ts';
import type { Feed } from './stream.ts';
import type { Outbox } from './webhooks/outbox.ts';
import { keyOf } from './webhooks/hooks.ts';

export const OPT_IN_ENV = 'OTEL_SEMCONV_STABILITY_OPT_IN';
/** How often the thread is handed what the host knows, for the figures that a collector is sent. */
const READ_MS = 15_000;
/** How long one reading serves all who ask: several programs may read the figures of a host, each as often as it likes. */
const FRESH_MS = 5_000;
const STALLS: readonly Stall['reason'][] = ['no_progress', 'cells_do_not_start'];

export interface TelemetryDeps {
  readonly host: Pick<HostPort, 'observe' | 'load' | 'stalls'>;
  readonly reads: Pick<FrontReads, 'notifications'>;
  readonly feed: Pick<Feed, 'dropped'>;
  readonly outbox: Pick<Outbox, 'stateOf'>;
  /** The configuration in force. */
  readonly config: () => LoadedConfig;
  readonly log: FastifyBaseLogger | undefined;
  /** Gets the lines of `log`. */
  readonly tap: LogTap | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Tells this process from every other. */
  readonly instance: string;
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
  const { host, log, env, instance, now } = deps;
  const collector = await collectorOf(loaded, log);
  const thread = new Telemetry({
    collector,
    sample: telemetry.sample,
    latest: latestOnly(env[OPT_IN_ENV]),
    resource: resourceOf(env, { version: VERSION, instance }),
    onTrouble: (signal, why) =>
      why === undefined
        ? log?.warn({ signal }, 'the collector takes telemetry again')
        : log?.warn({ signal, why: loaded.vault.redact(why) }, 'the collector takes no telemetry'),
    onFault: (why) => log?.error({ why: loaded.vault.redact(why) }, 'telemetry made a mistake; it goes on, and counts what it lost'),
    onLost(error, again) {
      if (again) facts.restarted();
      log?.error({ err: error }, `the thread of telemetry has ended; ${again ? 'another one was started' : 'this host goes on without'}`);
    },
  });
  const { content, logs, sample } = telemetry;
  const isWanted = (tenant: string) => content === true || (content !== false && content.some((one) => one === tenant));
  const facts = new RunFacts(thread.facts, now, {
    // It is made only where it goes somewhere: to a collector, with the spans of this family.
    content: (tenant, root) => collector !== undefined && isWanted(tenant) && place(traceOf(root)) < sample,
    logs: logs && collector !== undefined,
  });
  if (logs && collector !== undefined && deps.tap !== undefined)
    deps.tap.to = logRecords(thread.facts, (text) => deps.config().vault.redact(text), now);
  const stop = host.observe(facts.write);
  const read = cached(() => readingsOf(deps), now);
  const failed = (error: unknown) => log?.warn({ err: error }, 'the state of the host could not be read for telemetry');
  // Without a collector nobody reads the figures but those who ask for them.
  const reading = collector && setInterval(() => void read().then((readings) => thread.read(readings), failed), READ_MS).unref();
  return {
    text: async () => thread.text(await read()),
    traceIdOf(run) {
      const root = facts.rootOf(run as RunId);
      return root && Buffer.from(traceOf(root)).toString('hex');
    },
    async close() {
      clearInterval(reading);
      stop();
      if (deps.tap !== undefined) deps.tap.to = undefined;
      await thread.close();
    },
  };
}

/** Gives the last reading as long as it is fresh; those who ask at the same time share one. @param now milliseconds */
function cached<T>(read: () => Promise<T>, now: () => number): () => Promise<T> {
  let last: { readonly at: number; readonly found: Promise<T> } | undefined;
  return () => {
    const at = now();
    if (last !== undefined && at >= last.at && at - last.at < FRESH_MS) return last.found;
    const made = { at, found: read() };
    last = made;
    made.found.catch(() => {
      if (last === made) last = undefined;
    });
    return made.found;
  };
}

/** Characters that HTTP allows in the value of a header; spaces around it are not part of it. */
const HEADER_VALUE = /^[\t\u0020-\u007E\u0080-\u00FF]*$/;

/** Where telemetry goes. A header that HTTP does not allow is named without its value, which the error of a request would have in it. */
async function collectorOf({ config, vault }: LoadedConfig, log: FastifyBaseLogger | undefined) {
  const otlp = config.telemetry?.otlp;
  if (otlp === undefined) return undefined;
  try {
    const headers: Record<string, string> = {};
    for (const [name, secret] of Object.entries(otlp.headers)) {
      const value = await vault.read(secret);
      if (!HEADER_VALUE.test(value.trim())) {
        log?.error({ header: name, secret }, 'no telemetry is sent: a header cannot have the value of the secret');
        return undefined;
      }
      headers[name] = value;
    }
    return { url: otlp.url, headers };
  } catch (error) {
    if (!(error instanceof CorralError)) throw error;
    log?.error({ code: error.code }, `no telemetry is sent: ${error.message} ${error.hint}`);
    return undefined;
  }
}

/** Figures that the host knows now. */
async function readingsOf({ host, reads, feed, outbox, config, full }: TelemetryDeps): Promise<Reading[]> {
  const [load, { pending, given_up }] = await Promise.all([host.load(), reads.notifications()]);
  const stalled = new Set(host.stalls().map(({ reason }) => reason));
  const failing = config().config.webhooks.filter((one) => outbox.stateOf(keyOf(one)).failures > 0);
  return [
    ...[...load.states].map(([state, count]): Reading => ['runs', [state], count]),
    ...[...load.waiting].map(([what, count]): Reading => ['waiting', [what], count]),
    ['oldest', [], load.oldest_ms / 1000],
    ...STALLS.map((reason): Reading => ['stalled', [reason], stalled.has(reason) ? 1 : 0]),
    ['diskFull', [], full() ? 1 : 0],
    ['cells', [], load.cells],
    ['webhooksWaiting', [], pending],
    ['webhooksGivenUp', [], given_up],
    ['webhooksFailing', [], failing.length],
    ['eventsDropped', [], feed.dropped],
    ['resident', [], process.memoryUsage.rss()],
  ];
}
