/** `corral tools login` and `logout` as a person types them: the redirect comes to the command or is pasted, and nothing secret is on its lines. */
import { expect, test } from 'vitest';
import { FROM_SOURCES, start, type Started } from '../command.ts';
import { front, type Front } from '../front.ts';
import { guardedResource, testIssuer, type TestIssuer } from '../issuer.ts';
import { shared } from '../shared.ts';
import { until } from '../until.ts';

interface Place extends Front {
  readonly issuer: TestIssuer;
}

const place = shared<Place>(async (finished) => {
  const issuer = await testIssuer({}, finished);
  const mcp = { crm: { url: await guardedResource(issuer, finished), private: true, login: {} } };
  return { ...(await front({ configText: JSON.stringify({ mcp }) }, finished)), issuer };
});

const run = (args: readonly string[]): Started =>
  start([...FROM_SOURCES, ...args, '--data', place().data], { typed: true, env: { COLUMNS: '200', PATH: '/nowhere' } });

/** Begins a login. @returns the command, and the address that it has printed */
async function begun(...args: readonly string[]): Promise<{ readonly command: Started; readonly address: string }> {
  const command = run(['tools', 'login', 'crm', ...args]);
  await until(() => Promise.resolve(/^http\S+$/m.test(command.err())));
  return { command, address: /^http\S+$/m.exec(command.err())?.[0] ?? '' };
}

test('the browser comes back to the command, which says that somebody is signed in; what comes with another state is no answer', async () => {
  const { issuer, admin } = place();
  const { command, address } = await begun();
  const redirect = await issuer.signIn(address);
  const other = new URL(redirect);
  other.searchParams.set('state', 'x');
  expect((await fetch(other)).status).toBe(404);
  const page = await fetch(redirect);
  expect([page.status, await page.text()]).toEqual([200, 'You are signed in. This page can be closed.']);
  const { code, out, err } = await command.said;
  expect([code, out]).toEqual([0, expect.stringMatching(/^crm:login:host {2}signed in at http:\/\/localhost/)]);
  for (const secret of issuer.given) expect(`${out}${err}`).not.toContain(secret);
  expect((await admin.listSecrets({})).items).toMatchObject([{ account: 'crm:login:host', is_there: true }]);
  const listed = await run(['secret', 'list']).said;
  expect(listed.out).toMatch(/crm:login:host +every caller +\d{4}-.*renewed by the host/);
});

test('without a browser the address is pasted; a refusal says what to do, and the page says that nobody was signed in', async () => {
  const { issuer } = place();
  const pasted = await begun('--no-browser', '-m', 'from elsewhere');
  pasted.command.child.stdin?.write(`${await issuer.signIn(pasted.address)}\n`);
  expect(await pasted.command.said).toMatchObject({ code: 0, out: expect.stringMatching(/signed in at/) as string });
  const refused = await begun('--no-browser');
  const redirect = new URL(await issuer.signIn(refused.address));
  redirect.searchParams.set('iss', 'https://evil.example');
  expect(await (await fetch(redirect)).text()).toMatch(/Nobody was signed in/);
  expect(await refused.command.said).toMatchObject({
    code: 2,
    err: expect.stringMatching(/CORRAL_LOGIN_REFUSED Nobody was signed in at crm: the answer is of another authorization server/) as string,
  });
});

test('a login that ended is to be seen in the list of sources, and says how it begins again', async () => {
  const { issuer } = place();
  expect((await run(['tools', 'logout', 'crm', '-m', 'ana has left']).said).out).toMatch(
    /crm:login:host: the tokens are forgotten, and revoked/,
  );
  expect(issuer.revoked).toHaveLength(2);
  expect((await run(['tools', 'review']).said).out).toMatch(/mcp:crm .*needs login \(corral tools login crm\)/);
  expect(await run(['tools', 'login', 'none']).said).toMatchObject({
    code: 2,
    err: expect.stringMatching(/There is no MCP server none/) as string,
  });
});
