/**
 * The client that MCP's conformance suite tests: a server as a host has it, each of whose tools is called once by arguments of its schema. Questions
 * are answered with the defaults of their forms. The suite gives the address as the last argument, and credentials in its context.
 */
import type { Json } from '@corral/protocol/json';
import type { GivenInput } from '@corral/protocol/model/question';
import type { Tool, ToolCall } from '@corral/protocol/ports/tool';
import { openMcp } from '@corral/server/config/mcp';
import { McpServer } from '@corral/server/config/mcp-schema';

type Schema = Readonly<Record<string, Json>>;
const url = process.argv.at(-1) ?? '';
const context = JSON.parse(process.env['MCP_CONFORMANCE_CONTEXT'] ?? '{}') as Readonly<Record<string, string | undefined>>;

/** The authorization server of the server, which an operator would write into the configuration. */
async function issuerOf(): Promise<string> {
  const metadata = new URL(`/.well-known/oauth-protected-resource${new URL(url).pathname}`, url);
  const { authorization_servers } = (await (await fetch(metadata)).json()) as { authorization_servers: [string] };
  return authorization_servers[0];
}

const { client_id, client_secret } = context;
const oauth =
  client_id === undefined || client_secret === undefined ? {} : { oauth: { client_id, client_secret: 'key', issuer: await issuerOf() } };
const source = await openMcp('suite', McpServer.parse({ url, private: true, ...oauth }), {
  base: '/',
  secret: () => Promise.resolve(client_secret ?? ''),
  pins: { get: () => undefined, put: () => undefined },
  start: undefined,
  tell: ({ text }) => void process.stderr.write(`${text}\n`),
  resolve: undefined,
  redact: (text) => text,
});

/** Values of the simplest kind that a schema takes. */
function fitting(schema: Schema): Json {
  const { type, properties = {}, enum: words, default: fallback } = schema as Readonly<Record<string, never>>;
  if (fallback !== undefined) return fallback;
  if (words !== undefined) return (words as Json[])[0] ?? null;
  if (type === 'object' || type === undefined)
    return Object.fromEntries(Object.entries(properties as Record<string, Schema>).map(([name, of]) => [name, fitting(of)]));
  if (type === 'number' || type === 'integer') return 3;
  if (type === 'boolean') return true;
  return type === 'array' ? [] : 'text';
}

let calls = 0;
async function called(tool: Tool): Promise<string> {
  const of = { input: fitting(tool.input.schema), idempotency_key: `suite:${(calls += 1)}`, run: 'run_suite', tenant: 'suite' };
  let given: GivenInput | undefined;
  for (let attempt = 1; ; attempt += 1) {
    const { signal } = new AbortController();
    const call = { ...of, attempt, signal, ...(given === undefined ? {} : { given }) } as unknown as ToolCall;
    const answer = await tool.invoke(call);
    if (answer.kind !== 'input_required') return `${tool.name}: ${JSON.stringify(answer).slice(0, 500)}`;
    const { schema, state } = answer.request;
    given = { state, action: 'accept', value: fitting(schema) };
  }
}

const own = source.tools().filter(({ streams }) => streams === true);
for (const tool of own) process.stdout.write(`${await called(tool)}\n`);
await source.close(1_000);
