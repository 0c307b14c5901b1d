/** The composition root of a host with a front door: store, supervisor, tables, and HTTP on a socket and a port. */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { ServerOptions as TlsOptions } from 'node:https';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import type { FastifyInstance, FastifyServerOptions } from 'fastify';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import { SqliteFront } from '@corral/store/front';
import { SqliteMemory } from '@corral/store/memory';
import { FrontReader } from '@corral/store/front/reader';
import { SqliteStore } from '@corral/store/sqlite';
import { keySource } from '@corral/store/core/keys';
import { Laboratory, ProcessLauncher, readImage, realClock, realRandom, roomInHeap, Supervisor, type Walls } from '@corral/supervisor';
import { hostOf } from './adapter.ts';
import { createApp } from './http/app.ts';
import { degraded, hintsOf, type Hints } from './jobs/hints.ts';
import { looking } from './jobs/looking.ts';
import { MemoryUpkeep } from './jobs/memory-upkeep.ts';
import { isRefusal, keptConfig } from './config/last-good.ts';
import type { LoadedConfig, LoadOptions } from './config/load.ts';
import { loaderOf } from './config/loader.ts';
import type { KeptFiles } from './config/read.ts';
import { reporter } from './config/reports.ts';
import type { Config } from './config/schema.ts';
import type { ServerContext } from './http/context.ts';
import { logEvents } from './events/log.ts';
import { LogTap } from './events/log-tap.ts';
import { RunChanges } from './events/changes.ts';
import { Labels } from './evidence/labels.ts';
import { Feed } from './events/stream.ts';
import { Acts, type Actor } from './operation-log.ts';
import { Accounts } from './people/accounts.ts';
import { LoginStore } from './people/login-store.ts';
import { Authenticator } from './people/authenticate.ts';
import { Persons } from './people/persons.ts';
import { Rate } from './people/rate.ts';
import { ConsoleSessions } from './people/console-sessions.ts';
import { Sessions } from './people/sessions.ts';
import { SignIns } from './people/sign-in.ts';
import { readConsole } from './http/console.ts';
import { listen, listenPrivately, privateFolder } from './listen.ts';
import { Decisions } from './jobs/decisions.ts';
import { Previews } from './jobs/previews.ts';
import { LateCalls } from './jobs/late-calls.ts';
import { Projection } from './jobs/projection.ts';
import { tellFull, tellStalls, unready } from './events/readiness.ts';
import { machineUser } from './people/machine-user.ts';
import { Refusals } from './people/refusals.ts';
import { RetentionSweep } from './evidence/retention.ts';
import { Traffic } from './http/traffic.ts';
import { Followers } from './http/routes/events.ts';
import { Scheduler } from './jobs/scheduler.ts';
import { Settings } from './settings.ts';
import type { FrontStore } from '@corral/protocol/ports/front';
import { ProfileStore } from './jobs/profiles.ts';
import { Submissions } from './jobs/submissions.ts';
import { Turns } from './evidence/serial-queue.ts';
import { VERSION } from './version.ts';
import { isLocal, mayStand, wallsOf, type WallOptions } from './walls.ts';
import { Outbox } from './events/webhooks/outbox.ts';
import type { ScenePort } from './scene.ts';
import { telemetryOf, type HostTelemetry } from './events/telemetry.ts';
import { traceparents } from './events/traceparent.ts';

export interface HostOptions extends WallOptions, Pick<LoadOptions, 'resolveHost'> {
  readonly data: string;
  readonly config?: string | undefined;
  /** Given on the command line; overrides the configuration. */
  readonly files?: Config['files'];
  /** 0: any free port; undefined: only the socket. */
  readonly port?: number | undefined;
  readonly address?: string | undefined;
  readonly tls?: TlsOptions | undefined;
  /** A proxy in front of this host does TLS. */
  readonly plaintext?: boolean | undefined;
  /** Sources of tools besides those of the configuration, made for each one that is loaded and closed with it. */
  readonly sources?: LoadOptions['sources'];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly logger?: FastifyServerOptions['loggerInstance'];
  /** Cells that are kept started for runs to come; 1. */
  readonly spares?: number | undefined;
  readonly scene?: ScenePort | undefined;
}

export interface RunningHost {
  readonly door: ServerContext;
  readonly walls: Walls;
  readonly socket: string;
  /** `http://127.0.0.1:7070`; undefined without a port. */
  readonly url: string | undefined;
  readonly recovered: number;
  /** Runs among them that cannot go on without a person. */
  readonly forPeople: readonly RunId[];
  /** Takes no new work, lets calls under way finish within the bound, then stops. Their answers are durable when it resolves. */
  close(within_ms?: number): Promise<void>;
}

/** Longest path of a socket that every platform allows. */
const SOCKET_BYTES = 103;
const DRAIN_MS = 10_000;
/** How long requests may take to finish after all runs have stopped. */
const CLOSE_MS = 2_000;
/** How often runs are checked whose end or spending comes with no event. */
const LOOK_MS = 5_000;

/** @throws CORRAL_ADDRESS_UNSAFE, CORRAL_ADDRESS_TAKEN, CORRAL_CONFIG_INVALID, and what opening a data folder throws */
export async function startHost(given: HostOptions): Promise<RunningHost> {
  const tap = given.logger && new LogTap(given.logger);
  const options = tap === undefined ? given : { ...given, logger: tap.logger };
  const address = options.address ?? '127.0.0.1';
  if (options.port !== undefined && !isLocal(address) && options.tls === undefined && options.plaintext !== true)
    throw new CorralError('CORRAL_ADDRESS_UNSAFE', `Without TLS, others can read the traffic with ${address}.`);
  const data = resolve(options.data);
  const socket = join(data, 'corral.sock');
  if (Buffer.byteLength(socket) > SOCKET_BYTES)
    throw new CorralError(
      'CORRAL_DATA_UNUSABLE',
      `The path of ${data} is too long for a socket in it; at most ${SOCKET_BYTES - 12} bytes work.`,
    );

  const { walls, groups } = wallsOf(options);
  let db: FrontStore | undefined;
  let tellAlarm: (message: string) => void = () => undefined;
  const alarm = (message: string) => {
    options.logger?.error(message);
    tellAlarm(message);
  };
  let feeding: Feed | undefined;
  const tell = reporter(options.logger, () => feeding);
  const now = () => realClock.now();
  const accounts = new Accounts(() => db, now);
  const logins = new LoginStore({ kept: () => db?.sealed, now });
  const memory = new SqliteMemory(data, keySource(options.env));
  const load = loaderOf({ options, data, db: () => db, walls, groups: groups(), alarm, tell, accounts, logins, memory: () => memory });
  const again = async () => {
    const next = await load({ secrets: 'refused' });
    try {
      mayStand(walls, options, next.config);
    } catch (error) {
      await next.close(0);
      throw error;
    }
    return next;
  };
  const remade = (kept: KeptFiles) => load({ secrets: 'noted', kept });
  const found = await load({ secrets: 'noted' }).catch((error: unknown) => {
    // The configuration that was last accepted may be in the data folder.
    if (!isRefusal(error) || options.config === undefined || !existsSync(join(data, 'front.db'))) throw error;
    return error;
  });
  await privateFolder(data);
  const image = readImage();
  const store = await SqliteStore.open(data, { keys: keySource(options.env) });
  let loaded: LoadedConfig;
  let hints: Hints;
  try {
    db = new SqliteFront(data, realRandom, () => store.makeRoom(), keySource(options.env));
    loaded = await accepted(found, db, options, load);
    mayStand(walls, options, loaded.config);
    hints = await hintsOf(loaded, options.env, { clock: realClock, log: options.logger });
  } catch (error) {
    db?.close();
    if (!(found instanceof CorralError)) await found.close(0);
    await store.close();
    throw error;
  }
  const refused = found instanceof CorralError ? found : undefined;
  const { tenants } = loaded;
  for (const note of loaded.notes) options.logger?.warn({ config: note }, 'the configuration is in force, but');
  const profiles = new ProfileStore(db.profiles);
  const { tokens } = db;
  let named = () => loaded.named;
  const people = new Persons(tokens, db, () => named());
  const { limits } = loaded.config;
  const launcher = new ProcessLauncher(walls, { groups: groups(limits.cell_memory_mib) });
  const supervisor = new Supervisor({
    store,
    launcher,
    clock: realClock,
    random: realRandom,
    ...(hints.wakeUps === undefined ? {} : { wakeUps: hints.wakeUps }),
    tenants,
    image,
    cores: availableParallelism(),
    profiles,
    heap_bytes: roomInHeap(),
    ...limits,
    ...(options.spares === undefined ? {} : { spares: options.spares }),
    residency: limits,
    people,
    traceparent: traceparents(loaded.config.telemetry),
  });
  const laboratory = () => new Laboratory({ launcher, clock: realClock, random: realRandom, cores: availableParallelism() });
  const host = hostOf(supervisor, store, tenants, profiles, { clock: realClock, image, laboratory });
  const undo: (() => unknown)[] = [() => memory.close(), () => host.close(), () => loaded.close(0), () => db.close()];
  try {
    const [clock, random] = [realClock, realRandom];
    // The index of runs and the events are complete only if the host that kept them was the last to open this store: an embedded host
    // keeps neither, and a backup may have been restored.
    const inOrder = db.meta('stopped') === 'in order' && db.meta('era') === String(store.era - 1);
    const log = options.logger;
    const labels = new Labels(host);
    const feed = new Feed({
      table: db.events,
      era: store.era,
      complete: inOrder,
      now,
      entry: (run, seq) => labels.entry(run, seq),
      failed: (error) => log?.error({ err: error }, 'events could not be written; followers that come back will miss some'),
    });
    undo.push(() => feed.close());
    let telemetry: HostTelemetry | undefined;
    if (log !== undefined) logEvents(feed, log, (run) => telemetry?.traceIdOf(run));
    const starter: Actor = { id: `user:${machineUser()}`, roles: [] };
    const acts = new Acts(db, clock, random, () => settings?.inForce().version ?? loaded.version, people.identity);
    const refusals = new Refusals(acts, now);
    const { archive, registry, runs: index } = db;
    let url: string | undefined;
    let settings: Settings | undefined;
    settings = new Settings({ loaded, again, remade, host, db, feed, now, acts, archive, starter, refused });
    feeding = feed;
    const config = settings.inForce;
    named = () => config().named;
    const outbox = new Outbox({
      db,
      config,
      now,
      base: () => config().config.door.url ?? (isLocal(address) ? url : undefined),
      log: (message) => log?.warn(message),
      tell: (kind, about) => feed.tell(kind, about),
    });
    settings.onApplied(outbox.reconfigured);
    tellAlarm = (message) => outbox.add(feed.tell('policy.alarm', { data: { message } }));
    undo.push(() => outbox.close());
    const listeners = { feed, notify: outbox.add, log };
    store.onFull((full) => tellFull(full, listeners));
    tellStalls(host, listeners);
    const projection = new Projection({
      host,
      db,
      index,
      feed,
      acts,
      now,
      tenants: () => Object.keys(config().config.tenants),
      config: () => config().version,
      notify: outbox.add,
    });
    const decisions = new Decisions({ host, db, now });
    const lateCalls = new LateCalls(db.lateCalls, (run) => projection.about(run), now);
    host.observe(lateCalls.heard);
    const reads = new FrontReader(data);
    undo.push(() => reads.close());
    telemetry = await telemetryOf(loaded, {
      host,
      reads,
      feed,
      outbox,
      config,
      log,
      tap,
      env: options.env,
      instance: randomUUID(),
      full: () => store.full,
      now,
    });
    undo.push(() => telemetry?.close());
    let draining = false;
    const submissions = new Submissions({ host, db, registry, index, projection, config, clock, random, people, draining: () => draining });
    const scheduler = new Scheduler(db, submissions, clock, random);
    let recovered: number | undefined;
    const door: ServerContext = {
      host,
      db,
      reads,
      acts,
      archive,
      refusals,
      registry,
      memory,
      profiles,
      marks: db.marks,
      index,
      tokens,
      people,
      accounts,
      logins,
      feed,
      projection,
      lateCalls,
      labels,
      submissions,
      scheduler,
      settings,
      outbox,
      previews: new Previews(),
      telemetry,
      scene: options.scene,
      lists: new Turns(),
      turns: new Turns(),
      errands: new Turns(),
      clock,
      random,
      recovered: () => recovered ?? 0,
      recovering: () => recovered === undefined,
      draining: () => draining,
      degraded: () => degraded(hints),
      unready: () => unready({ draining, recovering: recovered === undefined, full: store.full, stalls: host.stalls() }),
    };
    const authenticator = new Authenticator(tokens, () => config().config, now);
    const rate = new Rate();
    const sessions = new Sessions(now);
    const consoleSessions = new ConsoleSessions({
      db,
      random,
      now,
      ended: (principals) => sessions.recheck((principal) => principals.has(principal.id)),
      unwritten: (error) => log?.warn({ err: error }, 'the end of sessions of the console could not be written down'),
    });
    tokens.onRevoked((token) => sessions.recheck((principal) => principal.token === token));
    settings.onApplied(consoleSessions.reconfigured);
    settings.onApplied(authenticator.forget);
    settings.onApplied(sessions.recheck);
    const signIns = new SignIns({
      config: () => config().config,
      secret: (name) => config().vault.read(name),
      authenticator,
      random,
      now,
      log: (message) => log?.warn(message),
    });
    settings.onApplied(signIns.reconfigured);
    const traffic = new Traffic();
    const followers = new Followers(door, traffic);
    const { wantChanges: wanted, tellChanges: tell } = followers;
    const changes = new RunChanges({ clock, about: (run) => host.view(run), wanted, tell });
    host.observe(changes.heard);
    undo.push(() => changes.close());
    const files = options.port === undefined ? undefined : readConsole();
    const shared = { door, authenticator, rate, sessions, consoleSessions, signIns, followers, traffic, console: files, logger: log };
    const apps: FastifyInstance[] = [];
    undo.push(() => Promise.all(apps.map((app) => app.close())));
    const local = await createApp({ ...shared, channel: { kind: 'socket', owner: machineUser() } });
    apps.push(local);
    // This process holds the lock of the folder, so a socket file here is left from a dead host.
    await rm(socket, { force: true });
    await listenPrivately(local, socket);
    if (options.port !== undefined) {
      const network = await createApp({ ...shared, channel: { kind: 'network' }, tls: options.tls });
      apps.push(network);
      url = await listen(network, address, options.port, options.tls !== undefined);
    }
    // Recovery starts only once the address is bound: if it is taken, this host must end without having made a call.
    await supervisor.recover();
    const { live, forPeople } = await projection.catchUp(inOrder);
    await decisions.catchUp().catch((error: unknown) => log?.warn({ err: error }, 'decisions of people could not be listed yet'));
    recovered = live;
    db.setMeta('era', String(store.era));
    db.setMeta('stopped', 'no');
    // Before the first start there was nothing that could have stopped.
    const stopped = store.era === 1 ? {} : { stopped_in_order: inOrder };
    acts.keep(starter, { operation: 'start', target: { corral: VERSION, era: store.era, ...stopped, recovered } });
    scheduler.start();
    const retention = new RetentionSweep({
      upkeep: host.upkeep,
      db,
      acts,
      config,
      now,
      collected: (freed, retention_ms) =>
        acts.keep(
          { id: 'host', roles: [] },
          { operation: 'collect', target: { ...freed, retention_ms: { ...retention_ms } }, reason: 'retention' },
        ),
      failed: (error) => log?.error({ err: error }, 'what has passed its retention could not be collected'),
    });
    retention.start();
    const memoryUpkeep = new MemoryUpkeep({ data, memory, stored: (run) => store.run(run), now });
    outbox.start();
    const looks = {
      'nearly spent budgets could not be told': () => projection.checkBudgets(),
      'lists cannot be sorted by what runs have used until it can be written': () => projection.writeUse(),
      'decisions of people could not be listed yet': () => decisions.catchUp(),
      'the last calls of tools could not be listed yet': () => lateCalls.write(),
      'refusals could not be recorded yet': () => refusals.settle(),
      'sessions of the console could not be ended': () => consoleSessions.sweep(),
      'the list of runs could not be put right': () => projection.sweep(),
      'memories could not be tidied up': () => memoryUpkeep.look(),
    };
    const stopLooking = looking(LOOK_MS, looks, (error, failed) => log?.warn({ err: error }, failed));
    let closing: Promise<void> | undefined;
    const close = (within_ms: number = DRAIN_MS) =>
      (closing ??= (async () => {
        draining = true;
        stopLooking();
        scheduler.close();
        retention.close();
        projection.release();
        // The address answers until the runs have stopped, so that requests are told that this host is stopping.
        await host.drain(within_ms);
        changes.close();
        followers.close();
        await Promise.race([Promise.all(apps.map((app) => app.close())), new Promise<void>((done) => setTimeout(done, CLOSE_MS).unref())]);
        outbox.close();
        await host.close();
        await telemetry?.close();
        await settings.close(0);
        await memory.close();
        refusals.settle(true);
        feed.close();
        try {
          lateCalls.write();
          accounts.flush();
          acts.keep(starter, { operation: 'stop', target: { era: store.era } });
          db.setMeta('stopped', 'in order');
        } finally {
          await reads.close();
          // Also where a full disk has no space for the record of the stop.
          db.close();
          await rm(socket, { force: true });
        }
      })());
    return { door, walls, socket, url, recovered, forPeople, close };
  } catch (error) {
    for (const step of undo.reverse()) await step();
    throw error;
  }
}

/** The configuration to start with: that of the file, or else the one that was accepted last. @throws the refusal */
async function accepted(
  found: LoadedConfig | CorralError,
  db: FrontStore,
  { config, logger }: HostOptions,
  load: (more: LoadOptions) => Promise<LoadedConfig>,
): Promise<LoadedConfig> {
  if (!(found instanceof CorralError)) return found;
  const kept = keptConfig(db, resolve(config ?? ''));
  if (kept === undefined) throw found;
  const loaded = await load({ secrets: 'noted', kept }).catch(() => {
    throw found;
  });
  const { version } = loaded;
  logger?.error({ refused: found.message, version }, 'the configuration file is refused; the host goes on with the one it accepted last');
  return loaded;
}
