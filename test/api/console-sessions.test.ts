/** Sessions of the console over HTTP: what a cookie may do, for whom, and when it ends. */
import { describe, expect, test } from 'vitest';
import { front, onTables, sharedFront, shortFolder, SLEEP, type Front } from '../front.ts';
import { until } from '../until.ts';

const on = sharedFront();

interface Session {
  readonly cookie: string;
  /** A page keeps it for its own origin. */
  readonly key: string;
}
interface SignedIn {
  readonly session: Session;
  readonly answer: Response;
}

async function signIn({ url }: Pick<Front, 'url'>, token: string, headers: Record<string, string> = {}): Promise<SignedIn> {
  const answer = await fetch(`${url}/v1/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ token }),
  });
  const { key = '' } = (await answer.clone().json()) as { readonly key?: string };
  return { session: { cookie: (answer.headers.get('set-cookie') ?? '').split(';')[0] ?? '', key }, answer };
}
const shown = ({ cookie, key }: Session) => ({ cookie, 'x-corral-session': key });
const ask = (
  { url }: Pick<Front, 'url'>,
  session: Session,
  path = '/v1/whoami',
  { headers, ...more }: Omit<RequestInit, 'headers'> & { readonly headers?: Record<string, string> } = {},
) => fetch(`${url}${path}`, { ...more, headers: { ...shown(session), ...headers } });
const codeOf = async (response: Response) => ((await response.json()) as { code?: string }).code;
const pause = (run: string) => ({
  method: 'POST',
  body: JSON.stringify({ operation: 'pause', target: { run }, reason: 'test' }),
});

describe('a session', () => {
  test('has the rights of its token and no more, and is not the token', async () => {
    const auditor = await on().as('local', 'auditor');
    const { session, answer } = await signIn(on(), auditor.secret);
    expect(answer.status).toBe(201);
    expect(answer.headers.get('set-cookie')).toMatch(/^corral-\d+=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=\d+$/);
    expect(JSON.stringify(session)).not.toContain(auditor.secret);
    const self = (await answer.json()) as { principal: string; expires_at: number };
    expect(self).toMatchObject(await auditor.whoAmI({}));
    expect(self.expires_at - Date.now()).toBeLessThanOrEqual(12 * 3_600_000);
    expect(await (await ask(on(), session)).json()).toMatchObject({ principal: self.principal });
    const refused = await ask(on(), session, '/v1/operations', {
      ...pause('run_000000000000'),
      headers: { 'content-type': 'application/json', origin: on().url },
    });
    expect(await codeOf(refused)).toBe('CORRAL_FORBIDDEN');
  });

  test('is behind https a cookie that only this host can have set', async () => {
    const { secret } = await on().as('local', 'auditor');
    const { answer } = await signIn(on(), secret, { origin: on().url.replace('http:', 'https:') });
    expect(answer.headers.get('set-cookie')).toMatch(
      /^__Host-corral-\d+=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=\d+; Secure$/,
    );
  });

  test('does nothing for another page: not for another site, another port, or without an origin', async () => {
    const { admin, deploy, as, url } = on();
    await deploy(SLEEP);
    const { run } = await admin.submitRun({ body: { agent: 'sleeper' } });
    const { session } = await signIn(on(), (await as('local', 'operator')).secret);
    const act = (headers: Record<string, string>) =>
      ask(on(), session, '/v1/operations', { ...pause(run), headers: { 'content-type': 'application/json', ...headers } });
    for (const headers of [{}, { origin: 'https://evil.example' }, { origin: 'http://127.0.0.1:1' }, { origin: 'null' }]) {
      const answer = await act({ ...headers });
      expect([headers, answer.status, await codeOf(answer)]).toEqual([headers, 403, 'CORRAL_ORIGIN_REFUSED']);
    }
    for (const site of ['cross-site', 'same-site'])
      expect(await codeOf(await ask(on(), session, '/v1/runs', { headers: { 'sec-fetch-site': site } }))).toBe('CORRAL_ORIGIN_REFUSED');
    expect((await admin.showRun({ params: { run } })).control).toBe('none');
    expect((await act({ origin: url })).status).toBe(200);
    expect((await admin.showRun({ params: { run } })).control).toBe('paused');
  });

  test('is nothing without the key of its page: a browser sends the cookie to every port of the host', async () => {
    const made = await front();
    const operator = await made.as('local', 'operator');
    const [{ session }, other] = [await signIn(made, operator.secret), await signIn(made, operator.secret)];
    for (const key of ['', 'x', other.session.key]) {
      const answer = await ask(made, { ...session, key });
      expect([key, answer.status, await codeOf(answer)]).toEqual([key, 401, 'CORRAL_UNAUTHENTICATED']);
      expect(await (await ask(made, { ...session, key }, '/v1/session')).json()).toEqual({ who: null });
    }
    expect((await ask(made, session)).status).toBe(200);
  });

  test('by a cookie that another host of the domain may have set counts for nothing over https', async () => {
    const { session } = await signIn(on(), (await on().as('local', 'auditor')).secret);
    const by = (origin: string) => ask(on(), session, '/v1/session', { headers: { origin } });
    expect(await (await by(on().url.replace('http:', 'https:'))).json()).toEqual({ who: null });
    expect(await (await by(on().url)).json()).toMatchObject({ who: { tenant: 'local' } });
  });

  test('a token that is given besides goes before the cookie', async () => {
    const [one, other] = [await on().as('local', 'auditor'), await on().as('local', 'operator')];
    const { session } = await signIn(on(), one.secret);
    const answer = await ask(on(), session, '/v1/whoami', { headers: { authorization: `Bearer ${other.secret}` } });
    expect(await answer.json()).toMatchObject({ principal: (await other.whoAmI({})).principal });
  });

  test('says who is signed in, and asking where nobody is does not count as an attempt to get in', async () => {
    const made = await front();
    const refusals = async () => (await made.admin.listOperations({})).items.filter(({ operation }) => operation === 'fail-login');
    for (let i = 0; i < 30; i++) expect(await (await fetch(`${made.url}/v1/session`)).json()).toEqual({ who: null });
    made.host.door.refusals.settle(true);
    expect(await refusals()).toEqual([]);
    const auditor = await made.as('local', 'auditor');
    const { session } = await signIn(made, auditor.secret);
    expect(await (await ask(made, session, '/v1/session')).json()).toEqual({ who: await auditor.whoAmI({}) });
  });

  test('is kept as a digest alone', async () => {
    const { secret } = await on().as('local', 'auditor');
    const { session } = await signIn(on(), secret);
    const kept = JSON.stringify(onTables(on().host, "SELECT value FROM meta WHERE name = 'console sessions'"));
    expect(kept).toContain('expires_at');
    for (const secret of [session.key, session.cookie.split('=')[1] ?? '']) expect(kept).not.toContain(secret);
  });
});

describe('the end of a session', () => {
  test('comes with its token, and takes the stream that it follows along', async () => {
    const { admin, as } = on();
    const operator = await as('local', 'operator');
    const { session } = await signIn(on(), operator.secret);
    const stream = await ask(on(), session, '/v1/events');
    expect(stream.status).toBe(200);
    const over = stream.text();
    await admin.revokeToken({ params: { token: (await operator.whoAmI({})).token ?? '' } });
    expect(await over).toContain(': following');
    expect((await ask(on(), session)).status).toBe(401);
  });

  test('comes when its holder signs out, for that session alone', async () => {
    const { secret } = await on().as('local', 'operator');
    const [one, other] = [await signIn(on(), secret), await signIn(on(), secret)];
    const stream = (await ask(on(), one.session, '/v1/events')).text();
    const out = await ask(on(), one.session, '/v1/session', { method: 'DELETE', headers: { origin: on().url } });
    expect(await out.json()).toEqual({ ended: true });
    // A browser that came by another way than the request that ends the session has it under the other name.
    const taken = out.headers.getSetCookie();
    expect(taken).toHaveLength(2);
    for (const one of taken) expect(one).toMatch(/^(__Host-)?corral-\d+=; .*Max-Age=0/);
    expect(await stream).toContain(': following');
    expect([(await ask(on(), one.session)).status, (await ask(on(), other.session)).status]).toEqual([401, 200]);
  });

  test('comes when somebody signs in anew in the same browser, which forgets the cookie of the first', async () => {
    const { as } = on();
    const { session } = await signIn(on(), (await as('local', 'operator')).secret);
    const { session: next } = await signIn(on(), (await as('local', 'auditor')).secret, shown(session));
    expect([(await ask(on(), session)).status, (await ask(on(), next)).status]).toEqual([401, 200]);
  });

  test('is no attempt to get in when a page that is still open asks on', async () => {
    const made = await front();
    const { session } = await signIn(made, (await made.as('local', 'operator')).secret);
    await ask(made, session, '/v1/session', { method: 'DELETE', headers: { origin: made.url } });
    for (let i = 0; i < 30; i++) expect((await ask(made, session)).status).toBe(401);
    made.host.door.refusals.settle(true);
    expect((await made.admin.listOperations({})).items.filter(({ operation }) => operation === 'fail-login')).toEqual([]);
    // A person at that address can still sign in.
    expect((await signIn(made, (await made.as('local', 'operator')).secret)).answer.status).toBe(201);
  });

  test('does not come with the host: whoever was signed in still is', async () => {
    const data = `${await shortFolder()}/d`;
    const first = await front({ data });
    const { session } = await signIn(first, (await first.as('local', 'operator')).secret);
    const port = Number(new URL(first.url).port);
    await first.host.close(100);
    const second = await front({ data, port });
    expect((await ask(second, session)).status).toBe(200);
  });

  test('comes after the longest time of a session, and after half an hour without a request', async () => {
    const data = `${await shortFolder()}/d`;
    const first = await front({ data });
    const sessions: Session[] = [];
    for (let i = 0; i < 3; i++) sessions.push((await signIn(first, (await first.as('local', 'operator')).secret)).session);
    const port = Number(new URL(first.url).port);
    await first.host.close(100);
    // Time would have done this.
    const { DatabaseSync } = await import('node:sqlite');
    const db = new DatabaseSync(`${data}/front.db`);
    const { value } = db.prepare("SELECT value FROM meta WHERE name = 'console sessions'").get() as { value: string };
    const [old, idle, good] = JSON.parse(value) as Record<string, number>[];
    const changed = [{ ...old, expires_at: Date.now() }, { ...idle, used_at: Date.now() - 30 * 60_000 }, good];
    db.prepare("UPDATE meta SET value = ? WHERE name = 'console sessions'").run(JSON.stringify(changed));
    db.close();
    const second = await front({ data, port });
    const statuses = await Promise.all(sessions.map(async (session) => (await ask(second, session)).status));
    expect(statuses).toEqual([401, 401, 200]);
  });
});

test('a token that is not known signs nobody in, and whoever guesses is slowed down', async () => {
  const made = await front();
  const { answer } = await signIn(made, 'corral_none');
  expect([answer.status, await codeOf(answer), answer.headers.get('set-cookie')]).toEqual([401, 'CORRAL_UNAUTHENTICATED', null]);
  await until(async () => (await signIn(made, 'corral_none')).answer.status === 429);
});

test('the page comes with a policy that lets nothing else in, only over the network, and with a name for each of its files', async () => {
  const { url, host } = on();
  for (const path of ['/', '/console/', '/console/run/run_000000000000/calls?call=1']) {
    const page = await fetch(`${url}${path}`);
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect(page.headers.get('content-security-policy')).toMatch(
      /^default-src 'none'; script-src 'self'; .*require-trusted-types-for 'script'/,
    );
    expect(page.headers.get('content-security-policy')).not.toMatch(/unsafe|\*|https?:/);
    expect(page.headers.get('referrer-policy')).toBe('no-referrer');
    const html = await page.text();
    expect(html).not.toMatch(/style=|<script(?![^>]* src=)/);
    for (const [, file] of html.matchAll(/(?:src|href)="([^"]+)"/g)) expect((await fetch(`${url}${file}`)).status).toBe(200);
  }
  expect((await fetch(`${url}/console/assets/none.js`)).status).toBe(404);
  const { get } = await import('node:http');
  const status = await new Promise((resolve) =>
    get({ socketPath: host.socket, path: '/console/' }, (answer) => resolve(answer.resume().statusCode)),
  );
  expect(status).toBe(404);
});
