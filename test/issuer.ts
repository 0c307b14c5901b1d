/**
 * An OpenID issuer for tests, with keys of its own and the checks of a real one: it knows its client, the client's only redirect URI, and the PKCE
 * challenge, and takes each code once. A person signs in by a click on a page; the client gets tokens of its own for the resource that it names.
 *
 * It is an authorization server too: clients register themselves (RFC 7591), and get tokens for one resource (RFC 8707) that they renew and revoke
 * (RFC 7009). A refresh token is good once.
 */
import { createHash, randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, SignJWT, type JWTPayload } from 'jose';
import { front, shortFolder, type Front } from './front.ts';
import type { Finished } from './shared.ts';

export interface TestIssuer {
  readonly url: string;
  /** The client's only redirect URI, which is known once its host listens. */
  redirect: string;
  /** Changes what the next tokens say. */
  bend: (claims: JWTPayload) => JWTPayload;
  /** Signs the next tokens with a key that the issuer does not publish. */
  forge: boolean;
  /** Requests to its token endpoint. */
  readonly exchanges: URLSearchParams[];
  /** Lifetime of the tokens of registered clients, in seconds. */
  life_s: number;
  /** Refresh tokens that are good. */
  readonly refreshable: Map<string, Agreed>;
  /** Each secret that it gave to registered clients. */
  readonly given: Set<string>;
  /** Tokens that were revoked, in their order. */
  readonly revoked: string[];
  /** Bodies of registrations. */
  readonly registered: Registration[];
  /** Changes the document that says what it offers. */
  describe: (document: Record<string, unknown>) => Record<string, unknown>;
  /** Changes the addresses to which it sends browsers. */
  answer: (address: URL) => URL;
  /** Members of the answers in which it gives tokens, instead of its own. */
  tokens: object;
  /** How clients that register from now on show their secret; undefined: any way that it offers. */
  method: string | undefined;
  /** Answers the next requests for tokens with this status. */
  broken: number | undefined;
  /** As a person who follows an address of the host to the issuer and signs in there: the address to which that leads. */
  readonly signIn: (address: string) => Promise<string>;
}

interface Registration {
  readonly client_id: string;
  readonly client_secret?: string;
  readonly redirect_uris: readonly string[];
  readonly token_endpoint_auth_method?: string;
}
/** The consent of a person. */
interface Agreed {
  readonly client: string;
  readonly resource: string;
}

export const CLIENT = { id: 'corral-console', secret: 'client-secret' };
const REALM = '/realm';

async function textOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString();
}
const bodyOf = async (request: IncomingMessage): Promise<URLSearchParams> => new URLSearchParams(await textOf(request));

/** @param claims of the person who signs in */
export async function testIssuer(claims: JWTPayload, finished: Finished): Promise<TestIssuer> {
  const [own, other] = [await generateKeyPair('ES256', { extractable: true }), await generateKeyPair('ES256')];
  const key = { ...(await exportJWK(own.publicKey)), kid: 'k1', use: 'sig', alg: 'ES256' };
  const asked = new Map<string, URLSearchParams>();
  const codes = new Map<string, URLSearchParams>();
  const kept = (all: Map<string, URLSearchParams>, one: URLSearchParams) => {
    const name = randomBytes(16).toString('hex');
    all.set(name, one);
    return name;
  };
  const exchanges: URLSearchParams[] = [];

  const basic = ({ headers }: IncomingMessage): readonly [id: string, secret: string] => {
    const [id = '', secret = ''] = Buffer.from(headers.authorization?.replace(/^Basic /, '') ?? '', 'base64')
      .toString()
      .split(':');
    return [decodeURIComponent(id), decodeURIComponent(secret)];
  };
  const isClient = (request: IncomingMessage) => {
    const [id, secret] = basic(request);
    return id === CLIENT.id && secret === CLIENT.secret;
  };

  /** The registered client that asks, by its secret if it has one. */
  function registeredAs(request: IncomingMessage, body: URLSearchParams): string | undefined {
    const [id, secret] =
      request.headers.authorization === undefined ? [body.get('client_id'), body.get('client_secret') ?? ''] : basic(request);
    const client = issuer.registered.find((one) => one.client_id === id);
    const shown = request.headers.authorization === undefined ? 'client_secret_post' : 'client_secret_basic';
    const { token_endpoint_auth_method: method = shown } = client ?? {};
    const isShown = client?.client_secret === undefined || method === shown;
    return client !== undefined && isShown && (client.client_secret ?? '') === secret ? client.client_id : undefined;
  }

  async function register(request: IncomingMessage): Promise<Registration> {
    const said = JSON.parse(await textOf(request)) as Omit<Registration, 'client_id'>;
    const isPublic = said.token_endpoint_auth_method === 'none';
    const secret = randomBytes(16).toString('hex');
    if (!isPublic) issuer.given.add(secret);
    const method = issuer.method === undefined ? {} : { token_endpoint_auth_method: issuer.method };
    const client = { ...said, ...method, client_id: randomBytes(8).toString('hex'), ...(isPublic ? {} : { client_secret: secret }) };
    issuer.registered.push(client);
    return client;
  }

  /** Tokens for what a person has agreed to. */
  async function agreed(of: Agreed): Promise<object> {
    const now = Math.floor(Date.now() / 1000);
    const [access_token, refresh_token] = [
      await signed(
        issuer.bend({
          iss: issuer.url,
          aud: of.resource,
          sub: 'ana',
          iat: now,
          // Not before the time that the client is told.
          exp: now + 1 + issuer.life_s,
          jti: randomBytes(8).toString('hex'),
        }),
      ),
      randomBytes(24).toString('base64url'),
    ];
    issuer.refreshable.set(refresh_token, of);
    issuer.given.add(access_token).add(refresh_token);
    return { access_token, refresh_token, token_type: 'Bearer', expires_in: issuer.life_s, ...issuer.tokens };
  }

  function renewed(client: string | undefined, body: URLSearchParams): Promise<object> | undefined {
    const of = issuer.refreshable.get(body.get('refresh_token') ?? '');
    issuer.refreshable.delete(body.get('refresh_token') ?? '');
    return of !== undefined && of.client === client && body.get('resource') === of.resource ? agreed(of) : undefined;
  }

  async function revoke(request: IncomingMessage): Promise<boolean> {
    const body = await bodyOf(request);
    if (registeredAs(request, body) === undefined) return false;
    const token = body.get('token') ?? '';
    issuer.revoked.push(token);
    issuer.refreshable.delete(token);
    return true;
  }

  const signed = (said: JWTPayload) =>
    new SignJWT(said).setProtectedHeader({ alg: 'ES256', kid: 'k1' }).sign(issuer.forge ? other.privateKey : own.privateKey);

  /** A token of the client itself, for the resource that it names (RFC 8707). */
  async function ofClient(body: URLSearchParams): Promise<object> {
    const now = Math.floor(Date.now() / 1000);
    const said = issuer.bend({ iss: issuer.url, aud: body.get('resource') ?? '', sub: CLIENT.id, iat: now, exp: now + 300 });
    return { access_token: await signed(said), token_type: 'Bearer', expires_in: 300 };
  }

  async function token(request: IncomingMessage): Promise<object | undefined> {
    const body = await bodyOf(request);
    exchanges.push(body);
    if (body.get('grant_type') === 'client_credentials') return isClient(request) ? ofClient(body) : undefined;
    const client = registeredAs(request, body);
    if (body.get('grant_type') === 'refresh_token') return renewed(client, body);
    const of = codes.get(body.get('code') ?? '');
    codes.delete(body.get('code') ?? '');
    const challenge = createHash('sha256')
      .update(body.get('code_verifier') ?? '')
      .digest('base64url');
    const fits = of?.get('redirect_uri') === body.get('redirect_uri') && of?.get('code_challenge') === challenge;
    if (client !== undefined && fits && of?.get('client_id') === client && of.get('resource') === body.get('resource'))
      return agreed({ client, resource: body.get('resource') ?? '' });
    if (!isClient(request) || !fits || body.get('grant_type') !== 'authorization_code') return undefined;
    const now = Math.floor(Date.now() / 1000);
    const said = issuer.bend({ iss: issuer.url, aud: CLIENT.id, iat: now, exp: now + 300, nonce: of?.get('nonce') ?? '', ...claims });
    return { access_token: 'unused', token_type: 'Bearer', expires_in: 300, id_token: await signed(said) };
  }

  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', issuer.url);
    const json = (value: object, status = 200) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    const go = (to: string, more: Readonly<Record<string, string>>) => {
      const url = new URL(to);
      for (const [name, value] of Object.entries(more)) url.searchParams.set(name, value);
      response.writeHead(303, { location: issuer.answer(url).href }).end();
    };
    switch (pathname) {
      case `${REALM}/.well-known/openid-configuration`:
        return json(
          issuer.describe({
            issuer: issuer.url,
            authorization_endpoint: `${issuer.url}/authorize`,
            token_endpoint: `${issuer.url}/token`,
            jwks_uri: `${issuer.url}/keys`,
            response_types_supported: ['code'],
            grant_types_supported: ['authorization_code', 'client_credentials'],
            subject_types_supported: ['public'],
            id_token_signing_alg_values_supported: ['ES256'],
            authorization_response_iss_parameter_supported: true,
            registration_endpoint: `${issuer.url}/register`,
            revocation_endpoint: `${issuer.url}/revoke`,
            code_challenge_methods_supported: ['S256'],
            token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'none'],
          }),
        );
      case `${REALM}/keys`:
        return json({ keys: [key] });
      case `${REALM}/authorize`: {
        const ask = Object.fromEntries(searchParams);
        const client = issuer.registered.find((one) => one.client_id === ask['client_id']);
        const redirects = ask['client_id'] === CLIENT.id ? [issuer.redirect] : client?.redirect_uris;
        const isKnown = redirects?.includes(ask['redirect_uri'] ?? '') === true;
        const asksEnough = client === undefined ? ask['scope'] === 'openid profile' : ask['resource'] !== undefined;
        if (!isKnown || ask['response_type'] !== 'code' || ask['code_challenge_method'] !== 'S256' || !asksEnough)
          return json({ error: 'invalid_request' }, 400);
        const id = kept(asked, searchParams);
        response.writeHead(200, { 'content-type': 'text/html' });
        return response.end(
          `<h1>Who are you?</h1><a id="yes" href="${REALM}/yes?id=${id}">Ana</a> <a id="no" href="${REALM}/no?id=${id}">Nobody</a>`,
        );
      }
      case `${REALM}/yes`:
      case `${REALM}/no`: {
        const of = asked.get(searchParams.get('id') ?? '') ?? new URLSearchParams();
        const answer = pathname.endsWith('yes') ? { code: kept(codes, of) } : { error: 'access_denied' };
        return go(of.get('redirect_uri') ?? issuer.redirect, { ...answer, state: of.get('state') ?? '', iss: issuer.url });
      }
      case `${REALM}/register`:
        return void register(request).then((client) => json(client, 201));
      case `${REALM}/revoke`:
        return void revoke(request).then((done) => json({}, done ? 200 : 401));
      case `${REALM}/token`:
        if (issuer.broken !== undefined) return json({}, issuer.broken);
        return void token(request).then((answer) => json(answer ?? { error: 'invalid_grant' }, answer === undefined ? 400 : 200));
      default:
        return json({}, 404);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  finished(() => {
    server.closeAllConnections();
    server.close();
  });
  const issuer: TestIssuer = {
    // Another site than 127.0.0.1, which a port alone would not be.
    url: `http://localhost:${(server.address() as AddressInfo).port}${REALM}`,
    redirect: '',
    bend: (said) => said,
    forge: false,
    life_s: 300,
    refreshable: new Map(),
    given: new Set(),
    revoked: [],
    registered: [],
    describe: (document) => document,
    answer: (address) => address,
    broken: undefined,
    tokens: {},
    method: undefined,
    exchanges,
    async signIn(address) {
      const page = await (await fetch(address)).text();
      const link = /id="yes" href="([^"]+)"/.exec(page)?.[1] ?? '';
      const answer = await fetch(new URL(link, issuer.url), { redirect: 'manual' });
      return answer.headers.get('location') ?? '';
    },
  };
  return issuer;
}

/** An MCP server that wants tokens of the issuer, and has nothing but its refusal and where it is described (RFC 9728). @returns its address */
export async function guardedResource(issuer: TestIssuer, finished: Finished): Promise<string> {
  const server = createServer(({ url = '', headers }, response) => {
    const origin = `http://${headers.host}`;
    if (url.startsWith('/.well-known/oauth-protected-resource'))
      return response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ resource: `${origin}/mcp`, authorization_servers: [issuer.url] }));
    return response
      .writeHead(401, { 'www-authenticate': `Bearer resource_metadata="${origin}/.well-known/oauth-protected-resource/mcp"` })
      .end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  finished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
}

export interface Offering extends Front {
  readonly issuer: TestIssuer;
}

/** A host that offers to sign in by an issuer, where Ana is an operator of the tenant `local`. */
export async function offeringHost(finished: Finished): Promise<Offering> {
  const issuer = await testIssuer({ sub: 'ana', corral_tenant: 'local', corral_roles: ['operator', 'wizard'] }, finished);
  const config = join(await shortFolder(finished), 'corral.config.json');
  await writeFile(config, '{}');
  const made = await front({ config, env: { ...process.env, CLIENT_SECRET: CLIENT.secret } }, finished);
  // The configuration names the address of its host, which is known only now.
  const sign_in = { client: CLIENT.id, secret: 'client', scope: 'openid profile', name: 'Example <b>' };
  const people = { issuers: [{ issuer: issuer.url, audience: 'corral-api', sign_in }] };
  await writeFile(config, JSON.stringify({ secrets: { client: { env: 'CLIENT_SECRET' } }, door: { url: made.url }, people }));
  await made.admin.applyConfig({});
  issuer.redirect = `${made.url}/sign-in/done`;
  return { ...made, issuer };
}
