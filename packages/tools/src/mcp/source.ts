/**
 * The tools of one MCP server, as a source of tools. They are made from the pin of its list, so a server that cannot be reached delays
 * nothing but its own calls. Each tenant has a connection of its own, since a server may keep state.
 */
import type { Progress } from '@modelcontextprotocol/client';
import type { Json } from '@corral/protocol/json';
import { MACHINE } from '@corral/protocol/limits';
import { MCP } from '@corral/protocol/limits-mcp';
import type { ToolPins } from '@corral/protocol/ports/pins';
import { mayRepeat, type Tool, type ToolAnswer, type ToolCall, type ToolResult, type ToolSource } from '@corral/protocol/ports/tool';
import { notStarted, type ToolNews } from '../host/keeper.ts';
import { PinnedTools } from '../pinning/pinned.ts';
import { faultOfAll, type Resolved } from '../returned-fields.ts';
import { failureOf, resultOf } from './answer.ts';
import { declarationsOf, describedBy, type Believing, type Described } from './declared.ts';
import { checkAnswer, goingOn, isInputRequired, requestIn, tokenIn } from './input.ts';
import { Link, type Line } from './link.ts';
import { LiveCalls, type LiveCall } from './live.ts';
import { LoginNeeded } from './login.ts';
import { Session } from './session.ts';

export interface McpOptions extends Believing {
  /** As agents ask for it: `mcp:NAME`, and its tools by `tool:NAME.tool`. */
  readonly name: string;
  readonly timeout_ms: number | undefined;
  readonly pins: ToolPins;
  /** Makes a connection, or starts the program. @param account whose login it has, where there are logins */
  readonly line: (account: string | undefined) => Promise<() => Line>;
  /** Left out: people do not sign the host in at the server. */
  readonly logins?: Accounts | undefined;
  /** Takes secrets out of a text: a server that was given one may repeat it in what it declares, in failures and in its error output. */
  readonly redact: (text: string) => string;
  readonly tell: (news: ToolNews) => void;
}

/** The logins of a server. Each has connections of its own, since a server may keep what it knows of somebody with a connection. */
export interface Accounts {
  /** The account of a caller, whose use is recorded. @throws LoginNeeded, LoginDenied */
  for(call: ToolCall): string;
  /** The account by which the tools are listed; undefined: nobody is signed in. */
  listing(): string | undefined;
  /** Accounts at which somebody has to sign in. */
  needed(): readonly string[];
  /** Calls back with each account at which somebody has signed in or out. */
  onChange(listener: (account: string) => void): () => void;
}

/** Progress that waits to be read; more is dropped. */
const PROGRESS = 16;
/** Notes that are kept for operators. */
const NOTES = 20;
/** How often a server is asked again that wants nothing but that, and how long the first wait is. */
const POLLS = 8;
const POLL_MS = 100;

interface Kept {
  readonly session: Session;
  readonly account: string | undefined;
}

/** A call that is made. */
interface Made {
  readonly tool: string;
  readonly described: Described;
  /** As the server listed the tool, if its client needs that. */
  readonly definition: Json | undefined;
  readonly call: ToolCall;
}

export class McpSource implements ToolSource {
  readonly #options: McpOptions;
  readonly #pinned: PinnedTools;
  readonly #listeners = new Set<() => void>();
  /** By tenant and account, least recently used first. */
  readonly #sessions = new Map<string, Kept>();
  /** Connected to list the tools; the first tenant that calls one with its account gets it. */
  #spare: Kept | undefined;
  readonly #stopLogins: (() => void) | undefined;
  #tools: readonly Tool[] = [];
  /** The declarations about answers, by the server's name of the tool. */
  readonly #returned = new Map<string, Resolved>();
  /** Notes about the last list. */
  #listNotes: readonly string[] = [];
  readonly #events: string[] = [];
  /** Calls during which a server has asked people. */
  readonly #live = new LiveCalls();
  #known: Json = null;
  #suspended = '';
  readonly #sweep: NodeJS.Timeout;
  #closing: Promise<void> | undefined;

  private constructor(options: McpOptions) {
    this.#options = options;
    this.#pinned = new PinnedTools({
      source: `mcp:${options.name}`,
      pins: options.pins,
      begin: () => this.#begin(),
      known: () => this.#known,
      changed: () => this.#changed(),
      notes: () => [...this.#listNotes, ...this.#events],
      needsLogin: () => options.logins?.needed() ?? [],
      ask: () => this.#askNow(),
    });
    this.#stopLogins = options.logins?.onChange((account) => this.#dropAccount(account));
    this.#known = this.#pinned.known ?? null;
    this.#sweep = setInterval(() => this.#closeIdle(), MACHINE.tool_idle_ms.default);
    this.#sweep.unref();
  }

  /** Connects only where no list was accepted before. @throws why the server has no list then */
  static async open(options: McpOptions): Promise<McpSource> {
    const source = new McpSource(options);
    try {
      if (source.#pinned.tools === undefined) await source.#askNow().catch(unlessLogin);
      source.#tools = source.#made();
    } catch (error) {
      await source.close(0);
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`the MCP server ${options.name} has not listed its tools: ${why}`, { cause: error });
    }
    const fault = source.#faultOfFields();
    if (fault === undefined) return source;
    await source.close(0);
    throw new Error(fault);
  }

  /** Why fields that the configuration names are none of the results of these tools. */
  #faultOfFields(): string | undefined {
    const { name, said } = this.#options;
    const isNamed = (own: string) => said[own]?.returns !== undefined;
    for (const [own, { faults }] of this.#returned)
      if (isNamed(own) && faults[0] !== undefined) return `mcp.${name}.tools.${own}.returns: ${faults[0].message}`;
    const others = [...this.#returned].filter(([own]) => !isNamed(own)).map(([, returned]) => returned);
    const fault = faultOfAll(others);
    return fault === undefined ? undefined : `mcp.${name}.tools.*.returns: ${fault}`;
  }

  get pinned() {
    return [this.#pinned];
  }

  tools(): readonly Tool[] {
    return this.#tools;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(within_ms: number = MACHINE.tool_drain_ms.default): Promise<void> {
    clearInterval(this.#sweep);
    this.#stopLogins?.();
    this.#listeners.clear();
    return (this.#closing ??= this.#close(within_ms));
  }

  async #close(within_ms: number): Promise<void> {
    await Promise.allSettled(this.#all.map(({ session }) => session.close(within_ms)));
  }

  get #all(): readonly Kept[] {
    return [...this.#sessions.values(), ...(this.#spare === undefined ? [] : [this.#spare])];
  }

  /** The configuration is in force: the server is asked whether it still declares what was accepted. */
  #begin(): void {
    if (this.#closing !== undefined || this.#sessions.size > 0) return;
    this.#askNow().catch(() => undefined);
  }

  /** Asks the server for its list, by any account. @throws LoginNeeded, or why it has none */
  async #askNow(): Promise<void> {
    const account = this.#options.logins?.listing();
    if (this.#options.logins !== undefined && account === undefined)
      throw new LoginNeeded('nobody is signed in there', `corral tools login ${this.#options.name}`);
    const known = this.#all.find((one) => one.account === account) ?? (this.#spare = { session: this.#session(account), account });
    const { link } = known.session;
    await (link === undefined ? known.session.open() : this.#list(link));
  }

  /** Somebody else may be signed in: connections of before are theirs who were. */
  #dropAccount(account: string): void {
    for (const [key, kept] of this.#sessions) {
      if (kept.account !== account) continue;
      this.#sessions.delete(key);
      void kept.session.close(MACHINE.tool_drain_ms.default);
    }
    if (this.#spare?.account !== account) return;
    void this.#spare.session.close(0);
    this.#spare = undefined;
  }

  #changed(): void {
    this.#tools = this.#made();
    for (const listener of this.#listeners) listener();
  }

  #session(account: string | undefined): Session {
    const { name, tell } = this.#options;
    return new Session({
      server: name,
      link: async (events) => {
        const dial = await this.#options.line(account);
        return Link.open({ ...events, line: dial, known: this.#known, redact: this.#options.redact });
      },
      opened: (link) => this.#list(link),
      listChanged: (link) => void this.#list(link).catch(() => undefined),
      refused: (what) => this.#note(`it asked for ${what}`),
      tell: (kind, text) => {
        this.#note(text);
        tell({ kind, text });
      },
    });
  }

  #note(said: string): void {
    const text = this.#options.redact(said).slice(0, 2_000);
    if (this.#events.at(-1) === text) return;
    this.#events.push(text);
    if (this.#events.length > NOTES) this.#events.shift();
  }

  async #list(link: Link): Promise<void> {
    const { name, only, tell } = this.#options;
    const { declarations, notes } = declarationsOf(name, this.#clean(await link.list()), link.asides, only);
    this.#listNotes = [`it speaks MCP ${link.version ?? 'of an unknown version'}`, ...notes];
    this.#known = this.#clean(link.known);
    this.#pinned.offer(declarations);
    const { differences } = this.#pinned.review();
    const text = differences.map(({ tool, kind }) => `${tool} (${kind})`).join(', ');
    if (text === this.#suspended) return;
    this.#suspended = text;
    if (text !== '')
      tell({
        kind: 'suspended',
        text: `The MCP server ${name} declares other tools than were accepted: ${text}.`,
        source: this.#pinned.source,
      });
  }

  /** Takes secrets out of something that a server has said. */
  #clean<T>(said: T): T {
    const text = JSON.stringify(said);
    const clean = this.#options.redact(text);
    return clean === text ? said : (JSON.parse(clean) as T);
  }

  #made(): readonly Tool[] {
    const { name: server, timeout_ms } = this.#options;
    this.#returned.clear();
    return (this.#pinned.tools ?? []).map((declaration): Tool => {
      const { name, says } = declaration;
      const described = describedBy(server, declaration, this.#options);
      const { description, input, output, annotations, returned } = described;
      this.#returned.set(described.own ?? described.aside ?? name, returned);
      const definition = definitionOf(says);
      return {
        name,
        description,
        input,
        output,
        annotations,
        ...(timeout_ms === undefined ? {} : { timeout_ms }),
        server: this.#pinned.source,
        suspended: () => this.#pinned.suspended(name),
        checkInput: checkAnswer,
        ...(described.own === undefined ? {} : { streams: true as const }),
        invoke: (call) => this.#invoke(name, described, definition, call),
      };
    });
  }

  async #invoke(tool: string, described: Described, definition: Json | undefined, call: ToolCall): Promise<ToolAnswer> {
    if (this.#closing !== undefined) return notStarted(tool, 'its source is closed');
    const token = call.given === undefined ? undefined : tokenIn(call.given);
    const live = token === undefined ? undefined : this.#live.waitingFor(token);
    if (live !== undefined) return live.attempt(call.signal, call.given);
    // A call that may be repeated starts again, and its server asks once more.
    if (token !== undefined && !mayRepeat(described.annotations))
      return { kind: 'unknown', message: `The connection to the server of ${tool} was lost while it waited for input.` };
    let account: string | undefined;
    try {
      account = this.#options.logins?.for(call);
    } catch (error) {
      return failureOf(tool, error, undefined);
    }
    const session = this.#sessionOf(call.tenant, account);
    if (session === undefined) return notStarted(tool, 'all connections to its server are busy with calls of other tenants');
    return session.call(tool, call, async (link) => {
      // The server's list was read when it was connected, which may have been a moment ago.
      const suspended = this.#pinned.suspended(tool);
      if (suspended !== undefined) return { kind: 'failed', message: `${tool} is suspended: ${suspended}.` };
      const made = { tool, described, definition, call };
      if (described.own === undefined || !link.asksDuring) return this.#asked(link, made, call.signal);
      const release = session.hold();
      const started = this.#live.start((own) =>
        this.#ask(link, made, own.signal, (...of) => own.elicited(...of))
          .catch((error: unknown) => failureOf(tool, error, link.alive ? undefined : link.why))
          .finally(release),
      );
      started.signal.addEventListener('abort', () => void link.mustAnswer(), { once: true });
      return started.attempt(call.signal);
    });
  }

  /** Makes a call, or goes on with it, at a server that asks for input by its answer. */
  async #asked(link: Link, made: Made, signal: AbortSignal): Promise<ToolAnswer> {
    const { tool, call } = made;
    let params = call.given === undefined || tokenIn(call.given) !== undefined ? undefined : goingOn(call.given);
    for (let again = 0; again < POLLS; again += 1) {
      const answer = await this.#answerOf(link, made, signal, params);
      if (!isInputRequired(answer)) return this.#resultOf(made, answer);
      const read = requestIn(answer);
      if (read !== undefined && 'refused' in read) {
        this.#note(`${tool} asked for input of people, and nobody was asked: ${read.refused}`);
        return { kind: 'failed', message: `${tool} asked for input of people, and nobody was asked: ${read.refused}.` };
      }
      if (read !== undefined)
        return { kind: 'input_required', message: `${tool} needs input of people: ${read.value.question}`, request: read.value };
      // It wants nothing but to be asked again, with its state.
      params = goingOn({ state: { names: [], state: answer.requestState as string }, action: 'accept' });
      await new Promise((resolve) => setTimeout(resolve, POLL_MS * 2 ** again));
      signal.throwIfAborted();
    }
    return { kind: 'failed', message: `${tool} was asked ${POLLS} times, and wants to be asked again.` };
  }

  async #ask(link: Link, made: Made, signal: AbortSignal, elicit: LiveCall['elicited']): Promise<ToolResult> {
    return this.#resultOf(made, await this.#answerOf(link, made, signal, undefined, elicit));
  }

  async #answerOf(
    link: Link,
    { described: { own, aside }, definition, call }: Made,
    signal: AbortSignal,
    params: ReturnType<typeof goingOn> | undefined,
    elicit?: LiveCall['elicited'],
  ): Promise<unknown> {
    if (aside !== undefined) return link.aside(aside, call.input, signal, params);
    const parts = partsOf(call);
    const asked = { name: own as string, input: call.input, key: call.idempotency_key, goingOn: params };
    const answer = await link.call(asked, { signal, definition, progress: parts?.take, elicit });
    await parts?.told();
    return answer;
  }

  #resultOf({ tool, described: { aside, structured } }: Made, answer: unknown): ToolResult {
    return aside === undefined ? resultOf(tool, structured, answer as object | undefined) : { kind: 'ok', value: withoutMeta(answer) };
  }

  /** The session of the tenant, and of its account; undefined if the maximum is reached and all have calls. */
  #sessionOf(tenant: string, account: string | undefined): Session | undefined {
    const key = account === undefined ? tenant : `${tenant} ${account}`;
    let kept = this.#sessions.get(key);
    if (kept === undefined) {
      if (this.#sessions.size >= MCP.connections.default && !this.#giveUp()) return undefined;
      const spare = this.#spare?.account === account ? this.#spare : undefined;
      kept = spare ?? { session: this.#session(account), account };
      if (spare !== undefined) this.#spare = undefined;
    } else this.#sessions.delete(key);
    this.#sessions.set(key, kept);
    return kept.session;
  }

  #giveUp(): boolean {
    for (const [key, { session }] of this.#sessions) {
      if (session.idleSince === undefined) continue;
      this.#sessions.delete(key);
      void session.close(0);
      return true;
    }
    return false;
  }

  /** The last one stays, so that a host with one tenant does not connect again and again. */
  #closeIdle(): void {
    for (const [key, { session }] of this.#sessions) {
      if (this.#sessions.size === 1) return;
      const since = session.idleSince;
      if (since === undefined || performance.now() - since < MACHINE.tool_idle_ms.default) continue;
      this.#sessions.delete(key);
      void session.close(0);
    }
  }
}

/** A server without a login lists no tools yet, and its configuration is accepted nevertheless. */
function unlessLogin(error: unknown): void {
  if (!(error instanceof LoginNeeded)) throw error;
}

/** The definition of a tool of which some argument goes into a header (2026-07-28, `x-mcp-header`); for others the client needs none. */
function definitionOf(says: Json): Json | undefined {
  const { outputSchema: _, ...definition } = says as Record<string, Json>;
  return JSON.stringify(definition).includes('"x-mcp-header"') ? definition : undefined;
}

/** Hands progress to the run, if it asked for parts. A server that reports faster than the run reads is not waited for. */
function partsOf({ part }: ToolCall): { readonly take: (progress: Progress) => void; readonly told: () => Promise<void> } | undefined {
  if (part === undefined) return undefined;
  let chain: Promise<void> = Promise.resolve();
  let waiting = 0;
  return {
    take: ({ progress, total, message }) => {
      if (waiting >= PROGRESS) return;
      waiting += 1;
      const said = {
        progress,
        ...(total === undefined ? {} : { total }),
        ...(message === undefined ? {} : { message: message.slice(0, 2_000) }),
      };
      chain = chain
        .then(() => part(said))
        .catch(() => undefined)
        .finally(() => (waiting -= 1));
    },
    told: async () => {
      // The client hands over the last progress a moment after the answer that came behind it.
      await new Promise((resolve) => setImmediate(resolve));
      await chain;
    },
  };
}

const OF_PROTOCOL: ReadonlySet<string> = new Set(['_meta', 'resultType', 'ttlMs', 'cacheScope']);

/** The answer without the members that the protocol adds for itself. */
function withoutMeta(answer: unknown): unknown {
  return Object.fromEntries(Object.entries(answer as object).filter(([name]) => !OF_PROTOCOL.has(name)));
}
