/**
 * Logins at MCP servers: begun here, agreed to at the page of an authorization server, and finished here with its answer. The browser is sent to a
 * port of the machine where somebody signs in, so the answer comes through that somebody, with the same credential as the beginning.
 */
import { CorralError } from '@corral/protocol/errors';
import { answersTo, LoginFailed } from '@corral/tools/mcp/login';
import type { ServerLogins } from '../../config/mcp-logins.ts';
import type { ServerContext } from '../context.ts';
import type { Handlers } from './handler.ts';
import { credentialView } from './secrets.ts';

interface Found {
  readonly of: ServerLogins;
  readonly name: string;
}

export function loginRoutes(context: ServerContext): Handlers<'beginLogin' | 'finishLogin' | 'logout'> {
  const { db, logins, random } = context;
  const find = (server: string, name: string | undefined) => found(context, server, name);
  const viewOf = (of: ServerLogins, name: string) => viewIn(context, { of, name });

  return {
    async beginLogin({ body: { server, account, redirect } }, { access, keep }) {
      const { of, name } = find(server, account);
      const begun = await of
        .begin(name, redirect, Buffer.from(random(24)).toString('base64url'))
        .catch((error: unknown) => refused(server, error));
      const login = `login_${Buffer.from(random(18)).toString('hex')}`;
      const { until } = logins.wait(login, { server, name, principal: access.principal.id, begun });
      keep({ target: { account: of.accountOf(name), at: begun.address.origin } });
      return { login, account: of.accountOf(name), address: begun.address.href, until };
    },
    async finishLogin({ params: { login }, body: { redirect } }, { access, keep }) {
      const by = access.principal.id;
      const waiting = logins.waiting(login, by);
      if (waiting === undefined) throw new CorralError('CORRAL_LOGIN_UNKNOWN', 'No login of yours waits under this name.');
      const { server, name, begun } = waiting;
      const answer = answersTo(begun, redirect);
      // Anybody may have sent this there, so the login still waits.
      if (answer === undefined)
        throw new CorralError('CORRAL_LOGIN_REFUSED', 'This is not the answer to the login: its address or its state is another one.');
      logins.answered(login);
      const { of } = find(server, name);
      if (of.url !== begun.terms.url)
        throw new CorralError('CORRAL_LOGIN_REFUSED', `The configuration gives ${server} another address now than when the login began.`);
      const record = await of.finish(begun, answer, by).catch((error: unknown) => refused(server, error));
      db.durably(() => {
        keep({ target: { account: of.accountOf(name), issuer: record.issuer, url: of.url } });
        of.keep(name, record);
      });
      const tools = await askedAgain(context, server, by, (target) =>
        keep({ operation: 'accept-tools', target: target as never, reason: 'the first login' }),
      );
      return { credential: viewOf(of, name), tools };
    },
    async logout({ body: { server, account, reason, dryRun } }, { keep }) {
      const { of, name } = find(server, account);
      const view = viewOf(of, name);
      if (dryRun) {
        keep.skip();
        return { credential: { ...view, is_there: false, in_force: false }, revoked: of.wouldEnd(name) };
      }
      const revoked = await of.end(name);
      keep({ target: { account: view.account, revoked }, reason });
      return { credential: viewOf(of, name), revoked };
    },
  };
}

/** @throws CORRAL_REQUEST_INVALID */
function found({ settings }: ServerContext, server: string, name: string | undefined): Found {
  const all = settings.inForce().logins;
  const of = all.get(server);
  if (of === undefined) {
    const known = [...all.keys()].join(', ') || 'none';
    throw new CorralError(
      'CORRAL_REQUEST_INVALID',
      `There is no MCP server ${server} with a \`login\` in the configuration; there are: ${known}.`,
    );
  }
  const [only, ...others] = of.names;
  if (name === undefined && only !== undefined && others.length === 0) return { of, name: only };
  if (name !== undefined && of.names.includes(name)) return { of, name };
  throw new CorralError(
    'CORRAL_REQUEST_INVALID',
    `${server} has ${name === undefined ? 'several accounts' : `no account ${name}`}; name one of: ${of.names.join(', ')}.`,
  );
}

function viewIn({ accounts, clock }: ServerContext, { of, name }: Found) {
  const account = of.accountOf(name);
  const listed = of.list().find((one) => one.account === account);
  if (listed === undefined) throw new CorralError('CORRAL_SECRET_UNKNOWN', `The configuration has no account ${account}.`);
  return credentialView(listed, accounts, clock.now());
}

/** The tools of the server as it declares them to who has just signed in; the first list is accepted with the login. */
async function askedAgain(
  { clock, settings }: ServerContext,
  server: string,
  by: string,
  keep: (target: object) => unknown,
): Promise<number | null> {
  const source = `mcp:${server}`;
  const pinned = settings.inForce().pinned.find((one) => one.source === source);
  try {
    await pinned?.ask?.();
  } catch {
    // The login holds, and `corral tools review` asks again.
    return null;
  }
  const { accepted, offered } = pinned?.review() ?? { accepted: null, offered: null };
  if (offered === null) return null;
  if (accepted === null) settings.accept(source, offered.digest, by, clock.now(), keep);
  return offered.tools;
}

function refused(server: string, error: unknown): never {
  if (error instanceof LoginFailed) throw new CorralError('CORRAL_LOGIN_REFUSED', `Nobody was signed in at ${server}: ${error.message}.`);
  throw error;
}
