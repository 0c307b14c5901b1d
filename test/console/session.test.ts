/** The person whom a page acts as: signing in and out, other tabs of the same browser, and pages that nobody looks at. */
import { describe, expect, test } from 'vitest';
import type { Page } from 'playwright-core';
import { shared } from '../shared.ts';
import { expectShown, expectSoon, NO_BROWSER, sharedBrowser, signedIn, signIn, visit } from './browser.ts';
import { scene, type Scene } from './scene.ts';

sharedBrowser();
let on: Scene;
shared(scene, (made) => (on = made), !NO_BROWSER);

async function signOut(page: Page): Promise<void> {
  await page.locator('.menu summary').click();
  await page.getByRole('button', { name: 'Sign out' }).click();
}

/** Another tab of the same browser. */
async function tab(page: Page, view: string): Promise<Page> {
  const other = await page.context().newPage();
  await other.goto(`${on.url}/console/${view}`);
  return other;
}

/** As a browser says it when its window is behind others, or in front again. */
const look = (page: Page, state: 'hidden' | 'visible') =>
  page.evaluate((now) => {
    Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => now });
    document.dispatchEvent(new Event('visibilitychange'));
  }, state);

describe.skipIf(NO_BROWSER)('signing in', () => {
  test('a token signs in at the view that the address names, and no script can read it or the cookie', async () => {
    const { page } = await visit(on, 'runs?q=nothing-like-it');
    const { secret } = await on.as('*', 'auditor');
    await page.getByLabel('Token').fill('corral_wrong');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await expectShown(page, 'The token is not known here, has expired or was revoked.');
    await signIn(page, secret);
    await expectShown(page, 'No run matches.');
    const [cookie] = await page.context().cookies();
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Strict', path: '/' });
    const kept = await page.evaluate(() => document.cookie + JSON.stringify([localStorage, sessionStorage]));
    expect(kept).not.toContain(secret);
    expect(kept).not.toContain(cookie?.value);
    expect(page.url()).not.toContain(secret);
  });

  test('the cookie alone, which every port of the machine gets, is worth nothing', async () => {
    const { page } = await signedIn(on, 'runs');
    const status = (headers: Record<string, string>) =>
      page.evaluate(async (sent) => (await fetch('/v1/runs', { headers: sent })).status, headers);
    const key = await page.evaluate(() => localStorage.getItem('corral.session') ?? '');
    expect(await status({})).toBe(401);
    expect(await status({ 'x-corral-session': `${key.slice(1)}x` })).toBe(401);
    expect(await status({ 'x-corral-session': key })).toBe(200);
  });

  test('a token that is revoked takes its page back to the sign-in', async () => {
    const { page } = await signedIn(on, 'runs', ['operator'], {}, 'local');
    const { items } = await on.admin.listTokens({});
    const token = items.findLast(({ roles }) => roles.includes('operator'))?.token ?? '';
    await on.admin.revokeToken({ params: { token } });
    await expectShown(page, 'Your session has ended.');
  });
});

describe.skipIf(NO_BROWSER)('signing out', { tags: 'long' }, () => {
  test('is for all tabs, and the address does not let back in', async () => {
    const { page, open } = await signedIn(on, 'runs');
    const other = await tab(page, 'agents');
    await expectShown(other, 'shop/buyer');
    await signOut(page);
    for (const each of [page, other]) await each.getByLabel('Token').waitFor();
    await open('runs');
    await page.getByLabel('Token').waitFor();
    expect(await page.locator('.window-row').count()).toBe(0);
  });

  test('is not said to have happened where the host did not hear of it', async () => {
    const { page } = await signedIn(on, 'runs');
    await page.route('**/v1/session', (route) => (route.request().method() === 'DELETE' ? route.abort() : route.continue()));
    await signOut(page);
    await expectShown(page, 'You may still be signed in.');
    await page.unroute('**/v1/session');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Token').waitFor();
  });
});

describe.skipIf(NO_BROWSER)('another person', { tags: 'long' }, () => {
  test('is named on the first tab after a sign-in on a second one, and the first acts as nobody else', async () => {
    const { page } = await signedIn(on, 'runs', ['auditor']);
    const before = (await page.locator('.menu summary').textContent()) ?? '';
    const other = await tab(page, 'runs');
    await other.locator('.liveness').waitFor();
    await signOut(other);
    const { secret } = await on.as('local', 'operator');
    await signIn(other, secret);
    const after = (await other.locator('.menu summary').textContent()) ?? '';
    expect(after).not.toBe(before);
    await expectSoon(() => page.locator('.menu summary').textContent(), after);
    await expectShown(page, 'You act as');
    await expectShown(page.locator('main [role=alert]'), before);
    await page.getByRole('button', { name: 'I have seen it' }).click();
    await expectSoon(() => page.getByText('You act as').count(), 0);
    expect(await other.getByText('You act as').count()).toBe(0);
  });
});

describe.skipIf(NO_BROWSER)('a page that nobody looks at', () => {
  test('has no stream and asks nothing, and shows what has changed when it is looked at again', { tags: 'long' }, async () => {
    const { page } = await signedIn(on, 'runs');
    await page.locator('.liveness.live').waitFor();
    await page.getByRole('grid').or(page.getByText('No run was submitted yet')).first().waitFor();
    const asked: string[] = [];
    const closed = page.waitForEvent('requestfailed', (request) => request.url().includes('/v1/events'));
    await look(page, 'hidden');
    page.on('request', (request) => asked.push(request.url()));
    const run = await on.buy(5);
    await on.ended(run);
    await closed;
    expect(asked).toEqual([]);
    expect(await page.locator(`code[title="${run}"]`).count()).toBe(0);
    await look(page, 'visible');
    await expectShown(page.getByRole('row').filter({ has: page.locator(`code[title="${run}"]`) }), 'completed');
    await expectSoon(() => page.locator('.liveness').textContent(), 'live');
  });
});
