/**
 * An OpenID issuer for tests, with keys of its own and the checks of a real one: it knows its client, the client's only redirect URI, and the PKCE
 * challenge, and takes each code once. A person signs in by a click on a page; the client gets tokens of its own for the resource that it names.
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
  /** As a person who follows an address of the host to the issuer and signs in there: the address to which that leads. */
  readonly signIn: (address: string) => Promise<string>;
}

export const CLIENT = { id: 'corral-console', secret: 'client-secret' };
const REALM = '/realm';

async function bodyOf(request: IncomingMessage): Promise<URLSearchParams> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return new URLSearchParams(Buffer.concat(pieces).toString());
}

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

  const isClient = ({ headers }: IncomingMessage) => {
    const [id = '', secret = ''] = Buffer.from(headers.authorization?.replace(/^Basic /, '') ?? '', 'base64')
      .toString()
      .split(':');
    return decodeURIComponent(id) === CLIENT.id && decodeURIComponent(secret) === CLIENT.secret;
  };

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
    const of = codes.get(body.get('code') ?? '');
    codes.delete(body.get('code') ?? '');
    const challenge = createHash('sha256')
      .update(body.get('code_verifier') ?? '')
      .digest('base64url');
    const fits = of?.get('redirect_uri') === body.get('redirect_uri') && of?.get('code_challenge') === challenge;
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
      response.writeHead(303, { location: url.href }).end();
    };
    switch (pathname) {
      case `${REALM}/.well-known/openid-configuration`:
        return json({
          issuer: issuer.url,
          authorization_endpoint: `${issuer.url}/authorize`,
          token_endpoint: `${issuer.url}/token`,
          jwks_uri: `${issuer.url}/keys`,
          response_types_supported: ['code'],
          grant_types_supported: ['authorization_code', 'client_credentials'],
          subject_types_supported: ['public'],
          id_token_signing_alg_values_supported: ['ES256'],
          authorization_response_iss_parameter_supported: true,
        });
      case `${REALM}/keys`:
        return json({ keys: [key] });
      case `${REALM}/authorize`: {
        const ask = Object.fromEntries(searchParams);
        const isKnown = ask['client_id'] === CLIENT.id && ask['redirect_uri'] === issuer.redirect;
        if (!isKnown || ask['response_type'] !== 'code' || ask['code_challenge_method'] !== 'S256' || ask['scope'] !== 'openid profile')
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
      case `${REALM}/token`:
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
