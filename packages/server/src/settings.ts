/** The configuration in force: where it came from, and how the next one replaces it, completely or not at all. */
import { nearest } from '@corral/policy/cedar/problem';
import { CorralError } from '@corral/protocol/errors';
import { guardsOf } from './config/guards.ts';
import { keepConfig } from './config/last-good.ts';
import { differences, loadConfig, type Change, type LoadedConfig } from './config/load.ts';
import type { KeptFiles } from './config/read.ts';
import type { Feed } from './events/stream.ts';
import type { ToolPin } from '@corral/protocol/ports/pins';
import type { Acts, Actor, Deed, Recorder } from './operation-log.ts';
import type { HostPort } from './ports.ts';
import type { ArchivedConfig, ConfigArchive, FrontStore } from '@corral/protocol/ports/front';

const AT_START = 'the host starts with it';
const OTHER_TOOLS = 'a source of tools has other tools';
const FIRST_TOOLS = 'a source of tools is asked for the first time';
/** Characters of a refusal's message that are recorded. */
const REFUSAL_CHARS = 2_000;
/** Pause after which tools are taken up that could not be recorded. */
const RETRY_MS = 1_000;

/** The recorded part of a refusal. */
const refusalOf = (error: unknown) =>
  error instanceof CorralError
    ? { code: error.code, message: error.message.slice(0, REFUSAL_CHARS) }
    : { code: 'CORRAL_INTERNAL', message: '' };

/** The target of a row about a configuration that was applied. */
type AcceptedTools = { readonly source: string; readonly digest: string; readonly tools: number };
const acceptedOf = ({ source, digest, tools }: ToolPin): AcceptedTools => ({ source, digest, tools: tools.length });
type Applied = { readonly version: string; readonly before: string | null };
interface Compared {
  readonly version: string;
  readonly same: boolean;
  readonly changes: Change[];
  readonly notes: string[];
}

export class Settings {
  #loaded: LoadedConfig;
  #at: number;
  #by: string;
  #refused: CorralError | undefined;
  readonly #again: () => Promise<LoadedConfig>;
  readonly #remade: (kept: KeptFiles) => Promise<LoadedConfig>;
  readonly #now: () => number;
  /** Records what the host itself does. */
  readonly #keep: (act: Pick<Deed, 'operation' | 'target'>, reason?: string) => unknown;
  /** Whether sources have changed since the configuration in force was made, and the loading that this has led to. */
  #stale = false;
  #remaking: Promise<void> | undefined;
  #closed = false;
  readonly #host: HostPort;
  readonly #db: FrontStore;
  readonly #feed: Feed;
  readonly #archive: ConfigArchive;
  readonly #onApplied: (() => void)[] = [];

  constructor(options: {
    readonly loaded: LoadedConfig;
    /** Reads the file again. */
    readonly again: () => Promise<LoadedConfig>;
    /** Loads the same files with the tools that there are now. */
    readonly remade: (kept: KeptFiles) => Promise<LoadedConfig>;
    readonly host: HostPort;
    readonly db: FrontStore;
    readonly feed: Feed;
    readonly now: () => number;
    /** The principal that starts the host, and the record of that. */
    readonly acts: Acts;
    readonly archive: ConfigArchive;
    readonly starter: Actor;
    /** Why the file was refused at the start; set if the configuration that was accepted last is in force instead. */
    readonly refused?: CorralError | undefined;
  }) {
    this.#loaded = options.loaded;
    this.#again = options.again;
    this.#remade = options.remade;
    this.#keep = (act, reason = OTHER_TOOLS) => options.acts.keep(options.starter, { ...act, reason });
    this.#host = options.host;
    this.#db = options.db;
    this.#feed = options.feed;
    this.#now = options.now;
    this.#at = options.now();
    this.#by = 'start';
    const { acts, starter } = options;
    this.#archive = options.archive;
    this.#refused = options.refused;
    if (options.refused !== undefined)
      options.acts.keep(options.starter, { operation: 'refuse-config', target: refusalOf(options.refused), reason: AT_START });
    this.#record(AT_START, (target) => acts.keep(starter, { operation: 'apply-config', target, reason: AT_START }));
    this.#begin('start');
    this.#loaded.onChange(() => this.#changed());
  }

  get refused(): CorralError | undefined {
    return this.#refused;
  }

  /** Stops calls to its tools. */
  async close(within_ms: number): Promise<void> {
    this.#closed = true;
    await this.#remaking;
    await this.#loaded.close(within_ms);
  }

  readonly inForce = (): LoadedConfig => this.#loaded;

  /** Names of the configured tenants. */
  readonly tenants = (): string[] => Object.keys(this.#loaded.config.tenants);

  /** Calls back each time the file was read and applied, also if nothing changed. */
  onApplied(listener: () => void): void {
    this.#onApplied.push(listener);
  }

  get view() {
    const { version, file, summary, config } = this.#loaded;
    return {
      version,
      file: file ?? null,
      applied_at: this.#at,
      applied_by: this.#by,
      config: summary,
      refused: this.#refused?.message ?? null,
      guards: guardsOf(config),
    };
  }

  /** @throws CORRAL_CONFIG_INVALID */
  async check(): Promise<Compared> {
    const next = await this.#again();
    await next.close(0);
    return this.#compare(next);
  }

  /**
   * Each attempt is recorded, also one that is refused or changes nothing.
   * @throws CORRAL_CONFIG_INVALID, and then nothing has changed
   */
  async apply(by: string, now: number, keep: Recorder, reason?: string): Promise<Compared> {
    const next = await this.#again().catch((error: unknown) => {
      keep({ operation: 'refuse-config', target: refusalOf(error), reason });
      throw error;
    });
    const result = this.#compare(next);
    this.#refused = undefined;
    if (result.same) {
      await next.close(0);
      this.#applied();
      keep({ target: { version: next.version, same: true }, reason });
      return result;
    }
    this.#swap(next, by, now, reason ?? '', (target) => keep({ target, reason }));
    return result;
  }

  /**
   * A person accepts the tools that a source declares now.
   * @throws CORRAL_REQUEST_INVALID if there is no such source; CORRAL_TOOLS_CHANGED if it declares others than the person has seen
   */
  accept(source: string, digest: string, by: string, now: number, keep: (target: AcceptedTools) => unknown): ToolPin {
    const pinned = this.#loaded.pinned.find((one) => one.source === source);
    if (pinned === undefined) {
      const known = this.#loaded.pinned.map((one) => one.source).join(', ') || 'none';
      throw new CorralError('CORRAL_REQUEST_INVALID', `There is no source ${source} whose tools are accepted; there are: ${known}.`);
    }
    return this.#db.durably(() => {
      const pin = pinned.accept(digest, by, now);
      keep(acceptedOf(pin));
      return pin;
    });
  }

  /** The sources of the configuration in force are asked from now on; what they declare first is accepted with it. */
  #begin(by: string): void {
    for (const one of this.#loaded.pinned) {
      const pin = one.inForce(by, this.#now());
      if (pin !== undefined) this.#keep({ operation: 'accept-tools', target: acceptedOf(pin) }, FIRST_TOOLS);
    }
  }

  #swap(next: LoadedConfig, by: string, now: number, reason: string, keep: (target: Applied) => unknown): void {
    const [last, lastAt, lastBy] = [this.#loaded, this.#at, this.#by];
    const before = last.tenants;
    this.#host.configure(next.tenants);
    [this.#loaded, this.#at, this.#by] = [next, now, by];
    try {
      this.#record(reason, keep);
    } catch (error) {
      // Decisions name the configuration in force, so one that is not recorded is not in force.
      [this.#loaded, this.#at, this.#by] = [last, lastAt, lastBy];
      this.#host.configure(before);
      void next.close(0);
      throw error;
    }
    // Calls under way keep the tool they were sent to.
    void last.close();
    this.#begin(by);
    next.onChange(() => this.#changed());
    // Before any event is sent: the new configuration may change who may see it.
    this.#applied();
    this.#feed.tell('config.applied', { data: { version: next.version, by } });
    for (const tenant of new Set([...Object.keys(before), ...Object.keys(next.tenants)])) {
      const [was, is] = [before[tenant]?.policies?.current.version ?? null, next.tenants[tenant]?.policies?.current.version ?? null];
      if (was !== is) this.#feed.tell('policy.switched', { tenant, data: { from: was, to: is, by } });
    }
  }

  /** A source has other tools: the same files are loaded again with them, and replace the configuration in force if they can. */
  #changed(): void {
    this.#stale = true;
    this.#remaking ??= this.#remake().finally(() => (this.#remaking = undefined));
  }

  async #remake(): Promise<void> {
    while (this.#stale && !this.#closed) {
      this.#stale = false;
      const last = this.#loaded;
      try {
        const next = await this.#remade(last.kept);
        // Somebody may have applied another one meanwhile, which has read its own sources. The version may be the same: tools that
        // declare the same are other objects, and calls must go to these.
        if (this.#closed || this.#loaded !== last) await next.close(0);
        else this.#swap(next, 'sources', this.#now(), OTHER_TOOLS, (target) => this.#keep({ operation: 'apply-config', target }));
      } catch (error) {
        try {
          this.#keep({ operation: 'refuse-config', target: refusalOf(error) });
        } catch {
          // Nothing can be recorded now, which is told elsewhere; other tools than those in force are taken up later.
          setTimeout(() => this.#changed(), RETRY_MS).unref();
        }
      }
    }
  }

  #applied(): void {
    for (const listener of this.#onApplied) listener();
  }

  #compare(next: LoadedConfig) {
    const same = next.version === this.#loaded.version;
    const changes = differences(this.#loaded.summary, next.summary);
    const code = !same && changes.length === 0 ? ['Its declarations are the same; its code is different.'] : [];
    return { version: next.version, same, changes, notes: [...next.notes, ...code, ...this.#removed(next), ...this.#notes(next)] };
  }

  /** Tenants that are removed and have work: their runs stay, and no new work is taken for them. */
  #removed({ tenants }: LoadedConfig): string[] {
    return Object.keys(this.#loaded.tenants)
      .filter((tenant) => !Object.hasOwn(tenants, tenant))
      .flatMap((tenant) => {
        const n = this.#db.runs.counts(tenant).reduce((sum, { runs }) => sum + runs, 0);
        const runs = `${n} ${n === 1 ? 'run that has' : 'runs that have'} not ended`;
        const schedules = this.#db.schedules.count(tenant);
        return [
          ...(n === 0 ? [] : [`tenants.${tenant} is removed and has ${runs}; they have no tools and no policies from then on.`]),
          ...(schedules === 0
            ? []
            : [
                `tenants.${tenant} is removed and has ${schedules} ${schedules === 1 ? 'schedule, which submits' : 'schedules, which submit'} nothing from then on.`,
              ]),
        ];
      });
  }

  /**
   * Agents are deployed and removed independently of the configuration, so a name without an agent is a note rather than a fault;
   * it may be misspelt.
   */
  #notes({ config }: LoadedConfig): string[] {
    return Object.entries(config.tenants).flatMap(([tenant, { loops }]) => {
      const named = Object.keys((loops === undefined || loops === false ? undefined : loops.agents) ?? {});
      if (named.length === 0) return [];
      const known = this.#db.registry.names(tenant);
      return named
        .filter((name) => !known.includes(name))
        .map((name) => {
          const meant = nearest(name, known);
          const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
          return `tenants.${tenant}.loops.agents: ${tenant} has no agent ${name} yet${hint}`;
        });
    });
  }

  /** Records the configuration in force with the act that applied it, unless it was the last one recorded. */
  #record(reason: string, keep: (target: Applied) => unknown): void {
    if (this.#refused === undefined) keepConfig(this.#db, this.#loaded, this.#at);
    this.#db.durably(() => {
      const { version } = this.#loaded;
      const { before, same } = this.#archive.put(archived(this.#loaded), { at: this.#at, by: this.#by, reason });
      if (!same) keep({ version, before: before ?? null });
    });
  }
}

function archived({ version, summary, tenants }: LoadedConfig): ArchivedConfig {
  const policies = Object.fromEntries(Object.entries(tenants).map(([tenant, options]) => [tenant, options.policies?.current]));
  return { version, summary, policies };
}

export { loadConfig };
