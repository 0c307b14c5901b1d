/** The console in a real browser, on a real host with real runs. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectShown, expectSoon, NO_BROWSER, sharedBrowser, signedIn, signIn, visit } from './browser.ts';
import { scene, type Scene } from './scene.ts';

sharedBrowser();
let on: Scene;
const ends: (() => void | Promise<void>)[] = [];
beforeAll(async () => {
  if (!NO_BROWSER) on = await scene((end) => ends.push(end));
});
afterAll(async () => {
  for (const end of ends.toReversed()) await end();
});

describe.skipIf(NO_BROWSER)('signing in', () => {
  test('a token signs in at the view that the address names, and no script can read the cookie', async () => {
    const { page } = await visit(on, 'runs?q=nothing-like-it');
    const { secret } = await on.as('*', 'auditor');
    await page.getByLabel('Token').fill('corral_wrong');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await expectShown(page, 'The token is not known here, has expired or was revoked.');
    await signIn(page, secret);
    await expectShown(page, 'No run matches.');
    expect(await page.evaluate(() => document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage))).not.toContain(
      'corral',
    );
    const [cookie] = await page.context().cookies();
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Strict', path: '/' });
    expect(page.url()).not.toContain(secret);
  });

  test('a token that is revoked takes its page back to the sign-in', async () => {
    const { page } = await signedIn(on, 'runs', ['operator'], {}, 'local');
    const { items } = await on.admin.listTokens({});
    const token = items.findLast(({ roles }) => roles.includes('operator'))?.token ?? '';
    await on.admin.revokeToken({ params: { token } });
    await expectShown(page, 'Your session has ended.');
  });

  test('who signs out is out in all tabs, and the address does not let back in', async () => {
    const { page, open } = await signedIn(on, 'runs');
    await page.locator('.menu summary').click();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Token').waitFor();
    await open('runs');
    await page.getByLabel('Token').waitFor();
    expect(await page.locator('.window-row').count()).toBe(0);
  });
});

describe.skipIf(NO_BROWSER)('runs', () => {
  test('a run that is submitted elsewhere appears, and its row says how it ended', async () => {
    const { page } = await signedIn(on, 'runs');
    const run = await on.buy(5);
    const row = page.getByRole('row').filter({ has: page.locator(`code[title="${run}"]`) });
    await expectShown(row, 'completed');
  });

  test('a filter and a state are part of the address, and a link shows another person the same', async () => {
    const [first, second] = [await on.buy(5), await on.sleep()];
    const { page } = await signedIn(on, 'runs');
    await page.keyboard.press('/');
    await page.keyboard.type('agent:sleeper');
    await page.getByLabel('State').selectOption('Not ended');
    await page.locator(`code[title="${second}"]`).waitFor();
    await expectSoon(() => page.locator(`code[title="${first}"]`).count(), 0);
    expect(new URL(page.url()).searchParams.toString().split('&').sort()).toEqual(['q=agent%3Asleeper', 'state=live']);
    const other = await signedIn(on, page.url().split('/console/')[1] ?? '');
    await other.page.locator(`code[title="${second}"]`).waitFor();
    await on.admin.operate({ body: { operation: 'kill', target: { run: second as never }, reason: 'done' } });
    // It does not match any more, and leaves both lists.
    for (const each of [page, other.page]) await expectSoon(() => each.locator(`code[title="${second}"]`).count(), 0);
  });

  test('one key pauses the run of the current row, and the same key lets it go on', async () => {
    const run = await on.sleep();
    const { page } = await signedIn(on, 'runs?q=agent:sleeper&state=live', ['operator']);
    await page.locator(`code[title="${run}"]`).waitFor();
    await page.keyboard.press('j');
    await page.locator('[aria-selected=true]').waitFor();
    await page.keyboard.press('p');
    await expectSoon(async () => (await on.admin.showRun({ params: { run: run as never } })).control, 'paused');
    await page.locator('[aria-selected=true]').getByText('paused').waitFor();
    await page.keyboard.press('p');
    await expectSoon(async () => (await on.admin.showRun({ params: { run: run as never } })).control, 'none');
  });
});

describe.skipIf(NO_BROWSER)('a run', () => {
  test('it takes two clicks from a refused call to the rule, the label and the sentence that caused it', async () => {
    const run = await on.buy(980);
    expect(await on.ended(run)).toBe('completed');
    const { page } = await signedIn(on, `run/${run}`);
    await page.getByRole('link', { name: 'Calls' }).click();
    await page.getByRole('button', { name: /refused/ }).click();
    const detail = page.locator('.card-body');
    await detail.getByText('never-so-much', { exact: true }).first().waitFor();
    await detail.getByText('untrusted', { exact: true }).first().waitFor();
    await expectSoon(() => detail.locator('blockquote.stranger mark').first().textContent(), 'DE89-3704-0044');
    // The address leads another person to the same call.
    expect(page.url()).toMatch(/\/calls\?call=\d+$/);
  });

  test('all of its parts open, by click and by key, and say what happened', async () => {
    const run = await on.buy(980);
    await on.ended(run);
    const { page } = await signedIn(on, `run/${run}`);
    await expectShown(page, 'What it was asked');
    for (const [key, text] of [
      ['3', 'hash'],
      ['4', 'It has sent and received no messages.'],
      ['5', 'It has no children.'],
      ['6', 'This is what it could reach.'],
      ['7', 'Decisions, the latest last'],
    ] as const) {
      await page.keyboard.press(key);
      if (key === '3') {
        await page.locator('.journal').waitFor();
        await page.keyboard.press(']');
      }
      await expectShown(page, text);
    }
  });

  test('a kill shows what it would reach, asks for the end of the id and a reason, and shows the receipt', async () => {
    const run = await on.sleep();
    const { page } = await signedIn(on, `run/${run}`, ['operator']);
    await expectShown(page, 'What it was asked');
    await page.keyboard.press('Shift+K');
    const dialog = page.getByRole('dialog', { name: 'Kill this run?' });
    await expectShown(dialog, 'Children under way');
    const kill = dialog.getByRole('button', { name: 'Kill it' });
    await page.getByLabel('Reason').fill('it only sleeps');
    await page.getByLabel('last four').fill('none');
    expect(await kill.isDisabled()).toBe(true);
    expect((await on.admin.showRun({ params: { run: run as never } })).ended_as).toBeNull();
    await page.getByLabel('last four').fill(run.slice(-4));
    await page.keyboard.press('Enter');
    await page.getByRole('dialog', { name: 'Killed' }).getByText('Grants revoked').waitFor();
    expect(await on.ended(run)).toBe('killed');
    const act = (await on.admin.listOperations({})).items.find(({ operation }) => operation === 'kill');
    expect(act).toMatchObject({ reason: 'it only sleeps', matched: [run] });
    await page.keyboard.press('Enter');
    await page.locator('.run-head').getByText('killed').waitFor();
  });

  test('a grant that works is taken back with a reason, and does not work any more', async () => {
    const run = await on.buy(50);
    await on.asked(run);
    const { page } = await signedIn(on, `run/${run}/authority`, ['operator']);
    const pay = page.locator('.card').filter({ hasText: /^pay/ });
    await pay.getByRole('button', { name: 'Take back…' }).first().click();
    await page.getByLabel('Reason').fill('not any more');
    await page.getByRole('button', { name: 'Take it back' }).click();
    await expectShown(pay, 'does not work');
    expect(await on.ended(run)).toBe('completed');
  });
});

describe.skipIf(NO_BROWSER)('approvals', () => {
  test('on a phone, a call is approved with two touches, and the run goes on', async () => {
    const run = await on.buy(50);
    await on.asked(run);
    const phone = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };
    const { page } = await signedIn(on, `approvals?run=${run}`, ['approver'], phone, 'local');
    await expectShown(page, 'Exactly this would be done');
    // Nothing is cut off at the side.
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
    await expectShown(page, 'DE89-3704-0044');
    await page.getByRole('button', { name: 'Approve…' }).tap();
    await page.getByRole('button', { name: 'Approve it' }).tap();
    await expectShown(page, 'Approved: pay for shop/buyer');
    expect(await on.ended(run)).toBe('completed');
    expect((await on.admin.showRun({ params: { run: run as never } })).outcome).toMatchObject({ output: 'paid DE89-3704-0044' });
  });

  test('a denial needs a reason, and the record has it', async () => {
    const run = await on.buy(60);
    const call = await on.asked(run);
    const { page } = await signedIn(on, `approvals?run=${run}`, ['approver']);
    await expectShown(page, 'Exactly this would be done');
    await page.keyboard.press('d');
    await page.getByLabel('Reason').waitFor();
    expect(await page.getByRole('button', { name: 'Deny it' }).isDisabled()).toBe(true);
    await page.keyboard.type('never heard of them');
    await page.keyboard.press('Enter');
    await expectShown(page, 'Denied: pay for shop/buyer');
    await on.ended(run);
    const { decisions } = await on.admin.whyRun({ params: { run: run as never } });
    expect(decisions.find((one) => one.call === call)?.people).toMatchObject([{ verdict: 'deny', reason: 'never heard of them' }]);
  });

  test('one touch or one key decides nothing, and who submitted the run is offered nothing', async () => {
    const run = await on.buy(70);
    await on.asked(run);
    const { page } = await signedIn(on, `approvals?run=${run}`, ['approver']);
    await expectShown(page, 'Exactly this would be done');
    await page.keyboard.press('a');
    await page.getByRole('button', { name: 'Approve it' }).waitFor();
    await page.keyboard.press('Escape');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Approve…' }).waitFor();
    expect((await on.admin.listApprovals({})).items.some((one) => one.run === run)).toBe(true);
    const auditor = await signedIn(on, `approvals?run=${run}`, ['auditor']);
    await expectShown(auditor.page, 'Your roles do not let you decide');
  });

  test('two people at once: what one decided leaves the other’s page', async () => {
    const run = await on.buy(80);
    await on.asked(run);
    const [one, two] = [await signedIn(on, `approvals?run=${run}`, ['approver']), await signedIn(on, `approvals?run=${run}`, ['approver'])];
    for (const { page } of [one, two]) await expectShown(page, 'Exactly this would be done');
    await one.page.getByRole('button', { name: 'Approve…' }).click();
    await one.page.getByRole('button', { name: 'Approve it' }).click();
    await expectShown(two.page, 'Nothing waits for a person.');
  });
});
