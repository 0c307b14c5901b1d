/** The MCP servers of a configuration, each a source of tools. Loaded only where there are some, since the client takes time. */
import { isAbsolute, resolve, sep } from 'node:path';
import type { ToolPins } from '@corral/protocol/ports/pins';
import { HTTP } from '@corral/protocol/limits-http';
import { MCP } from '@corral/protocol/limits-mcp';
import type { ProgramPort, ProgramSpec, StartProgram } from '@corral/protocol/ports/program';
import type { ToolSource } from '@corral/protocol/ports/tool';
import type { ToolNews } from '@corral/tools/host/keeper';
import { addressLine, programLine } from '@corral/tools/mcp/lines';
import type { Line } from '@corral/tools/mcp/link';
import { McpSource } from '@corral/tools/mcp/source';
import type { Resolve } from '@corral/tools/net/guarded';
import type { AllowedOrigin as Origin } from './http-schema.ts';
import { boundedFetch } from './mcp-fetch.ts';
import { ServerLogins, type LoginPowers } from './mcp-logins.ts';
import type { McpServer, McpServers } from './mcp-schema.ts';
import type { Fault } from './whole.ts';

/** In the network namespace of a program, where nothing else listens. */
const PROXY_PORT = 3128;

type Program = Exclude<McpServer, { readonly url: string }>;

export interface McpPowers {
  /** Folder of the configuration file. */
  readonly base: string;
  readonly secret: (name: string) => Promise<string>;
  readonly pins: ToolPins;
  /** Undefined: behind the walls that are found on this machine, without control groups. */
  readonly start: StartProgram | undefined;
  readonly tell: (news: ToolNews) => void;
  /** Finds the addresses of servers; undefined: as the system does. */
  readonly resolve: Resolve | undefined;
  /** Replaces the secrets that were given out in a text by their names. */
  readonly redact: (text: string) => string;
  /** The logins at the server. Left out: nobody signs the host in there. */
  readonly logins?: ServerLogins | undefined;
}

/** The logins of servers, by name. */
export type Logins = ReadonlyMap<string, ServerLogins>;

export function loginsOf(
  servers: McpServers,
  powers: Omit<LoginPowers, 'fetch' | 'requests' | 'lost'> & {
    readonly resolve: Resolve | undefined;
    readonly tell: (news: ToolNews) => void;
  },
): Logins {
  const { resolve: find, tell } = powers;
  return new Map(
    Object.entries(servers).flatMap(([name, server]) => {
      if (!('url' in server) || server.login === undefined) return [];
      const lost = (text: string) => tell({ kind: 'suspended', text, source: `mcp:${name}` });
      const ask = boundedFetch(server.private, find);
      const fetch: typeof ask = (url, init) => ask(url, { ...init, signal: init?.signal ?? AbortSignal.timeout(MCP.connect_ms.default) });
      const of = { ...powers, lost, fetch, requests: ask };
      return [[name, new ServerLogins(name, { ...server, login: server.login }, of)] as const];
    }),
  );
}

/** @throws why a server has no tools yet and cannot be asked */
export function openMcp(name: string, server: McpServer, powers: McpPowers): Promise<ToolSource> {
  const { trusted, tools, only, timeout_ms } = server;
  const { pins, tell, redact, logins } = powers;
  const line = (account: string | undefined) => lineOf(name, server, powers, account);
  return McpSource.open({ name, trusted, said: tools, only, timeout_ms, pins, tell, redact, logins, line });
}

async function lineOf(
  name: string,
  server: McpServer,
  { base, secret, start, tell, resolve: find, logins }: McpPowers,
  account: string | undefined,
): Promise<() => Line> {
  if ('url' in server) {
    const headers = await filled(server.headers, secret);
    const { oauth } = server;
    const client = oauth === undefined ? undefined : { ...oauth, client_secret: await secret(oauth.client_secret), scope: oauth.scope };
    const login = account === undefined || logins === undefined ? undefined : () => logins.provider(account);
    return addressLine(
      { url: server.url, headers, oauth: client, ...(login === undefined ? {} : { login }) },
      boundedFetch(server.private, find),
    );
  }
  const output = (text: string) => tell({ kind: 'output', text: `mcp:${name}: ${text}` });
  const spec = programOf(server, base);
  const port = server.origins === undefined ? undefined : await portTo(server.origins, find, output);
  const proxy = port === undefined ? {} : proxied(port.number);
  const program = { ...spec, port, env: { ...proxy, ...spec.env, ...(await filled(server.secrets, secret)) } };
  return programLine(program, start ?? (await byDefault()), output);
}

/** The port of a program at which the host opens tunnels to origins. */
async function portTo(origins: readonly Origin[], resolve: Resolve | undefined, refused: (text: string) => void): Promise<ProgramPort> {
  const [{ Tunnels }, { allowedOf }] = await Promise.all([import('@corral/tools/net/tunnels'), import('./http.ts')]);
  const connect_ms = HTTP.http_connect_ms.default;
  const tunnels = new Tunnels({ origins: origins.map(allowedOf), connect_ms, resolve, refused });
  return { number: PROXY_PORT, take: (connection) => tunnels.take(connection) };
}

/** The variables by which programs find a proxy, and by which Node's own `fetch` uses it. */
function proxied(port: number): Readonly<Record<string, string>> {
  const address = `http://127.0.0.1:${port}`;
  return { HTTPS_PROXY: address, https_proxy: address, NODE_USE_ENV_PROXY: '1' };
}

/** The program of a server, without its secrets. @param base folder of the configuration file */
function programOf({ command, args, env, folders, cwd, wall }: Program, base: string): ProgramSpec {
  const at = (path: string) => resolve(base, path);
  return {
    command: isAbsolute(command) || !command.includes(sep) ? command : at(command),
    args,
    env,
    folders: Object.entries(folders).map(([path, may]) => ({ path: at(path), write: may === 'write' })),
    cwd: cwd === undefined ? undefined : at(cwd),
    confined: wall !== 'none',
  };
}

/** The programs of a configuration, by the name of the server. */
export const programsOf = (servers: McpServers, base: string): readonly (readonly [name: string, spec: ProgramSpec])[] =>
  Object.entries(servers).flatMap(([name, server]) => ('url' in server ? [] : [[name, programOf(server, base)] as const]));

/** Starts programs for a command that is not a host: behind the walls of this machine. */
async function byDefault(): Promise<StartProgram> {
  const { findWalls, programs } = await import('@corral/supervisor');
  return programs({ walls: findWalls(), groups: undefined, path: process.env['PATH'] ?? '' });
}

async function filled(names: Readonly<Record<string, string>>, secret: McpPowers['secret']): Promise<Record<string, string>> {
  const values = await Promise.all(Object.entries(names).map(async ([name, of]) => [name, await secret(of)] as const));
  return Object.fromEntries(values);
}

/** Secrets that servers name and that do not exist. */
export function faultsOfMcp(servers: McpServers, secrets: Readonly<Record<string, unknown>>): Fault[] {
  return Object.entries(servers).flatMap(([name, server]): Fault[] => {
    const noSecret = (path: readonly string[], secret: string): Fault[] =>
      Object.hasOwn(secrets, secret) ? [] : [{ path: ['mcp', name, ...path], message: `there is no secret ${secret}` }];
    if ('url' in server)
      return [
        ...Object.entries(server.headers).flatMap(([header, secret]) => noSecret(['headers', header], secret)),
        ...(server.oauth === undefined ? [] : noSecret(['oauth', 'client_secret'], server.oauth.client_secret)),
        ...(server.login?.client_secret === undefined ? [] : noSecret(['login', 'client_secret'], server.login.client_secret)),
        ...(server.oauth === undefined || server.login === undefined
          ? []
          : [
              {
                path: ['mcp', name, 'login'],
                message: 'a server has credentials of the host (`oauth`) or a login of people, and not both',
              },
            ]),
      ];
    const unwalled =
      server.wall === 'none' && server.origins !== undefined
        ? [{ path: ['mcp', name, 'origins'], message: 'without a wall a program reaches every origin: leave out `origins` or `wall`' }]
        : [];
    return [...unwalled, ...Object.entries(server.secrets).flatMap(([variable, secret]) => noSecret(['secrets', variable], secret))];
  });
}
