/**
 * The client that MCP's conformance suite tests: a server as a host has it, each of whose tools is called once by arguments of its schema. Questions
 * are answered with the defaults of their forms. The suite gives the address as the last argument, and credentials in its context. In its scenarios of
 * people who sign in, its authorization server sends the browser on at once; where a call needs more than was agreed to, that person signs in again,
 * once.
 */
import { randomUUID } from 'node:crypto';
import type { Json } from '@corral/protocol/json';
import type { GivenInput } from '@corral/protocol/model/question';
import type { SealedTexts } from '@corral/protocol/ports/sealed';
import type { Tool, ToolAnswer, ToolCall } from '@corral/protocol/ports/tool';
import { loginsOf, openMcp } from '@corral/server/config/mcp';
import type { ServerLogins } from '@corral/server/config/mcp-logins';
import { McpServer } from '@corral/server/config/mcp-schema';
import { LoginStore } from '@corral/server/people/login-store';
import { answersTo } from '@corral/tools/mcp/login';

type Schema = Readonly<Record<string, Json>>;
const url = process.argv.at(-1) ?? '';
const scenario = process.env['MCP_CONFORMANCE_SCENARIO'] ?? '';
const context = JSON.parse(process.env['MCP_CONFORMANCE_CONTEXT'] ?? '{}') as Readonly<Record<string, string | undefined>>;
const { client_id, client_secret } = context;

/** The authorization server of the server, which an operator would write into the configuration. */
async function issuerOf(): Promise<string> {
  const metadata = new URL(`/.well-known/oauth-protected-resource${new URL(url).pathname}`, url);
  const { authorization_servers } = (await (await fetch(metadata)).json()) as { authorization_servers: [string] };
  return authorization_servers[0];
}

/** The part of the configuration that says how the host is known. */
async function credentials(): Promise<object> {
  if (!scenario.startsWith('auth/')) return {};
  const known = client_id === undefined || client_secret === undefined ? {} : { client_id, client_secret: 'key', issuer: await issuerOf() };
  if (scenario.startsWith('auth/client-credentials')) return { oauth: known };
  const document = scenario === 'auth/basic-cimd' ? { client_document: 'https://conformance-test.local/client-metadata.json' } : {};
  return { login: { ...known, ...document } };
}

const texts = new Map<string, string>();
const sealed: SealedTexts = {
  get: (name) => texts.get(name),
  put: (name, text) => void texts.set(name, text),
  remove: (name) => void texts.delete(name),
};
const server = McpServer.parse({ url, private: true, ...(await credentials()) });
const powers = {
  secret: () => Promise.resolve(client_secret ?? ''),
  resolve: undefined,
  tell: ({ text }: { readonly text: string }) => void process.stderr.write(`${text}\n`),
};
const store = new LoginStore({ kept: () => sealed, now: Date.now });
const logins = loginsOf({ suite: server }, { ...powers, store, accounts: undefined, rolesOf: () => [], hold: () => undefined }).get(
  'suite',
);
const pins = { get: () => undefined, put: () => undefined };
const source = await openMcp('suite', server, { ...powers, base: '/', pins, start: undefined, redact: (text) => text, logins });

/** As a person whose browser follows the authorization server. @throws where nobody is signed in */
async function signIn(at: ServerLogins): Promise<void> {
  const begun = await at.begin('host', 'http://127.0.0.1:49152/callback', randomUUID());
  const sent = await fetch(begun.address, { redirect: 'manual' });
  const answer = answersTo(begun, sent.headers.get('location') ?? '');
  if (answer === undefined) throw new Error(`the authorization server answered with ${sent.status}`);
  at.keep('host', await at.finish(begun, answer, 'suite'));
}

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
async function attempted(tool: Tool): Promise<ToolAnswer> {
  const of = {
    input: fitting(tool.input.schema),
    idempotency_key: `suite:${(calls += 1)}`,
    run: 'run_suite',
    tenant: 'suite',
    agent: 'suite',
    person: 'suite',
  };
  let given: GivenInput | undefined;
  for (let attempt = 1; ; attempt += 1) {
    const { signal } = new AbortController();
    const call = { ...of, attempt, signal, ...(given === undefined ? {} : { given }) } as unknown as ToolCall;
    const answer = await tool.invoke(call);
    if (answer.kind !== 'input_required') return answer;
    const { schema, state } = answer.request;
    given = { state, action: 'accept', value: fitting(schema) };
  }
}

async function called(tool: Tool): Promise<string> {
  let answer = await attempted(tool);
  if (answer.kind === 'failed' && answer.code === 'CORRAL_LOGIN_NEEDED' && logins !== undefined) {
    await signIn(logins);
    answer = await attempted(tool);
  }
  return `${tool.name}: ${JSON.stringify(answer).slice(0, 500)}`;
}

/** Signs in where that is needed before the tools are known, and accepts them. */
async function listed(at: ServerLogins): Promise<void> {
  const [pinned] = source.pinned ?? [];
  await signIn(at);
  const { message } = await Promise.resolve(pinned?.ask?.()).then(
    () => ({ message: undefined }),
    (error: Error) => error,
  );
  if (message !== undefined) {
    process.stdout.write(`${message}\n`);
    await signIn(at);
    await pinned?.ask?.();
  }
  const digest = pinned?.review().offered?.digest;
  if (digest !== undefined) pinned?.accept(digest, 'suite', Date.now());
}

if (logins !== undefined) await listed(logins);
const own = source.tools().filter(({ streams }) => streams === true);
for (const tool of own) process.stdout.write(`${await called(tool)}\n`);
await source.close(1_000);
