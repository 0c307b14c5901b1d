/** `corral up`: a host in its own process, from its start to its orderly end. */
import { readFile } from 'node:fs/promises';
import { styleText } from 'node:util';
import type { Logger } from 'pino';
import { CorralError } from '@corral/protocol/errors';
import { osWall } from '@corral/supervisor';
import { guardLines, guardsOf } from './config/guards.ts';
import { telemetryLine } from './config/telemetry.ts';
import { flushed, hostLogger, type LogLevel } from './events/log-lines.ts';
import { startHost, type RunningHost } from './host.ts';

export interface UpOptions {
  readonly data: string;
  readonly config?: string;
  readonly port?: number;
  readonly host?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly plaintext?: boolean;
  readonly read?: string;
  readonly write?: string;
  readonly drain?: number;
  /** Names of walls without which the host does not start, separated by commas. */
  readonly requireWalls?: string;
  readonly oneWall?: boolean;
  readonly json?: boolean;
  /** Least level of the lines in the log; the default is `info`. */
  readonly log?: LogLevel;
}

const TERMINATED = 143;
/** Exit code: the host stopped, but not in order. */
const NOT_IN_ORDER = 3;
/** How long a process whose start failed may live on if code of its configuration keeps it busy. */
const LINGER_MS = 500;
/**
 * A signal that comes again within this time is the same one: npm and wrappers forward a signal that the terminal has given to the whole
 * group already.
 */
const SAME_SIGNAL_MS = 1_000;
/** Software error, after sysexits.h. */
const EXIT_BUG = 70;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Runs until a signal. The process ends with the host, also when a tool is still busy. */
export async function up(options: UpOptions): Promise<never> {
  if ((options.tlsCert === undefined) !== (options.tlsKey === undefined))
    throw new CorralError('CORRAL_USAGE', '--tls-cert and --tls-key go together.');
  const tls =
    options.tlsCert === undefined || options.tlsKey === undefined
      ? undefined
      : { cert: await file(options.tlsCert), key: await file(options.tlsKey) };
  const logger = hostLogger(options.log ?? 'info', process.stderr, process.stderr.isTTY && options.json !== true);
  const { read, write } = options;
  const host = await startHost({
    data: options.data,
    config: options.config,
    files: { ...(read === undefined ? {} : { read }), ...(write === undefined ? {} : { write }) },
    port: options.port,
    address: options.host,
    tls,
    plaintext: options.plaintext,
    requireWalls: options.requireWalls?.split(',').map((name) => name.trim()),
    oneWall: options.oneWall,
    env: process.env,
    logger,
  }).catch((error: unknown) => {
    setTimeout(() => process.exit(), LINGER_MS).unref();
    throw error;
  });
  lastResort(logger);
  const stop = async (): Promise<number> => {
    try {
      await host.close(options.drain);
      process.stderr.write('stopped\n');
      return 0;
    } catch (error) {
      logger.error({ err: error }, 'did not stop in order');
      return NOT_IN_ORDER;
    }
  };
  const stopped = new Promise<number>((done) => {
    let told: { readonly signal: string; readonly at: number } | undefined;
    for (const signal of SIGNALS) {
      process.on(signal, () => {
        const at = performance.now();
        if (told?.signal === signal && at - told.at < SAME_SIGNAL_MS) return;
        // A second signal ends the process at once.
        if (told !== undefined) process.exit(TERMINATED);
        told = { signal, at };
        process.stderr.write(`${signal}: no new work; stopping.\n`);
        done(stop());
      });
    }
  });
  // Last: whoever reads that the host is up may send it a signal at once.
  announce(host, options.json === true);
  const code = await stopped;
  await flushed(process.stderr);
  process.exit(code);
}

/**
 * Handles errors that no code caught. A rejected promise that nobody awaits leaves nothing half done, so the host goes on. After
 * an uncaught exception the state is unknown, so the host exits at once: nothing durable is lost and its runs go on at the next
 * start. An orderly end is avoided, because after one a run under which hosts keep dying would not be quarantined.
 */
function lastResort(logger: Logger): void {
  process.on('unhandledRejection', (error) =>
    logger.error({ err: error }, 'a promise was rejected and nothing awaited it; the host goes on'),
  );
  process.on('uncaughtException', (error) => {
    logger.fatal({ err: error }, 'no code caught this exception; the host exits');
    process.exit(EXIT_BUG);
  });
}

/** Runs for people that are named at the start. */
const NAMED = 3;

function recoveredLines({ recovered, forPeople }: RunningHost): string[] {
  if (recovered === 0) return ['No run was under way.'];
  const many = (n: number, one: string, more: string) => `${n} ${n === 1 ? one : more}`;
  if (forPeople.length === 0) return [`${many(recovered, 'run was', 'runs were')} under way and ${recovered === 1 ? 'goes' : 'go'} on.`];
  return [
    `${many(recovered, 'run was', 'runs were')} under way: ${many(recovered - forPeople.length, 'goes', 'go')} on, ${many(forPeople.length, 'waits', 'wait')} for a person.`,
    ...forPeople.slice(0, NAMED).map((run) => `  corral why ${run}`),
    ...(forPeople.length > NAMED ? ['  and more: corral ps'] : []),
  ];
}

function announce(host: RunningHost, json: boolean): void {
  const { socket, url, recovered, walls, door } = host;
  const { version, file: config, config: said } = door.settings.inForce();
  const guards = guardsOf(said);
  const refused = door.settings.refused?.message ?? null;
  const wall = osWall(walls) ?? null;
  const page = url === undefined ? null : `${url}/`;
  if (json) {
    process.stdout.write(
      `${JSON.stringify({ up: true, socket, url: url ?? null, console: page, recovered, wall, config: version, config_refused: refused, guards, pid: process.pid })}\n`,
    );
    return;
  }
  const lines = [
    `Corral is up${url === undefined ? '' : ` on ${url}`} and on ${socket}`,
    ...(page === null ? [] : [`Console: ${page} (it asks for a token: corral token create NAME --role operator --tenant '*')`]),
    ...recoveredLines(host),
    `Configuration ${version.slice(0, 19)} ${config === undefined ? '(none: what holds when nothing is said)' : `from ${config}`}`,
    ...(refused === null ? [] : [`ITS FILE IS REFUSED, so the configuration that was accepted last is in force: ${refused}`]),
    wall === null
      ? 'One wall: only the isolate stands between an agent and this machine (see corral doctor).'
      : `Two walls: the isolate, then ${wall}.`,
    ...guardLines(guards).map(({ text, bare }) => (bare ? styleText('yellow', text, { stream: process.stdout }) : text)),
    telemetryLine(said),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

async function file(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new CorralError('CORRAL_USAGE', `${path} cannot be read.`, { cause: error });
  }
}
