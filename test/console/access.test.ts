/** The console for everybody: contrast, names and roles as axe-core checks them, in light and dark, and all by the keyboard. */
import { describe, expect, test } from 'vitest';
import { violations } from './axe.ts';
import { shared } from '../shared.ts';
import { expectShown, expectSoon, NO_BROWSER, sharedBrowser, shot, signedIn, visit } from './browser.ts';
import { scene, type Scene } from './scene.ts';

sharedBrowser();
let on: Scene;
shared(scene, (made) => (on = made), !NO_BROWSER);

describe.skipIf(NO_BROWSER)('every view', { tags: 'long' }, () => {
  test.each(['light', 'dark'] as const)('has names, roles and contrast that axe finds nothing wrong with, in %s', async (colorScheme) => {
    const [refused, asked] = [await on.buy(980), await on.buy(50)];
    await on.ended(refused);
    await on.asked(asked);
    // The page's own policy keeps axe out, which is another's script; so this context alone ignores it.
    const options = { bypassCSP: true, colorScheme };
    const first = await visit(on, 'runs', options);
    await first.page.getByLabel('Token').waitFor();
    expect(await violations(first.page)).toEqual([]);
    const { page, open } = await signedIn(on, 'runs', ['admin'], options);
    const found: string[] = [];
    const { items: calls } = await on.admin.runCalls({ params: { run: refused as never } });
    for (const [view, text] of [
      ['runs', 'shop/buyer'],
      [`run/${refused}`, 'What it was asked'],
      [`run/${refused}/calls?call=${calls.at(-1)?.call}`, 'What it was given'],
      [`run/${refused}/journal?entry=2`, 'hash'],
      [`run/${refused}/messages`, 'It has sent'],
      [`run/${refused}/tree`, 'It has no children.'],
      [`run/${asked}/authority`, 'Take back…'],
      [`run/${refused}/why`, 'Decisions, the latest last'],
      [`run/${refused}/events`, 'ended'],
      [`run/${refused}/story`, 'It was refused something once'],
      ['approvals', 'Exactly this would be done'],
      ...MORE,
    ] as const) {
      await open(view);
      await expectShown(page, text);
      await shot(page, `${colorScheme} ${view.replace(/\/run_\w+/, '').split('?', 1)[0]}`);
      found.push(...(await violations(page)).map((one) => `${view}: ${one}`));
    }
    expect(found).toEqual([]);
  });
});

/** Views beside those of runs, with a text that each has once it is loaded. */
const MORE: readonly (readonly [string, string])[] = [
  ['approvals/questions', 'waiting'],
  ['approvals/decided', 'Verdict'],
  ['overview', 'Runs by tenant'],
  ['agents', 'shop/buyer'],
  ['tools?tenant=local', 'mail.read'],
  ['tools/pay?tenant=local', 'Agents that may reach it'],
  ['operations', 'make-token'],
  ['spend', 'Money this month'],
  ['health', 'takes work'],
  ['people', 'Make a token…'],
];

describe.skipIf(NO_BROWSER)('the keyboard alone', () => {
  test('finds a run among others, opens it, reads why, and stops it', { tags: 'long' }, async () => {
    const run = await on.sleep();
    const { secret } = await on.as('*', 'operator');
    const { page } = await visit(on, '');
    const { keyboard } = page;
    // The field has the focus.
    await page.getByLabel('Token').waitFor();
    await keyboard.type(secret);
    await keyboard.press('Enter');
    await page.locator('.liveness').waitFor();
    await keyboard.press('g');
    await keyboard.press('r');
    await page.locator('.window-row').first().waitFor();
    await keyboard.press('/');
    await keyboard.type('sleeper');
    await keyboard.press('Enter');
    await expectSoon(() => page.locator('.window-row').count(), 1);
    await keyboard.press('j');
    await expectSoon(() => page.evaluate(() => document.activeElement?.getAttribute('aria-selected')), 'true');
    await keyboard.press('Enter');
    await expectShown(page, 'What it was asked');
    expect(page.url()).toContain(run);
    await keyboard.press('w');
    await expectShown(page, 'Decisions, the latest last');
    await keyboard.press('Shift+K');
    await expectShown(page, 'Children under way');
    await keyboard.type('seen enough');
    await keyboard.press('Tab');
    await keyboard.type(run.slice(-4));
    await keyboard.press('Enter');
    await page.getByRole('dialog', { name: 'Killed' }).waitFor();
    await keyboard.press('Escape');
    await expectSoon(() => page.getByRole('dialog').count(), 0);
    expect(await on.ended(run)).toBe('killed');
  });

  test('skips to the view, opens the first row, and has its keys on a box to tick', { tags: 'long' }, async () => {
    const run = await on.buy(5);
    await on.ended(run);
    const { page } = await signedIn(on, `runs?q=${run}`);
    const row = page.locator('.window-row').first();
    await row.waitFor();
    const { keyboard } = page;
    const address = page.url();
    await page.getByText('Skip to the view').focus();
    await keyboard.press('Enter');
    await expectSoon(() => page.evaluate(() => document.activeElement?.id), 'main');
    expect(page.url()).toBe(address);
    await row.focus();
    await keyboard.press('Enter');
    await page.waitForURL(`**/run/${run}`);
    await expectShown(page, 'What it was asked');
    await keyboard.press('2');
    await page.getByRole('checkbox').focus();
    await keyboard.press('3');
    await page.waitForURL(`**/run/${run}/journal`);
  });

  test('is told what its keys do, and leaves the help with Escape', { tags: 'long' }, async () => {
    const { page } = await signedIn(on, 'runs');
    await page.locator('.window-row').first().waitFor();
    await page.keyboard.press('Shift+?');
    const help = page.getByRole('dialog', { name: 'Keys that work here' });
    for (const does of ['write a filter', 'next row', 'go to Approvals']) await expectShown(help, does);
    await page.keyboard.press('Escape');
    await expectSoon(() => help.count(), 0);
  });
});
