/** The operations of an OpenAPI document, as a source of tools: `tool:NAME.operation`. They are made from what a person accepted. */
import type { Json } from '@corral/protocol/json';
import { MACHINE } from '@corral/protocol/limits';
import type { Declaration, PinnedSource, ToolPins } from '@corral/protocol/ports/pins';
import type { Checked, Contract, JsonSchema } from '@corral/protocol/ports/contract';
import type { Returns, Tool, ToolAnnotations, ToolCall, ToolResult, ToolSource } from '@corral/protocol/ports/tool';
import { contractBy } from '../host/contracts.ts';
import { bytesOf, contentOf } from '../http/answer.ts';
import { Exchange, type Bytes, type ExchangeOptions, type ExchangePowers } from '../http/exchange.ts';
import { requestContract, type AllowedOrigin, type HttpRequest } from '../http/request.ts';
import { failureOf, isReading } from '../http/tool.ts';
import { PinnedTools } from '../pinning/pinned.ts';
import { faultOfAll, resolveReturns, type Resolved } from '../returned-fields.ts';
import { fixedSource } from '../sources.ts';
import { readDocument, type Members } from './document.ts';
import { declarationsOf, type Operation } from './operations.ts';
import { requestOf } from './request.ts';

export interface OpenApiOptions extends Omit<ExchangeOptions, 'origins'> {
  readonly name: string;
  readonly origin: AllowedOrigin;
  /** Before each path; undefined: the path of the document's first server. */
  readonly base_path: string | undefined;
  readonly only: readonly string[] | undefined;
  /** The writer of the answers. Fields are those of the operations that have them; one that none has is refused. */
  readonly returns: Returns;
  readonly destructive: boolean;
  readonly private_to: string | undefined;
  readonly encoded_slashes: boolean;
  readonly body_bytes: number;
  readonly pins: ToolPins;
  /** The text of the document. @throws why it cannot be read now */
  readonly read: () => Promise<string>;
}

export interface OpenApiPowers extends ExchangePowers {
  readonly redact: (text: string) => string;
}

export class OpenApiSource implements ToolSource {
  readonly #options: OpenApiOptions;
  readonly #powers: OpenApiPowers;
  readonly #pinned: PinnedTools;
  readonly #exchange: Exchange;
  readonly #listeners = new Set<() => void>();
  #base = '';
  #notes: readonly string[] = [];
  #tools: ToolSource = fixedSource([]);
  /** Those from before another list was accepted; calls of them may be under way. */
  readonly #before: ToolSource[] = [];
  /** The declarations about answers, by tool. */
  readonly #resolved = new Map<string, Resolved>();

  private constructor(options: OpenApiOptions, powers: OpenApiPowers) {
    this.#options = options;
    this.#powers = powers;
    this.#exchange = new Exchange({ ...options, origins: [options.origin] }, powers);
    this.#pinned = new PinnedTools({
      source: `openapi:${options.name}`,
      pins: options.pins,
      known: () => this.#base,
      changed: () => {
        this.#make();
        for (const listener of this.#listeners) listener();
      },
      notes: () => this.#notes,
    });
  }

  /** A document that cannot be read now is none the less one whose tools were accepted. @throws why there are no tools */
  static async open(options: OpenApiOptions, powers: OpenApiPowers): Promise<OpenApiSource> {
    const source = new OpenApiSource(options, powers);
    try {
      await source.#read();
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      if (source.#pinned.tools === undefined)
        throw new Error(`the document of openapi.${options.name} cannot be used: ${why}`, { cause: error });
      source.#notes = [`the document cannot be read: ${why}`];
    }
    const known = source.#pinned.known;
    source.#base = options.base_path ?? (typeof known === 'string' ? known : source.#base);
    source.#make();
    const fault = faultOfAll(source.#resolved.values());
    if (fault !== undefined) throw new Error(`openapi.${options.name}.returns: ${fault}`);
    return source;
  }

  async #read(): Promise<void> {
    const { name, only, base_path } = this.#options;
    const document = readDocument(await this.#options.read());
    const { declarations, notes, missing } = declarationsOf(name, document, only);
    if (missing.length > 0) throw new Error(`it has no operation ${missing.join(', ')}`);
    this.#base = base_path ?? basePathOf(document);
    this.#notes = notes;
    this.#pinned.offer(declarations.map((one) => ({ ...one, says: { ...(one.says as Members), base: this.#base } })));
  }

  #make(): void {
    this.#resolved.clear();
    this.#before.push(this.#tools);
    this.#tools = fixedSource((this.#pinned.tools ?? []).map((one) => this.#tool(one)));
  }

  get pinned(): readonly PinnedSource[] {
    return [this.#pinned];
  }

  tools(): readonly Tool[] {
    return this.#tools.tools();
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(within_ms: number = MACHINE.tool_drain_ms.default): Promise<void> {
    this.#listeners.clear();
    await Promise.all([...this.#before, this.#tools].map((one) => one.close(within_ms)));
    await this.#exchange.close();
  }

  #tool({ name, says }: Declaration): Tool {
    const operation = says as unknown as Operation & { readonly base: string };
    const { origin, returns: said, destructive, private_to, idempotency_key, bounds } = this.#options;
    const readOnly = isReading(operation.method);
    const output = answerContract(operation.output);
    const { returns, trusted_fields, ...resolved } = resolveReturns(said, () => output.schema);
    this.#resolved.set(name, { returns, ...resolved });
    const annotations: ToolAnnotations = {
      readOnly,
      idempotent: readOnly || idempotency_key !== undefined,
      destructive: !readOnly && destructive,
      openWorld: true,
      repeatable: false,
      returns,
      ...(trusted_fields === undefined ? {} : { trusted_fields }),
      ...(private_to === undefined ? {} : { private_to }),
    };
    return {
      name,
      description: operation.description,
      input: this.#input(operation),
      output,
      annotations,
      writer: () => (returns === 'trusted' ? undefined : origin.pattern),
      suspended: () => this.#pinned.suspended(name),
      timeout_ms: bounds.timeout_ms,
      invoke: (call) => this.#answered(name, operation, call),
    };
  }

  /** The arguments fit the operation, and make a request that the host may send. */
  #input(operation: Operation & { readonly base: string }): Contract {
    const contract = contractBy(operation.input);
    const { origin, encoded_slashes, body_bytes, secrets, idempotency_key } = this.#options;
    const request = requestContract({
      origins: [origin],
      methods: [operation.method],
      // Those of the document were accepted with it.
      headers: operation.parameters.flatMap((one) => (one.in === 'header' ? [one.name.toLowerCase()] : [])),
      own_headers: [...secrets.map(({ header }) => header), ...(idempotency_key === undefined ? [] : [idempotency_key])],
      encoded_slashes,
      body_bytes,
    });
    return {
      ...contract,
      check: (value): Checked => {
        const checked = contract.check(value);
        if (!checked.ok) return checked;
        try {
          const made = request.check(requestOf(operation, checked.value as Members, origin.pattern, operation.base));
          return made.ok ? checked : made;
        } catch (error) {
          return { ok: false, where: '', message: error instanceof Error ? error.message : 'no request can be made of it' };
        }
      },
    };
  }

  async #answered(name: string, operation: Operation & { readonly base: string }, call: ToolCall): Promise<ToolResult> {
    const { origin, bounds, idempotency_key } = this.#options;
    const repeats = isReading(operation.method) || idempotency_key !== undefined;
    const request: HttpRequest = requestOf(operation, call.input as Members, origin.pattern, operation.base);
    try {
      const answer = await this.#exchange.ask(request, call, repeats);
      const bytes = await bytesOf(answer, bounds.answer_bytes, origin.pattern);
      return resultOf(
        `${operation.method} ${operation.path} of ${name}`,
        answer.status,
        answer.headers['content-type'],
        bytes,
        this.#powers.redact,
      );
    } catch (error) {
      return failureOf(error, name, repeats);
    }
  }
}

/** Characters of a failure that the caller gets to read. */
const FAILURE_CHARS = 500;

function resultOf(of: string, status: number, type: string | undefined, bytes: Bytes, redact: (text: string) => string): ToolResult {
  const { body: text, body_base64 } = contentOf(bytes, redact);
  if (status >= 300) {
    const why = status < 400 ? 'it refers elsewhere, which is not followed' : (text ?? '').slice(0, FAILURE_CHARS);
    const busy = status === 429 || status === 503;
    return { kind: 'failed', message: `${of} answered ${status}${why === '' ? '' : `: ${why}`}`, ...(busy ? { retryable: true } : {}) };
  }
  const body = text === undefined ? body_base64 : /\bjson\b/i.test(type ?? '') ? jsonIn(text) : text;
  return { kind: 'ok', value: { status, ...(body === undefined ? {} : { body }) } };
}

function jsonIn(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

/** A server that answers otherwise than its document says has answered none the less; to refuse that would lose what it did. */
const answerContract = (schema: JsonSchema): Contract => ({ schema, mayHang: false, check: (value) => ({ ok: true, value }) });

/** The path of the document's first server: `/v1` of `https://api.example.com/v1`. Its host counts for nothing. */
function basePathOf({ servers }: Members): string {
  const [first] = Array.isArray(servers) ? (servers as readonly Json[]) : [];
  const url = typeof first === 'object' && first !== null ? (first as Members)['url'] : undefined;
  if (typeof url !== 'string' || url.includes('{')) return '';
  return (URL.parse(url, 'https://base.invalid')?.pathname ?? '').replace(/\/+$/, '');
}
