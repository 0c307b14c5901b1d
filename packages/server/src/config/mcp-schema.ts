/** MCP servers in a configuration (`mcp`). */
import * as z from 'zod';
import { SourceName } from '@corral/protocol/model/manifest';
import { MACHINE } from '@corral/protocol/limits';
import { AllowedOrigin } from './http-schema.ts';
import { Returns } from './parts.ts';
import { Bound } from './secrets-schema.ts';

const secret = z.string().regex(/^[a-z][a-z0-9_-]{0,63}$/, 'the name of a secret');
const flag = z.boolean().exactOptional();

/** Annotations that the configuration gives a tool, instead of its server. */
const Said = z.strictObject({
  readOnly: flag.describe('it changes nothing'),
  idempotent: flag.describe('a call that is repeated has no further effect'),
  destructive: flag.describe('its changes cannot be undone'),
  openWorld: flag.describe('it reaches beyond this host'),
  repeatable: flag.describe('it costs something and changes nothing, so it may be repeated'),
  returns: Returns.exactOptional(),
});

const common = {
  trusted: z
    .boolean()
    .default(false)
    .describe('believe what the server says of its tools (`readOnlyHint` and the like); else each is taken for one that can do harm'),
  tools: z
    .record(z.string().min(1).max(128), Said)
    .default({})
    .describe('what holds of a tool whatever its server says, by the server’s name of it; `*`: of every tool'),
  only: z.array(z.string().min(1).max(128)).min(1).max(512).exactOptional().describe('the tools that are offered; left out: all'),
  timeout_ms: z.int().min(1).max(MACHINE.call_timeout_ms.max).exactOptional().describe('time of one attempt at a call'),
};

const Variable = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'the name of an environment variable');

const Stdio = z.strictObject({
  command: z.string().min(1).max(4096).describe('a program; `node` is the Node that runs this host'),
  args: z.array(z.string().max(8192)).max(256).default([]),
  env: z.record(Variable, z.string().max(32_768)).default({}).describe('its environment; it gets no other variables of the host'),
  secrets: z.record(Variable, secret).default({}).describe('variables that hold a secret, by the name of the secret'),
  folders: z
    .record(z.string().min(1).max(4096), z.enum(['read', 'write']))
    .default({})
    .describe('folders and files that it may read, or also write; relative to the configuration file. It sees no others but the system’s'),
  cwd: z.string().min(1).max(4096).exactOptional().describe('where it is started; one of its folders'),
  origins: z
    .array(
      AllowedOrigin.refine(
        (one) => (typeof one === 'string' ? one : one.origin).startsWith('https://'),
        'not an origin of https: a tunnel is for https',
      ),
    )
    .min(1)
    .max(64)
    .exactOptional()
    .describe('origins that it may reach, by a proxy of the host that opens tunnels (`HTTPS_PROXY`); left out: none'),
  wall: z
    .enum(['bubblewrap', 'none'])
    .default('bubblewrap')
    .describe('`none`: it runs as the host itself, with network, files and all; for a program that is trusted like the host'),
  ...common,
});

const issuer = z.url({ protocol: /^https?$/ });
const scope = z.string().min(1).max(1024);

/** A login by a person, whose tokens the host keeps. */
const McpLogin = z
  .strictObject({
    issuer: issuer
      .exactOptional()
      .describe('the authorization server, exactly as it names itself; left out: the one that the MCP server names'),
    client_id: z.string().min(1).max(512).exactOptional().describe('left out: the host registers itself (RFC 7591)'),
    client_secret: secret.exactOptional().describe('name of the secret that is the client’s, if it has one'),
    client_document: z
      .url({ protocol: /^https$/ })
      .exactOptional()
      .describe('address of a document that says who this client is, for authorization servers that read one instead'),
    scope: scope.exactOptional().describe('left out: what the server asks for'),
    accounts: z
      .record(SourceName, z.strictObject({ for: Bound.exactOptional().describe('whose it is, as in `secrets`; left out: every caller’s') }))
      .refine((accounts) => Object.keys(accounts).length > 0, 'names no account')
      .exactOptional()
      .describe(
        'several logins, by names of your own: a call has the first that is for its caller, else one that is for nobody in particular',
      ),
  })
  .refine((said) => said.client_secret === undefined || (said.client_id !== undefined && said.issuer !== undefined), {
    message: 'a secret of the client needs `client_id`, and the `issuer` that alone is given it',
    path: ['client_secret'],
  })
  .refine((said) => said.client_id === undefined || said.client_document === undefined, {
    message: 'the client is known by `client_id` or by `client_document`',
    path: ['client_document'],
  });
export type McpLogin = z.output<typeof McpLogin>;

const Http = z.strictObject({
  url: z.url({ protocol: /^https?$/ }).describe('address of a server that speaks streamable HTTP'),
  headers: z
    .record(z.string().regex(/^[A-Za-z0-9-]{1,100}$/, 'the name of a header'), secret)
    .default({})
    .describe('the secret that is the value of each header, by the name of the header'),
  oauth: z
    .strictObject({
      client_id: z.string().min(1).max(512),
      client_secret: secret.describe('name of the secret that is the client’s'),
      issuer: issuer.describe('the authorization server, exactly as it names itself; no other one is given the secret'),
      scope: scope.exactOptional(),
    })
    .exactOptional()
    .describe('the client credentials by which the host gets tokens from the authorization server of the MCP server'),
  login: McpLogin.exactOptional().describe('people sign the host in at the server: `corral tools login NAME`'),
  private: z.boolean().default(false).describe('the address may be one of this machine or of a private network'),
  ...common,
});

export const McpServer = z.union([Stdio, Http]);
export type McpServer = z.output<typeof McpServer>;
export const McpServers = z.record(SourceName, McpServer);
export type McpServers = z.output<typeof McpServers>;
