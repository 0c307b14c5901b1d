/**
 * `corral tools login` and `logout`: a person signs a host in at an MCP server. The browser and this command are on the person's machine; the host, which
 * may be elsewhere, begins the login and gets its answer from here, and the tokens are never here.
 */
import { spawn } from 'node:child_process';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import type { Client } from '@corral/protocol/api/client';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { CorralError } from '@corral/protocol/errors';
import { MCP } from '@corral/protocol/limits-mcp';
import { connect, hostFlags, print, withReason, type HostFlags, type Reasoned } from '../connect.ts';
import { printable } from '../screen/table.ts';
import { wholeNumber } from '../whole-number.ts';

const PATH = '/callback';
type Done = RouteAnswer<'finishLogin'>;

interface LoginFlags extends HostFlags, Reasoned {
  readonly account?: string;
  readonly browser: boolean;
  readonly port?: number;
}

const named = ({ account }: { readonly account?: string }) => (account === undefined ? {} : { account });
const say = (text: string) => void process.stderr.write(`${text}\n`);

export function loginCommands(tools: Command): void {
  hostFlags(tools.command('login'))
    .description('sign the host in at an MCP server, in a browser; the host keeps the tokens, and renews them')
    .argument('<server>', 'name of an MCP server that has a `login` in the configuration')
    .option('--account <name>', 'one of its accounts, where it has several')
    .option('--no-browser', 'print the address, and read the address to which the browser was sent afterwards')
    .option('-m, --reason <text>', 'reason; it is recorded')
    .option('--port <n>', 'port of this machine to which the browser is sent (by default a free one)', (text) =>
      wholeNumber(text, '--port'),
    )
    .addHelpText('after', `\nExample:\n  corral tools login crm\n  corral tools login crm --account sales --no-browser`)
    .action(async (server: string, flags: LoginFlags) => {
      const done = await signIn(connect(flags), server, flags);
      print(flags, done, () => lineOf(done));
    });
  hostFlags(tools.command('logout'))
    .description('forget the tokens of a login, and revoke them at its authorization server')
    .argument('<server>', 'name of the MCP server')
    .option('--account <name>', 'one of its accounts, where it has several')
    .requiredOption('-m, --reason <text>', 'why')
    .addHelpText('after', `\nExample:\n  corral tools logout crm -m 'ana has left'`)
    .action(async (server: string, flags: HostFlags & Required<Reasoned> & { readonly account?: string }) => {
      const done = await connect(flags).logout({ body: { server, ...named(flags), reason: flags.reason, dryRun: false } });
      const { credential, revoked } = done;
      print(flags, done, () => `${credential.account}: ${SAID[revoked]}`);
    });
}

const SAID: Readonly<Record<RouteAnswer<'logout'>['revoked'], string>> = {
  yes: 'the tokens are forgotten, and revoked at the authorization server',
  'not-offered': 'the tokens are forgotten; the authorization server offers no way to revoke them, so they hold there until they expire',
  failed: 'the tokens are forgotten; the authorization server could not be asked to revoke them, so they hold there until they expire',
  nothing: 'nobody was signed in',
};

function lineOf({ credential: { account, login, revoked }, tools }: Done): string {
  const found = tools === null ? 'its tools are not known yet: `corral tools review` asks for them' : `${tools} tools`;
  return [
    `${account}  signed in at ${printable(login?.issuer ?? '')}, ${found}`,
    ...(revoked === null ? [] : [`it is revoked, and given out again after: corral secret restore ${account} -m WHY`]),
  ].join('\n');
}

/** @throws CORRAL_LOGIN_REFUSED, CORRAL_USAGE */
async function signIn(client: Client, server: string, flags: LoginFlags): Promise<Done> {
  const landing = await Landing.open(flags.port ?? 0);
  try {
    const begun = await client.beginLogin({ body: { server, ...named(flags), redirect: landing.url, ...withReason(flags) } });
    landing.expect(new URL(begun.address).searchParams.get('state') ?? '');
    say(`Sign in at this address:\n${printable(begun.address)}`);
    if (flags.browser) openBrowser(begun.address);
    else say('Then paste the address here to which the browser was sent, if this page does not go on by itself:');
    const ways = [landing.answer, over(landing.closed), ...(flags.browser ? [] : [pasted(landing.closed)])];
    const { redirect, told } = await Promise.race(ways);
    try {
      const done = await client.finishLogin({ params: { login: begun.login }, body: { redirect, ...withReason(flags) } });
      told('You are signed in. This page can be closed.');
      return done;
    } catch (error) {
      told('Nobody was signed in. The command in the terminal says why.');
      throw error;
    }
  } finally {
    landing.close();
  }
}

/** An answer that came to this machine, and how the page of the person is told what follows. */
interface Landed {
  readonly redirect: string;
  readonly told: (text: string) => void;
}

/** The port of this machine to which the browser is sent (RFC 8252, 7.3). */
class Landing {
  readonly url: string;
  readonly answer: Promise<Landed>;
  readonly #server: ReturnType<typeof createServer>;
  readonly #closing = new AbortController();
  #state: string | undefined;
  readonly #land: (landed: Landed) => void;

  private constructor(server: ReturnType<typeof createServer>) {
    const { promise, resolve } = Promise.withResolvers<Landed>();
    this.answer = promise;
    this.#land = resolve;
    this.#server = server.on('request', (request, response) => this.#take(request, response));
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}${PATH}`;
  }

  /** @throws CORRAL_USAGE */
  static async open(port: number): Promise<Landing> {
    const server = createServer();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', (error) =>
      reject(new CorralError('CORRAL_USAGE', `Port ${port} of this machine cannot be used: ${error.message}.`)),
    );
    server.listen(port, '127.0.0.1', resolve);
    await promise;
    return new Landing(server);
  }

  get closed(): AbortSignal {
    return this.#closing.signal;
  }

  expect(state: string): void {
    this.#state = state;
  }

  close(): void {
    this.#closing.abort();
    this.#server.close();
    this.#server.closeIdleConnections();
  }

  /** A request with another state, of any page or program, does not answer the login and does not end it. */
  #take({ method, url = '' }: IncomingMessage, response: ServerResponse): void {
    const asked = URL.parse(url, this.url);
    const isAnswer =
      method === 'GET' && asked?.pathname === PATH && this.#state !== undefined && asked.searchParams.get('state') === this.#state;
    if (asked === null || !isAnswer) return void response.writeHead(404).end();
    const headers = {
      'content-type': 'text/plain; charset=utf-8',
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      connection: 'close',
    };
    this.#land({ redirect: asked.href, told: (text) => void response.writeHead(200, headers).end(text) });
  }
}

/** The line that a person pastes. Where there is no input, the answer can only come by the browser. */
function pasted(closed: AbortSignal): Promise<Landed> {
  const lines = createInterface({ input: process.stdin });
  closed.addEventListener('abort', () => lines.close(), { once: true });
  lines.on('close', () => process.stdin.unref());
  const { promise, resolve } = Promise.withResolvers<Landed>();
  lines.on('line', (line) => {
    if (line.trim() !== '') resolve({ redirect: line.trim(), told: () => undefined });
  });
  return promise;
}

/** Rejects once the host waits no longer. Its clock may be another one, so this is a duration. */
function over(closed: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new CorralError('CORRAL_LOGIN_UNKNOWN', 'Nobody has signed in in time.')), MCP.login_ms.default);
  closed.addEventListener('abort', () => clearTimeout(timer), { once: true });
  return promise;
}

/** By the program of the desktop; the address is printed in any case. */
function openBrowser(address: string): void {
  const [command, ...args] =
    process.platform === 'darwin' ? ['open'] : process.platform === 'win32' ? ['rundll32', 'url.dll,FileProtocolHandler'] : ['xdg-open'];
  const child = spawn(command ?? '', [...args, address], { stdio: 'ignore', detached: true });
  child.on('error', () => undefined).unref();
}
