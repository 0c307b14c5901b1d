/**
 * One connection to an MCP server, of either era: 2025-11-25, which opens a session, and 2026-07-28, which has none. Which one a server
 * speaks is found out once and kept with the pin of its tools, so that later starts do not ask again.
 */
import {
  Client,
  ProtocolError,
  SdkError,
  SdkErrorCode,
  type PriorDiscovery,
  type Progress,
  type Transport,
} from '@modelcontextprotocol/client';
import type { Json } from '@corral/protocol/json';
import { MACHINE } from '@corral/protocol/limits';
import { MCP } from '@corral/protocol/limits-mcp';
import { ASIDE, type Aside } from './declared.ts';
import type { Elicited, LiveCall } from './live.ts';
import { LoginNeeded } from './login.ts';

/** A transport that says why it ended. */
export interface Line {
  readonly transport: Transport;
  readonly why: () => string | undefined;
  /** The end of the server's error output, for people. */
  readonly lastWords: () => string;
  /** Ends the program behind it; undefined for an address, where each request is on its own. */
  readonly kill?: (why: string) => void;
}

export interface LinkOptions {
  /** Makes a new connection, or starts a new program. */
  readonly line: () => Line;
  /** The era of the server as it was found before; null: it is not known yet. */
  readonly known: Json;
  readonly lost: (why: string) => void;
  /** The server says that its list of tools is another one. */
  readonly listChanged: () => void;
  /** The server asked for something that it is not given. */
  readonly refused: (what: string) => void;
  /** Takes secrets out of what the server says of a failure. */
  readonly redact: (text: string) => string;
}

type Params = Readonly<Record<string, unknown>>;
type Elicit = LiveCall['elicited'];

interface CallOptions {
  readonly signal: AbortSignal;
  /** As the server listed the tool, if some of its arguments go into headers as well. */
  readonly definition: Json | undefined;
  readonly progress?: ((progress: Progress) => void) | undefined;
  /** Asks people on behalf of the call, where the server does so by requests of its own. */
  readonly elicit?: Elicit | undefined;
}

/** Longest time that node's timers can take; the broker's own timeouts bound calls. */
const FOREVER_MS = 2 ** 31 - 1;
const LIST_PAGES = 64;

/** Answers are checked by the contracts of this host, in bounded steps; a server's schemas are neither compiled nor run here. */
const NO_CHECK = { getValidator: () => (value: unknown) => ({ valid: true as const, data: value as never, errorMessage: undefined }) };

export class Link {
  readonly #client: Client;
  readonly #line: Line;
  #over = false;
  #asking = false;
  /** Calls of tools under way, each with what asks people on behalf of it. */
  readonly #calls = new Set<Elicit>();

  private constructor(client: Client, line: Line) {
    this.#client = client;
    this.#line = line;
  }

  /** @throws what the transport or the server refused it with */
  static async open(options: LinkOptions): Promise<Link> {
    const prior = priorIn(options.known);
    try {
      return await Link.#open(options, prior);
    } catch (error) {
      if (error instanceof LoginNeeded) throw error;
      // A server of before the probe may end when it gets one, and one that was upgraded may not speak what it spoke.
      return await Link.#open(options, prior === undefined ? { kind: 'legacy' } : undefined).catch(() => Promise.reject(error as Error));
    }
  }

  static async #open({ line: dial, lost, listChanged, refused, redact }: LinkOptions, prior: PriorDiscovery | undefined): Promise<Link> {
    const line = dial();
    const client = new Client(
      { name: 'corral', version: '1' },
      {
        capabilities: { elicitation: { form: {} } },
        versionNegotiation: { mode: 'auto' },
        inputRequired: { autoFulfill: false },
        jsonSchemaValidator: NO_CHECK as never,
        listMaxPages: LIST_PAGES,
        listChanged: { tools: { autoRefresh: false, onChanged: () => listChanged() } },
      },
    );
    client.fallbackRequestHandler = (request) => {
      refused(`${request.method.slice(0, 100)}, which no server is given`);
      return Promise.reject(new ProtocolError(-32_601, 'Method not found'));
    };
    const timeout = MCP.connect_ms.default;
    const link = new Link(client, line);
    client.setRequestHandler('elicitation/create', ({ params }, { mcpReq }) => link.#elicited(params, mcpReq.signal, refused));
    let open = false;
    client.onclose = () => {
      link.#over = true;
      if (open) lost(line.why() ?? 'the connection was closed');
    };
    try {
      await client.connect(line.transport, { timeout, ...(prior === undefined ? {} : { prior }) });
      // The client subscribes by itself only where it has just asked what the server can do.
      if (prior?.kind === 'modern' && client.getServerCapabilities()?.tools?.listChanged === true)
        await client.listen({ toolsListChanged: true }, { timeout }).catch(() => undefined);
      open = true;
      return link;
    } catch (error) {
      await line.transport.close().catch(() => undefined);
      throw error instanceof LoginNeeded ? error : notOpened(error as Error, line, redact);
    }
  }

  /**
   * A server of 2025-11-25 does not say during which call it asks. So people are asked only where one call is under way on the connection; another
   * run must not be asked instead.
   */
  #elicited(params: unknown, signal: AbortSignal, refused: (what: string) => void): Promise<Elicited> {
    const [only, ...others] = this.#calls;
    if (only !== undefined && others.length === 0)
      return only(params, signal, (why) => refused(`input of people, and nobody was asked: ${why}`));
    refused(`input of people, and nobody was asked: ${this.#calls.size} calls were under way, and it does not say which one it is for`);
    return Promise.resolve({ action: 'cancel' });
  }

  /** Whether the server asks for input by requests of its own during a call, and not by its answer. */
  get asksDuring(): boolean {
    return this.#client.getProtocolEra() === 'legacy';
  }

  get alive(): boolean {
    return !this.#over;
  }

  get why(): string | undefined {
    return this.#line.why();
  }

  get lastWords(): string {
    return this.#line.lastWords();
  }

  /** The era of the server, for later starts. */
  get known(): Json {
    const discover = this.#client.getDiscoverResult();
    return discover === undefined ? { kind: 'legacy' } : { kind: 'modern', discover: JSON.parse(JSON.stringify(discover)) as Json };
  }

  get version(): string | undefined {
    return this.#client.getNegotiatedProtocolVersion();
  }

  /** Requests besides calls of tools that the server says to answer. */
  get asides(): Aside[] {
    const can = this.#client.getServerCapabilities() ?? {};
    return ASIDE.filter((aside) => (aside.startsWith('resources') ? can.resources : can.prompts) !== undefined);
  }

  async list(): Promise<readonly unknown[]> {
    if (this.#client.getServerCapabilities()?.tools === undefined) return [];
    const { tools } = await this.#client.listTools(undefined, { cacheMode: 'refresh', timeout: MCP.connect_ms.default });
    return tools;
  }

  /** @param goingOn parameters by which the server goes on after it has asked for input */
  async call(
    {
      name,
      input,
      key,
      goingOn,
    }: { readonly name: string; readonly input: Json; readonly key: string; readonly goingOn: Params | undefined },
    { signal, definition, progress, elicit }: CallOptions,
  ): Promise<Readonly<Record<string, unknown>>> {
    if (elicit !== undefined) this.#calls.add(elicit);
    const params = { name, arguments: input as Record<string, unknown>, _meta: { 'corral/idempotency-key': key }, ...goingOn };
    const options = {
      signal,
      timeout: FOREVER_MS,
      allowInputRequired: true,
      ...(progress === undefined ? {} : { onprogress: progress }),
    };
    try {
      // `callTool` reads the definition at each call.
      return definition === undefined
        ? await this.#client.request({ method: 'tools/call', params }, options)
        : await this.#client.callTool(params, { ...options, toolDefinition: definition as never });
    } finally {
      if (elicit !== undefined) this.#calls.delete(elicit);
    }
  }

  async aside(aside: Aside, input: Json, signal: AbortSignal, goingOn: Params | undefined): Promise<unknown> {
    const options = { signal, timeout: FOREVER_MS, cacheMode: 'bypass' as const, allowInputRequired: true };
    switch (aside) {
      case 'resources/list':
        return this.#client.listResources(undefined, options);
      case 'resources/templates/list':
        return this.#client.listResourceTemplates(undefined, options);
      case 'resources/read':
        return this.#client.readResource({ ...(input as { uri: string }), ...goingOn }, options);
      case 'prompts/list':
        return this.#client.listPrompts(undefined, options);
      case 'prompts/get':
        return this.#client.getPrompt({ ...(input as { name: string }), ...goingOn }, options);
    }
  }

  /** Called after a call was given up: a program that does not answer at all any more is ended, so that the next call gets another one. */
  async mustAnswer(): Promise<void> {
    const { kill } = this.#line;
    if (kill === undefined || this.#asking || this.#over) return;
    this.#asking = true;
    const timeout = MACHINE.tool_stuck_ms.default;
    try {
      if (this.#client.getProtocolEra() === 'modern') await this.#client.discover({ timeout });
      else await this.#client.ping({ timeout });
    } catch (error) {
      // An error of the server is an answer, too.
      if (error instanceof SdkError && error.code === SdkErrorCode.RequestTimeout) kill(`it did not answer its host for ${timeout} ms`);
    } finally {
      this.#asking = false;
    }
  }

  async close(): Promise<void> {
    const { transport } = this.#line;
    const ended =
      'terminateSession' in transport ? (transport as unknown as { terminateSession(): Promise<void> }).terminateSession() : undefined;
    // The server is told, and not waited for: it may be what does not answer.
    await Promise.race([ended?.catch(() => undefined), new Promise((resolve) => setTimeout(resolve, 500).unref())]);
    await this.#client.close().catch(() => undefined);
  }
}

/** Without the error as its cause, which would be the text as it was. */
function notOpened({ message }: Error, line: Line, redact: LinkOptions['redact']): Error {
  const words = line.lastWords().trim().split('\n').slice(-3).join(' / ');
  return new Error(redact([message, line.why(), words].filter((one) => one !== undefined && one !== '').join('; ')));
}

function priorIn(known: Json): PriorDiscovery | undefined {
  const kind = (known as { readonly kind?: unknown } | null)?.kind;
  return kind === 'legacy' || kind === 'modern' ? (known as unknown as PriorDiscovery) : undefined;
}
