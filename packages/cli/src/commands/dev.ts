/** `corral dev FILE`: runs an agent at every save, as a host with the same configuration would, and shows its effects as they happen. */
import { watch, type FSWatcher } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { styleText } from 'node:util';
import type { Command } from 'commander';
import { CorralError } from '@corral/protocol/errors';
import { AgentName, type PrincipalId, type RunId } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import type { AgentManifest, AgentVersion } from '@corral/protocol/model/manifest';
import { outcomeText } from '@corral/protocol/model/outcome-text';
import { printableJson } from '@corral/protocol/printable';
import { answerFlags, type AnswerFlags } from '../answer-flags.ts';
import { Asker } from '../ask.ts';
import type { Bundler } from '../bundle.ts';
import { configHere, jsonArgument } from '../connect.ts';
import { settingsOf, type DevFlags, type DevSettings } from '../dev/settings.ts';
import { Follower } from '../dev/show.ts';
import { Consent, fakesOf, realLine, realTools, type Fakes } from '../dev/tools.ts';
import { EXIT, report } from '../failure.ts';
import type { Host, MemoryPlace } from '../host.ts';
import { adviceAbout, whereItComputed } from '../overrun.ts';
import { namedFile, namedFolder } from '../paths.ts';
import { duration, printable } from '../screen/table.ts';
import { mapStack, withLines } from '../stack.ts';

interface Flags extends DevFlags, AnswerFlags {
  readonly input: string;
  readonly watch?: boolean;
  readonly fake: readonly string[];
  readonly real?: boolean;
  readonly key: string;
  readonly on?: string;
  readonly json?: boolean;
}

/** Editors save in several steps; a run starts once there was no change for this long. */
const SETTLE_MS = 15;
/** How often journals are read while a run goes on. */
const LOOK_MS = 20;

export function devCommand(program: Command): void {
  answerFlags(program.command('dev'))
    .description('run an agent as a host would, and show its effects as they happen; with --watch, again at every save')
    .argument('<file>', 'the module whose default export is the agent or the service')
    .option('--input <json>', 'the agent’s input, or the message to a service, or @FILE', '{}')
    .option('-w, --watch', 'run it again whenever it, a file it imports, or the configuration is saved')
    .option('--config <file>', 'the configuration (by default corral.config.ts here or beside the agent, if there is one)')
    .option('--tenant <name>', 'whose tools and policies hold, for configurations with several tenants')
    .option(
      '--fake <tool=file>',
      'answer the calls of a tool from a JSON file; may be given again',
      (one: string, all: string[]) => [...all, one],
      [],
    )
    .option('--real', 'run destructive tools without asking first')
    .option('--on <handler>', 'for a service: the handler that gets the message')
    .option('--key <key>', 'for a service: the key of the instance', 'dev')
    .option('--read <folder>', 'offer fs.read and fs.list below this folder')
    .option('--write <folder>', 'offer fs.write below this folder')
    .option('--json', 'print one JSON document an effect')
    .addHelpText(
      'after',
      `
Policies, approvals (asked at this terminal), labels, loops, children and services are those of the configuration.
Without a terminal and without --approve or --deny, what waits for a person is denied, and the exit code is 1 also if the agent completes.

Examples:
  corral dev agent.ts --watch --input '{"name":"Ada"}'
  corral dev buyer.ts --fake bank.pay=paid.json
  corral dev counter.ts --on add --key k1 --input '{"n":1}'`,
    )
    .action(async (file: string, flags: Flags) => {
      await namedFile(file);
      if (flags.read !== undefined) await namedFolder('--read', flags.read);
      if (flags.write !== undefined) await namedFolder('--write', flags.write);
      const input = await jsonArgument(flags.on === undefined ? '--input' : 'the message', flags.input);
      const fakes = fakesOf(flags.fake);
      const config = configHere(flags.config, dirname(file));
      const memory: MemoryPlace = {};
      const settings = await settingsOf(config, flags, fakes, memory);
      // The help of all commands is written without them.
      const [{ Bundler: Opened }, { startHost }] = await Promise.all([import('../bundle.ts'), import('../host.ts')]);
      const host = await startHost({ data: undefined, tenants: { [settings.tenant]: settings.options }, spares: 2, memory }).catch(
        async (error: unknown) => {
          await settings.loaded.close(0);
          throw error;
        },
      );
      const dev = new Dev({ host, bundler: new Opened(file), file, input, flags, fakes, config, settings, memory });
      try {
        process.exitCode = await dev.once(performance.now());
        if (flags.watch === true) await dev.watch();
      } finally {
        await dev.close();
        await host.close();
      }
    });
}

interface DevOptions {
  readonly host: Host;
  readonly bundler: Bundler;
  readonly file: string;
  readonly input: Json;
  readonly flags: Flags;
  readonly fakes: Fakes;
  readonly config: string | undefined;
  readonly settings: DevSettings;
  readonly memory: MemoryPlace;
}

class Dev {
  readonly #options: DevOptions;
  readonly #json: boolean;
  readonly #consent: Consent;
  readonly #watchers = new Map<string, FSWatcher>();
  readonly #bundler: Bundler;
  readonly #asker: Asker;
  #settings: DevSettings;
  #inputs: ReadonlySet<string> = new Set();
  #saved: (() => void) | undefined;
  #dirty = false;
  #configChanged = false;
  #told = '';
  #runs = 0;
  #current: RunId | undefined;
  #follower: Follower | undefined;

  constructor(options: DevOptions) {
    this.#options = options;
    this.#settings = options.settings;
    this.#json = options.flags.json === true;
    this.#consent = new Consent(options.flags.real === true);
    this.#bundler = options.bundler;
    // A question is the last line on the terminal. On an interrupt the store is closed while this reads.
    this.#asker = new Asker(options.host.supervisor, options.flags, async () => this.#follower?.look().catch(() => undefined));
    this.#asker.aboutCalls();
    this.#asker.aboutPauses();
  }

  async close(): Promise<void> {
    this.#asker.close();
    for (const watcher of this.#watchers.values()) watcher.close();
    await this.#bundler.close();
    await this.#settings.loaded.close(0);
  }

  /** Runs the agent again at every save, until the process is stopped. */
  async watch(): Promise<never> {
    // Watchers alone do not keep the process alive, so that a single run ends by itself; watching needs this timer.
    setInterval(() => undefined, 2 ** 30);
    for (;;) {
      this.#line('dim', 'waiting for a save');
      if (!this.#dirty) await new Promise<void>((done) => (this.#saved = done));
      const saved = performance.now();
      await new Promise((done) => setTimeout(done, SETTLE_MS));
      this.#dirty = false;
      await this.once(saved);
    }
  }

  /** @param since time of the save @returns the exit code */
  async once(since: number): Promise<number> {
    const { host } = this.#options;
    try {
      await this.#again();
      const bundled = await this.#bundler.bundle();
      this.#follow(bundled.inputs);
      const { inAuthorsWords } = await import('../bundle.ts');
      const [described] = await inAuthorsWords(bundled, host.supervisor.describe([bundled.describing]));
      const versions = await host.supervisor.deploy(this.#settings.tenant, bundled.source, described, bundled.map);
      await this.#announce(versions.map(({ manifest }) => manifest));
      return await this.#run(versions, bundled.map, since);
    } catch (error) {
      return report(error, this.#json);
    } finally {
      this.#current = undefined;
    }
  }

  async #run(versions: readonly AgentVersion[], map: string, since: number): Promise<number> {
    const { host } = this.#options;
    const { version, input } = await this.#job(versions);
    const service = versions[0]?.manifest.service === undefined ? undefined : versions[0].manifest.name;
    const follower = new Follower(host, this.#json, (agent) => agent === service);
    this.#follower = follower;
    const began = performance.now();
    try {
      const { id, ended } = await host.supervisor.submit({ ...(await this.#most(version)), version, input });
      this.#current = id;
      this.#runs += 1;
      const after = this.#runs === 1 ? `${duration(began - since)} after the command` : `${duration(began - since)} after the save`;
      this.#line('bold', `${service ?? version.manifest.name}  ${id}  started ${after}`);
      follower.follow(id);
      let over = false;
      const looking = (async () => {
        while (!over) {
          await follower.look();
          await new Promise((done) => setTimeout(done, LOOK_MS));
        }
        // On an interrupt the store is closed while this reads.
      })().catch(() => undefined);
      const outcome = await ended;
      over = true;
      await looking;
      await follower.look();
      const good = outcome.kind === 'completed';
      this.#line(good ? 'green' : 'red', `${outcomeText(outcome)} in ${duration(performance.now() - began)}`);
      const unasked = this.#asker.unasked();
      if (this.#json)
        process.stdout.write(
          `${printableJson({ kind: 'ended', run: id, outcome: withLines(outcome, map), ...(unasked.length === 0 ? {} : { unasked }) })}\n`,
        );
      else if (good) process.stdout.write(`${printableJson(outcome.output, 2)}\n`);
      else if ('stack' in outcome && outcome.stack !== undefined) this.#text(mapStack(outcome.stack, map));
      else if ('message' in outcome) this.#text(outcome.message);
      const computed = this.#json ? undefined : await whereItComputed(host, id, outcome);
      if (computed !== undefined) this.#text(mapStack(computed, map));
      for (const line of await adviceAbout(outcome)) this.#line('cyan', `→ ${printable(line)}`);
      return good && unasked.length === 0 ? EXIT.ok : EXIT.outcome;
    } finally {
      follower.close();
    }
  }

  /** The agent and its input; for a service, an agent that sends the message as a person. */
  async #job(versions: readonly AgentVersion[]): Promise<{ readonly version: AgentVersion; readonly input: Json }> {
    const { host, input, flags } = this.#options;
    const [version] = versions;
    if (version === undefined) throw new CorralError('CORRAL_INTERNAL', 'The bundle has no main agent.');
    const { service, name } = version.manifest;
    if (service === undefined) {
      if (flags.on !== undefined) throw new CorralError('CORRAL_USAGE', `${name} is an agent, and --on is for services.`);
      return { version, input };
    }
    const handlers = Object.keys(service.on);
    const on = flags.on ?? (handlers.length === 1 ? handlers[0] : undefined);
    if (on === undefined)
      throw new CorralError('CORRAL_USAGE', `${name} is a service: say which handler gets the message, with --on: ${handlers.join(', ')}.`);
    const sender = await host.supervisor.sender(this.#settings.tenant, AgentName.parse(name), on);
    return { version: sender, input: { key: flags.key, on, message: input } };
  }

  /** The bounds under which the configuration would admit the run. */
  async #most({ manifest }: AgentVersion) {
    const { allowedOf } = await import('@corral/server/jobs/allowance');
    const { tenant, loaded } = this.#settings;
    return { tenant, principal: 'local' as PrincipalId, ...allowedOf(loaded.config, tenant, manifest, {}) };
  }

  /** Says under which guards the agent runs and what it may do for real, where that is news. @throws CORRAL_USAGE without consent */
  async #announce(manifests: readonly AgentManifest[]): Promise<void> {
    const { fakes, config } = this.#options;
    const real = realTools(manifests, this.#settings.options.tools, fakes);
    const lines = [
      config === undefined
        ? 'no corral.config.ts here or beside the agent: what holds on a host without a configuration'
        : `configuration: ${config}`,
      ...this.#settings.guards.map(({ text }) => text),
      ...(fakes.size === 0 ? [] : [`fakes: ${[...fakes].map(([name, file]) => `${name} (${basename(file)})`).join(', ')}`]),
      ...[realLine(real)].flatMap((line) => line ?? []),
    ];
    const told = lines.join('\n');
    if (told !== this.#told) for (const line of lines) this.#line('dim', printable(line));
    this.#told = told;
    await this.#consent.mustHave(real);
  }

  /** Reads the configuration again if it was saved. If it is refused, the one before stays. */
  async #again(): Promise<void> {
    if (!this.#configChanged) return;
    this.#configChanged = false;
    const { config, flags, fakes, host, memory } = this.#options;
    const next = await settingsOf(config, flags, fakes, memory);
    host.supervisor.configure({ [next.tenant]: next.options });
    const before = this.#settings;
    this.#settings = next;
    await before.loaded.close(0);
  }

  /** Watches files by their folders, because editors save by replacing a file. */
  #follow(inputs: readonly string[]): void {
    const { file } = this.#options;
    const configured = new Set(this.#settings.files.filter((path) => !path.includes('node_modules')));
    this.#inputs = new Set([resolve(file), ...inputs.filter((path) => !path.includes('node_modules')), ...configured]);
    for (const folder of new Set([...this.#inputs].map((path) => dirname(path)))) {
      if (this.#watchers.has(folder)) continue;
      const watcher = watch(folder, (_, name) => {
        const path = name === null ? undefined : join(folder, name);
        if (path === undefined || this.#settings.files.includes(path)) this.#configChanged = this.#settings.files.length > 0;
        if (path === undefined || this.#inputs.has(path)) this.#changed();
      }).unref();
      watcher.on('error', () => this.#watchers.delete(folder));
      this.#watchers.set(folder, watcher);
    }
  }

  #changed(): void {
    this.#dirty = true;
    this.#saved?.();
    // The result of a run that still goes on is not needed any more.
    const run = this.#current;
    this.#current = undefined;
    if (run !== undefined) void this.#options.host.supervisor.control.kill(run, 'dev', 'the agent was saved').catch(() => undefined);
  }

  #line(style: Parameters<typeof styleText>[0], text: string): void {
    if (!this.#json) process.stderr.write(`${styleText(style, text, { stream: process.stderr })}\n`);
  }
  #text(text: string): void {
    for (const line of text.split('\n')) process.stderr.write(`${printable(line)}\n`);
  }
}
