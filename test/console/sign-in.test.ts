/** Signing in at an issuer of another site, in a real browser: there, back, and with the reason where it failed. */
import { describe, expect, test } from 'vitest';
import { offeringHost, type Offering } from '../issuer.ts';
import { shared } from '../shared.ts';
import { expectShown, NO_BROWSER, sharedBrowser, visit } from './browser.ts';

sharedBrowser();
let on: Offering;
shared(offeringHost, (made) => (on = made), !NO_BROWSER);

describe.skipIf(NO_BROWSER)('a person without a token', () => {
  test('signs in at the issuer, comes back to the view that they had opened, and is told why where it failed', async () => {
    const elsewhere = new URL(on.issuer.url).origin;
    const { page } = await visit(on, 'runs?q=nothing-like-it', { elsewhere });
    const begin = () => page.getByRole('link', { name: 'Sign in with Example <b>' }).click();
    await begin();
    await page.getByRole('link', { name: 'Nobody' }).click();
    await expectShown(page, 'The sign-in was broken off at the issuer.');
    await page.goto(`${on.url}/console/runs?q=nothing-like-it`);
    await begin();
    await page.getByRole('link', { name: 'Ana' }).click();
    await expectShown(page, 'No run matches.');
    expect(page.url()).toBe(`${on.url}/console/runs?q=nothing-like-it`);
    const session = (await page.context().cookies()).find(({ name }) => /^corral-\d+$/.test(name));
    expect(session).toMatchObject({ httpOnly: true, sameSite: 'Strict' });
    await page.locator('.menu summary').click();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await expectShown(page, 'Sign in with Example <b>');
  });
});
