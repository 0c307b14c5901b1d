/** Signing in by an issuer, through the real front door and a real issuer: the whole flow, and each way in which somebody would bend it. */
import { describe, expect, test } from 'vitest';
import { front } from '../front.ts';
import { offeringHost, type Offering, type TestIssuer } from '../issuer.ts';
import { shared } from '../shared.ts';

const offering = shared(offeringHost);

type Sent = Omit<RequestInit, 'headers'> & { readonly headers?: Readonly<Record<string, string>> };

/** A browser, as far as it keeps cookies and follows no redirect by itself. */
function browser() {
  const jar = new Map<string, string>();
  return {
    jar,
    async go(url: string, { headers = {}, ...init }: Sent = {}): Promise<Response> {
      const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
      const answer = await fetch(url, { ...init, redirect: 'manual', headers: { ...headers, cookie } });
      for (const line of answer.headers.getSetCookie()) {
        const [name = '', value = ''] = (line.split(';', 1)[0] ?? '').split('=');
        if (line.includes('Max-Age=0')) jar.delete(name);
        else jar.set(name, value);
      }
      return answer;
    },
  };
}
const to = (answer: Response): string => answer.headers.get('location') ?? '';
const codeIn = (location: string): string => /#once=([\w-]+)$/.exec(location)?.[1] ?? '';

/** Begins in one browser, and has the person sign in at the issuer. @returns the address back to the host */
async function begun({ url, issuer }: Offering, from: ReturnType<typeof browser>, back = '/console/runs?q=x'): Promise<string> {
  return issuer.signIn(to(await from.go(`${url}/sign-in/by/0?to=${encodeURIComponent(back)}`)));
}
const session = ({ url }: Offering, from: ReturnType<typeof browser>, token: string): Promise<Response> =>
  from.go(`${url}/v1/session`, {
    method: 'POST',
    headers: { origin: url, 'content-type': 'application/json' },
    body: JSON.stringify({ token }),
  });

describe('signing in by an issuer', () => {
  test('leads to the view that was asked for, in a session of the person whom the issuer names; signing out ends it', async () => {
    const made = offering();
    const ana = browser();
    expect(await (await ana.go(`${made.url}/v1/session`)).json()).toEqual({
      who: null,
      sign_in: [{ name: 'Example <b>', at: '/sign-in/by/0' }],
    });
    const begins = await ana.go(`${made.url}/sign-in/by/0`);
    expect(begins.headers.getSetCookie().join()).toMatch(/^corral-sign-in-\d+=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=600$/);
    const done = to(await ana.go(await begun(made, ana)));
    expect(done).toMatch(/^\/console\/runs\?q=x#once=[\w-]{43}$/);
    // The verifier of PKCE went to the issuer alone, and its token was never in an address.
    expect(made.issuer.exchanges[0]?.get('code_verifier')).toMatch(/^[\w-]{43}$/);
    const answer = await session(made, ana, codeIn(done));
    const { key, ...who } = (await answer.json()) as {
      key: string;
      principal: string;
      roles: string[];
      tenant: string;
      expires_at: number;
    };
    const { host, pathname } = new URL(made.issuer.url);
    expect(who).toMatchObject({ principal: `oidc:${host}${pathname}/ana`, tenant: 'local', roles: ['operator'] });
    expect(who.expires_at - Date.now()).toBeGreaterThan(7 * 3_600_000);
    expect(answer.headers.getSetCookie().join()).toContain('SameSite=Strict');
    const ask = (path: string, method = 'GET') =>
      ana.go(`${made.url}${path}`, { method, headers: { origin: made.url, 'x-corral-session': key } });
    expect((await ask('/v1/runs')).status).toBe(200);
    expect((await ask('/v1/session', 'DELETE')).status).toBe(200);
    expect((await ask('/v1/runs')).status).toBe(401);
  });

  test('is refused to whoever did not begin it, brings back something else, or brings it back again', async () => {
    const made = offering();
    const { url, issuer } = made;
    const again = '/console/#sign-in=again';
    const ana = browser();
    // A link with the attacker's own code, opened by somebody else: they would act as the attacker, and not know it.
    const link = await begun(made, browser());
    expect(to(await ana.go(link))).toBe(again);
    // Another state, of the same browser.
    const bent = new URL(await begun(made, ana));
    bent.searchParams.set('state', 'x'.repeat(43));
    expect(to(await ana.go(bent.href))).toBe(again);
    // The wrong state has ended it: the right one comes too late.
    bent.searchParams.delete('state');
    expect(to(await ana.go(bent.href))).toBe(again);
    // The answer of another issuer (mix-up).
    const mixed = new URL(await begun(made, ana));
    mixed.searchParams.set('iss', 'https://evil.example');
    expect(to(await ana.go(mixed.href))).toBe(again);
    // A code that was used before, in an answer that is otherwise right: the issuer refuses it, and nobody is signed in by it.
    const used = await begun(made, ana);
    expect(to(await ana.go(used))).toMatch(/#once=/);
    expect(to(await ana.go(used))).toBe(again);
    const replayed = new URL(await begun(made, ana));
    replayed.searchParams.set('code', new URL(used).searchParams.get('code') ?? '');
    expect(to(await ana.go(replayed.href))).toBe('/console/#sign-in=refused');
    // No request names the address to which the issuer sends people back.
    const asked = to(await ana.go(`${url}/sign-in/by/0?redirect_uri=https://evil.example&to=//evil.example/console/`));
    expect(new URL(asked).searchParams.get('redirect_uri')).toBe(issuer.redirect);
    const back = to(await ana.go(await issuer.signIn(asked)));
    expect(back).toMatch(/^\/console\/#once=/);
    // The code for the page is this browser's, and good once.
    const other = browser();
    await other.go(`${url}/sign-in/by/0`);
    expect((await session(made, other, codeIn(back))).status).toBe(401);
    expect((await session(made, ana, codeIn(back))).status).toBe(401);
    expect((await ana.go(`${url}/sign-in/by/7`)).status).toBe(404);
  });

  test('is refused where the token is not for this sign-in, is too old, is forged, or names nobody of this host', async () => {
    const made = offering();
    const { issuer } = made;
    const now = Math.floor(Date.now() / 1000);
    const bends: [string, TestIssuer['bend']][] = [
      ['nonce', (said) => ({ ...said, nonce: 'another' })],
      ['expired', (said) => ({ ...said, iat: now - 900, exp: now - 600 })],
      ['audience', (said) => ({ ...said, aud: 'corral-api' })],
      ['issuer', (said) => ({ ...said, iss: 'https://evil.example' })],
      ['tenant', (said) => ({ ...said, corral_tenant: 'other' })],
      ['whole host', (said) => ({ ...said, corral_tenant: '*' })],
      ['forged', (said) => said],
    ];
    const came: string[] = [];
    for (const [what, bend] of bends) {
      issuer.bend = bend;
      issuer.forge = what === 'forged';
      const ana = browser();
      came.push(`${what} ${to(await ana.go(await begun(made, ana)))}`);
    }
    issuer.bend = (said) => said;
    issuer.forge = false;
    expect(came).toEqual(bends.map(([what]) => `${what} /console/#sign-in=refused`));
    const refused = await made.admin.listOperations({ query: {} });
    expect(refused.items.filter(({ operation }) => operation === 'fail-login').length).toBeGreaterThan(0);
  });

  test('ends with the reason where the person says no', async () => {
    const made = offering();
    const ana = browser();
    const page = await (await fetch(to(await ana.go(`${made.url}/sign-in/by/0`)))).text();
    const no = await fetch(new URL(/id="no" href="([^"]+)"/.exec(page)?.[1] ?? '', made.issuer.url), { redirect: 'manual' });
    expect(to(await ana.go(to(no)))).toBe('/console/#sign-in=declined');
  });

  test('needs the address of the host in the configuration', async () => {
    const people = { issuers: [{ issuer: 'https://idp.example', audience: 'a', sign_in: { client: 'c' } }] };
    await expect(front({ configText: JSON.stringify({ people }) })).rejects.toMatchObject({
      code: 'CORRAL_CONFIG_INVALID',
      message: expect.stringMatching(/people\.issuers\.0\.sign_in.*needs door\.url/s) as string,
    });
  });
});
