/** `corral dev FILE`: runs an agent again at every save, and shows its effects as they happen. */
import { watch, type FSWatcher } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { styleText } from 'node:util';
import type { Command } from 'commander';
import type { Delivery } from '@corral/protocol/wire/delivery';
import { decisionOn, type Effect } from '@corral/protocol/wire/effect';
import { CorralError } from '@corral/protocol/errors';
import type { PrincipalId, RunId, TenantId } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import { outcomeText } from '@corral/protocol/model/outcome-text';
import type { Entry } from '@corral/protocol/model/run';
import type { Tool } from '@corral/protocol/ports/tool';
import { readingTools, writingTools } from '@corral/tools/fs';
import { Bundler, inAuthorsWords } from '../bundle.ts';
import { jsonArgument } from '../connect.ts';
import { EXIT, report } from '../failure.ts';
import { startHost, type Host } from '../host.ts';
import { duration, printable } from '../screen/table.ts';
import { mapStack } from '../stack.ts';
import { toStderr } from '../tool-reports.ts';
import { namedFile, namedFolder } from '../paths.ts';

interface Flags {
  readonly input: string;
  readonly watch?: boolean;
  readonly config?: string;
  readonly read?: string;
  readonly write?: string;
  readonly json?: boolean;
}

const TENANT = 'dev' as TenantId;
/** Editors save in several steps; a run starts once there was no change for this long. */
const SETTLE_MS = 15;
/** How often the journal is read while a run goes on. */
const LOOK_MS = 20;

export function devCommand(program: Command): void {
  program
    .command('dev')
    .description('run an agent and show its effects as they happen; with --watch, again at every save')
    .argument('<file>', 'the module whose default export is the agent')
    .option('--input <json>', 'the agent’s input, or @FILE', '{}')
    .option('-w, --watch', 'run it again whenever it, or a file it imports, is saved')
    .option('--config <file>', 'offer the tools of this configuration')
    .option('--read <folder>', 'offer fs.read and fs.list below this folder')
    .option('--write <folder>', 'offer fs.write below this folder')
    .option('--json', 'print one JSON document an effect')
    .addHelpText('after', `\nExample:\n  corral dev agent.ts --watch --input '{"name":"Ada"}'`)
    .action(async (file: string, flags: Flags) => {
      await namedFile(file);
      const input = await jsonArgument('--input', flags.input);
      const host = await startHost({ data: undefined, tenants: { [TENANT]: { tools: await toolsOf(flags) } }, spares: 2 });
      const dev = new Dev(host, file, input, flags.json === true);
      try {
        process.exitCode = await dev.once(performance.now());
        if (flags.watch === true) await dev.watch();
      } finally {
        await dev.close();
        await host.close();
      }
    });
}

async function toolsOf(flags: Flags): Promise<readonly Tool[]> {
  const own: Tool[] = [];
  if (flags.read !== undefined) own.push(...(await readingTools(await namedFolder('--read', flags.read))));
  if (flags.write !== undefined) own.push(...(await writingTools(await namedFolder('--write', flags.write))));
  if (flags.config === undefined) return own;
  const { loadConfig } = await import('@corral/server/config/load');
  const { tenants } = await loadConfig(flags.config, process.env, { tell: toStderr });
  const offered = Object.values(tenants).flatMap(({ tools }) => tools);
  return [...own, ...new Map(offered.map((tool) => [tool.name, tool])).values()];
}

class Dev {
  readonly #host: Host;
  readonly #file: string;
  readonly #input: Json;
  readonly #json: boolean;
  readonly #watchers = new Map<string, FSWatcher>();
  readonly #bundler: Bundler;
  #inputs: ReadonlySet<string> = new Set();
  #saved: (() => void) | undefined;
  #dirty = false;
  #current: RunId | undefined;

  constructor(host: Host, file: string, input: Json, json: boolean) {
    this.#host = host;
    this.#file = file;
    this.#bundler = new Bundler(file);
    this.#input = input;
    this.#json = json;
  }

  close(): Promise<void> {
    return this.#bundler.close();
  }

  /** Runs the agent again at every save, until the process is stopped. */
  async watch(): Promise<never> {
    // Watchers alone do not keep the process alive, so that a single run ends by itself; watching needs this timer.
    setInterval(() => undefined, 2 ** 30);
    for (;;) {
      this.#line('dim', 'waiting for a save');
      if (!this.#dirty) await new Promise<void>((resolve) => (this.#saved = resolve));
      const saved = performance.now();
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
      this.#dirty = false;
      await this.once(saved);
    }
  }

  /** @param since time of the save @returns the exit code */
  async once(since: number): Promise<number> {
    const { supervisor, store } = this.#host;
    try {
      const bundled = await this.#bundler.bundle();
      const { source, describing, map, inputs } = bundled;
      this.#follow(inputs);
      const [manifests] = await inAuthorsWords(bundled, supervisor.describe([describing]));
      const [version] = await supervisor.deploy(TENANT, source, manifests, map);
      if (version === undefined) throw new CorralError('CORRAL_INTERNAL', 'The bundle has no main agent.');
      const began = performance.now();
      const { id, ended } = await supervisor.submit({ tenant: TENANT, version, input: this.#input, principal: 'local' as PrincipalId });
      this.#current = id;
      this.#line('bold', `${version.manifest.name}  ${id}  started ${duration(began - since)} after the save`);
      let seen = 0;
      let first: number | undefined;
      let over = false;
      const look = async () => {
        for (const entry of await store.journal(id, seen)) {
          seen = entry.seq;
          first ??= entry.at;
          this.#show(entry, entry.at - first);
        }
      };
      const looking = (async () => {
        while (!over) {
          await look();
          await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
        }
        // On an interrupt the store is closed while this reads.
      })().catch(() => undefined);
      const outcome = await ended;
      over = true;
      await looking;
      await look();
      const good = outcome.kind === 'completed';
      this.#line(good ? 'green' : 'red', `${outcomeText(outcome)} in ${duration(performance.now() - began)}`);
      if (this.#json) process.stdout.write(`${JSON.stringify({ kind: 'ended', run: id, outcome })}\n`);
      else if (good) process.stdout.write(`${JSON.stringify(outcome.output, null, 2)}\n`);
      else if ('stack' in outcome && outcome.stack !== undefined) this.#text(mapStack(outcome.stack, map));
      else if ('message' in outcome) this.#text(outcome.message);
      return good ? EXIT.ok : EXIT.outcome;
    } catch (error) {
      return report(error, this.#json);
    } finally {
      this.#current = undefined;
    }
  }

  /** Watches the bundled files by their folders, because editors save by replacing a file. */
  #follow(inputs: readonly string[]): void {
    this.#inputs = new Set([resolve(this.#file), ...inputs.filter((path) => !path.includes('node_modules'))]);
    for (const folder of new Set([...this.#inputs].map((path) => dirname(path)))) {
      if (this.#watchers.has(folder)) continue;
      const watcher = watch(folder, (_, name) => {
        if (name === null || this.#inputs.has(join(folder, name))) this.#changed();
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
    if (run !== undefined) void this.#host.supervisor.control.kill(run, 'dev', 'the agent was saved').catch(() => undefined);
  }

  #show(entry: Entry, at: number): void {
    if (this.#json) {
      process.stdout.write(`${JSON.stringify({ seq: entry.seq, at: entry.at, effects: JSON.parse(entry.effects ?? '[]') as Json })}\n`);
      return;
    }
    const say = (text: string) => process.stderr.write(`  ${duration(at).padStart(8)}  ${printable(text).slice(0, 200)}\n`);
    const delivery = entry.delivery === undefined ? undefined : (JSON.parse(entry.delivery) as Delivery);
    if (delivery?.kind === 'reply')
      for (const result of delivery.results)
        say(
          'error' in result
            ? `← ${result.id}  ${result.error.code}: ${result.error.message}`
            : `← ${result.id}  ${result.handle === undefined ? '' : 'unread: '}${JSON.stringify(result.value)}`,
        );
    else if (delivery !== undefined && delivery.kind !== 'start') say(`← ${delivery.kind}`);
    for (const effect of entry.effects === undefined ? [] : (JSON.parse(entry.effects) as Effect[])) say(effectText(effect, entry));
  }

  #line(style: Parameters<typeof styleText>[0], text: string): void {
    if (!this.#json) process.stderr.write(`${styleText(style, text, { stream: process.stderr })}\n`);
  }
  #text(text: string): void {
    for (const line of text.split('\n')) process.stderr.write(`${printable(line)}\n`);
  }
}

function effectText(effect: Effect, { decisions }: Entry): string {
  const decision = decisionOn(effect, new Map(decisions.map((each) => [each.id, each])));
  const denied = decision?.verdict === 'deny' ? `  denied: ${decision.code ?? ''} ${decision.message ?? ''}` : '';
  switch (effect.kind) {
    case 'call':
      return `→ ${effect.id}  ${decision?.tool ?? `capability ${effect.cap}`} ${JSON.stringify(effect.input)}${denied}`;
    case 'send':
      return `→ ${effect.id}  send ${JSON.stringify(effect.body)}${denied}`;
    case 'reply':
      return `reply to ${effect.to}  ${effect.error === undefined ? JSON.stringify(effect.value ?? null) : `error: ${effect.error.message}`}`;
    case 'spawn':
      return `→ ${effect.id}  spawn ${effect.agent} ${JSON.stringify(effect.input)}${denied}`;
    case 'timer':
      return `→ ${effect.id}  sleep ${duration(effect.ms)}`;
    case 'log':
      return `log ${effect.level}  ${effect.text}`;
    case 'emit':
      return `emit ${effect.event}  ${JSON.stringify(effect.data ?? null)}`;
    case 'finish':
      return effect.error === undefined ? 'finish' : `finish with an error: ${effect.error.message}`;
    case 'abort':
      return `abandon ${effect.id}`;
    case 'open':
      return `→ ${effect.id}  open handle ${effect.handle}${denied}`;
    case 'drop':
      return `drop handle ${effect.handle}`;
    case 'dispose':
      return `drop capability ${effect.cap}`;
    case 'checkpoint':
      return 'checkpoint';
    case 'listen':
      return effect.on ? 'listen for messages' : 'listen no more';
  }
}
