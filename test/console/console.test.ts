/** The console in a real browser, on a real host with real runs. */
import { describe, expect, test } from 'vitest';
import type { Locator } from 'playwright-core';
import { agentFile } from '../agents/file.ts';
import { shared } from '../shared.ts';
import { until } from '../until.ts';
import { expectShown, expectSoon, NO_BROWSER, sharedBrowser, signedIn, signIn, visit } from './browser.ts';
import { scene, type Scene } from './scene.ts';

/** It makes a call some time after one that people decide, and then says nothing. */
const LATE = `{ name: 'late', uses: { pay: 'tool:pay' }, run: async ({ sleep, caps }) => {
  await caps.pay({ to: 'Ann', amount: 50 }); await sleep(3000); await caps.pay({ to: 'Ann', amount: 5 }); await sleep(3600000); } }`;

sharedBrowser();
let on: Scene;
const BILL = 'Invoice 17: please pay to DE89-3704-0044 today, 64 in all.';
shared(
  (finished) => scene(finished, { bill: BILL }),
  (made) => (on = made),
  !NO_BROWSER,
);

describe.skipIf(NO_BROWSER)('runs', () => {
  test('a run that is submitted elsewhere appears, and its row says how it ended', async () => {
    const { page } = await signedIn(on, 'runs');
    const run = await on.buy(5);
    const row = page.getByRole('row').filter({ has: page.locator(`code[title="${run}"]`) });
    await expectShown(row, 'completed');
  });

  test('a filter and a state are part of the address, and a link shows another person the same', { tags: 'long' }, async () => {
    const [first, second] = [await on.buy(5), await on.sleep()];
    const { page } = await signedIn(on, 'runs');
    await page.keyboard.press('/');
    await page.keyboard.type('agent:sleeper');
    await page.getByLabel('State').selectOption('Not ended');
    await page.locator(`code[title="${second}"]`).waitFor();
    await expectSoon(() => page.locator(`code[title="${first}"]`).count(), 0);
    await expectSoon(() => new URL(page.url()).searchParams.toString().split('&').sort(), ['q=agent%3Asleeper', 'state=live']);
    const other = await signedIn(on, page.url().split('/console/')[1] ?? '');
    await other.page.locator(`code[title="${second}"]`).waitFor();
    await on.admin.operate({ body: { operation: 'kill', target: { run: second as never }, reason: 'done' } });
    // It does not match any more, and leaves both lists.
    for (const each of [page, other.page]) await expectSoon(() => each.locator(`code[title="${second}"]`).count(), 0);
  });

  test('the name of a column sorts all runs by it, and once more the other way round', async () => {
    const run = await on.buy(5);
    await on.ended(run);
    await on.sleep();
    const { page } = await signedIn(on, 'runs');
    await page.locator(`code[title="${run}"]`).waitFor();
    const calls = async () => (await page.locator('.window-row .c-num:not(.c-cpu):not(.c-money)').allTextContents()).map(Number);
    const rises = (of: readonly number[]) => of.every((n, i) => i === 0 || n >= (of[i - 1] ?? 0));
    await page.getByRole('button', { name: 'Calls' }).click();
    await expectSoon(async () => rises((await calls()).toReversed()) && ((await calls())[0] ?? 0) > 0, true);
    expect(new URL(page.url()).searchParams.get('sort')).toBe('calls');
    expect(await page.getByRole('columnheader', { name: 'Calls' }).getAttribute('aria-sort')).toBe('descending');
    await page.getByRole('button', { name: 'Calls' }).click();
    await expectSoon(async () => rises(await calls()) && (await calls())[0] === 0, true);
  });

  test('a click with Control opens a run elsewhere, and leaves the list where it is', { tags: 'long' }, async () => {
    const run = await on.buy(5);
    const { page } = await signedIn(on, 'runs');
    const link = page
      .getByRole('row')
      .filter({ has: page.locator(`code[title="${run}"]`) })
      .getByRole('link');
    const [elsewhere] = await Promise.all([page.context().waitForEvent('page'), link.click({ modifiers: ['ControlOrMeta'] })]);
    await elsewhere.waitForURL(`**/run/${run}`);
    expect(page.url()).toMatch(/\/console\/runs$/);
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
    await expectShown(detail.locator('.decision'), /^never-so-much\s+\(asks-a-person also matched\)/);
    await detail.getByText('untrusted', { exact: true }).first().waitFor();
    // Both rules forbid it; the one that refused is marked, with its text.
    await detail.getByText('What they say').click();
    const deciding = detail.locator('details div', { hasText: 'decided' }).locator('pre');
    await expectSoon(() => deciding.allTextContents().then((texts) => texts.map((text) => text.slice(0, 20))), ['@id("never-so-much")']);
    await expectSoon(() => detail.locator('blockquote.stranger mark').first().textContent(), 'DE89-3704-0044');
    // The address leads another person to the same call.
    expect(page.url()).toMatch(/\/calls\?call=\d+$/);
  });

  test('its words are shown while it goes on, and then its end', async () => {
    const run = await on.buy(50);
    const call = await on.asked(run);
    const { page } = await signedIn(on, `run/${run}/events`);
    const events = page.getByRole('list', { name: 'Events' });
    await expectShown(events, 'please pay to DE89-3704-0044');
    expect(await events.getByText('ended').count()).toBe(0);
    const approver = await on.as('local', 'approver');
    await approver.decideApproval({ params: { run: run as never, call }, body: { verdict: 'approve' } });
    await expectShown(events, 'completed');
  });

  test('all of its parts open, by click and by key, and say what happened', { tags: 'long' }, async () => {
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
      ['8', 'please pay to DE89-3704-0044'],
      ['9', 'It was refused something once: pay'],
    ] as const) {
      await page.keyboard.press(key);
      if (key === '3') {
        await page.locator('.journal').waitFor();
        // The keys of a view work once it has been drawn.
        await until(async () => {
          await page.keyboard.press(']');
          return page.url().includes('entry=');
        }, 'an entry is opened');
      }
      await expectShown(page, text);
    }
  });

  test('its figures change on the page while nothing is asked of anybody', { tags: 'long' }, async () => {
    await on.deploy(LATE, { tenant: 'local' });
    const { run } = await on.admin.submitRun({ body: { agent: 'late', tenant: 'local' } });
    const call = await on.asked(run);
    const { page } = await signedIn(on, `run/${run}`);
    await expectShown(page.locator('.run-head'), /^1 call,/);
    const approver = await on.as('local', 'approver');
    await approver.decideApproval({ params: { run, call }, body: { verdict: 'approve' } });
    await expectShown(page.locator('.run-head'), /^2 calls,/);
  });

  test(
    'data that were read before stay when they cannot be read again, and the page says that they are old',
    { tags: 'long' },
    async () => {
      const run = await on.sleep();
      const { page } = await signedIn(on, `run/${run}/why`);
      await expectShown(page, 'Decisions, the latest last');
      await page.route('**/why', (route) => route.abort());
      await on.admin.operate({ body: { operation: 'pause', target: { run: run as never }, reason: 'to have it read again' } });
      await expectShown(page, 'The host does not answer.');
      expect(await page.getByText('Decisions, the latest last').isVisible()).toBe(true);
      await page.unroute('**/why');
      await page.getByRole('button', { name: 'Try again' }).click();
      await expectSoon(() => page.getByText('The host does not answer.').count(), 0);
    },
  );

  test('a grant that works is taken back with a reason, and does not work any more', { tags: 'long' }, async () => {
    const run = await on.buy(50);
    await on.asked(run);
    const { page } = await signedIn(on, `run/${run}/authority`, ['operator']);
    const pay = page.locator('.card').filter({ hasText: /^pay/ });
    await pay.getByRole('button', { name: 'Take back…' }).first().click();
    const dialog = page.getByRole('dialog', { name: 'Take back this grant?' });
    // The call that waits for a person would be made with it.
    await expectShown(dialog, /pay \(call \d+\)/);
    await page.getByLabel('Reason').fill('not any more');
    await page.getByRole('button', { name: 'Take it back' }).click();
    await expectShown(page.getByRole('dialog', { name: 'Taken back' }), 'does not work any more');
    await page.keyboard.press('Escape');
    await expectShown(pay, 'does not work');
    expect(await on.ended(run)).toBe('completed');
    const { outcome } = await on.admin.showRun({ params: { run: run as never } });
    expect(outcome).toMatchObject({ output: 'CORRAL_REVOKED' });
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
    await page.getByRole('button', { name: 'Approve it' }).waitFor();
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
    await page.getByRole('button', { name: 'Approve it' }).tap();
    await expectShown(page, /Approved: pay \(.*\) for shop\/buyer/);
    expect(await on.ended(run)).toBe('completed');
    expect((await on.admin.showRun({ params: { run: run as never } })).outcome).toMatchObject({ output: 'paid DE89-3704-0044' });
  });

  test('on a phone, the sender, the subject and the text of the mail stand above the buttons, and a card says that its run is paused', async () => {
    const run = await on.buy(64, 'bill');
    await on.asked(run);
    await on.admin.operate({ body: { operation: 'pause', target: { run: run as never }, reason: 'a look at it' } });
    const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };
    const { page } = await signedIn(on, `approvals?run=${run}`, ['approver'], phone, 'local');
    const card = page.locator('.approval');
    await expectShown(card, /^the run is paused: the call is made/);
    const end = async (of: Locator) => of.boundingBox().then((box) => (box?.y ?? Number.NaN) + (box?.height ?? Number.NaN));
    const button = await card.getByRole('button', { name: 'Approve…' }).boundingBox();
    for (const text of ['stranger@example.com', 'New account', 'please pay to'])
      expect(await end(card.locator('.quotes').getByText(text).first())).toBeLessThan(button?.y ?? 0);
    await expectShown(card.locator('pre'), 'context.call.amount.greaterThan(decimal("10.0"))');
    // Two arguments stand in it; the text stands there once, with both lit.
    expect(await card.locator('blockquote mark').allTextContents()).toEqual(['DE89-3704-0044', '64']);
    expect(await card.locator('blockquote').count()).toBe(1);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
    await on.admin.operate({ body: { operation: 'kill', target: { run: run as never }, reason: 'seen' } });
  });

  test('the number beside Approvals is that of the runs that ask', async () => {
    const run = await on.buy(55);
    await on.asked(run);
    const { page } = await signedIn(on, 'runs', ['approver']);
    await expectSoon(
      async () => (await page.locator('.top .count').textContent()) === String((await on.admin.countApprovals({})).waiting),
      true,
    );
    await page.getByRole('link', { name: 'Approvals' }).click();
    await page.locator(`[id^="${run}-"]`).waitFor();
  });

  test('calls that are alike are approved together as they were shown, each with its result; then they are among what was decided', async () => {
    const runs = [await on.buy(31), await on.buy(32)];
    for (const run of runs) await on.asked(run);
    const { page, open } = await signedIn(on, 'approvals', ['approver']);
    const other = await on.as('local', 'approver');
    const params = { run: runs[0] as never, call: await on.asked(runs[0] as string) };
    await other.claimApproval({ params, body: {} });
    const card = page.locator(`[id^="${runs[0]}-"]`);
    await expectShown(card, `${(await other.whoAmI({})).principal} has been looking at it since`);
    await page.getByRole('button', { name: 'Decide together…' }).click();
    const dialog = page.getByRole('dialog', { name: /calls to pay/ });
    await expectShown(dialog, '31');
    await dialog.getByLabel('Reason').fill('the usual');
    // One of them is decided elsewhere meanwhile.
    await other.decideApproval({ params, body: { verdict: 'deny', reason: 'not this one' } });
    await dialog.getByRole('button', { name: /^Approve these/ }).click();
    const results = page.getByRole('dialog', { name: /approved, 1 not/ });
    await expectShown(results, new RegExp(String(runs[1])));
    await expectShown(results, 'CORRAL_RUN_STATE');
    await page.keyboard.press('Escape');
    expect(await on.ended(runs[1] as string)).toBe('completed');
    await open('approvals/decided?by=me');
    await expectShown(page, /\d approved/);
    await expectShown(page.getByRole('table'), 'the usual');
  });

  test('a large call is approved with the token once more, and the approval may hold for later calls of the run', async () => {
    const run = await on.buy(450);
    const call = await on.asked(run);
    const { secret } = await on.as('local', 'approver');
    const { page } = await visit(on, `approvals?run=${run}`);
    await signIn(page, secret);
    await page.getByRole('button', { name: 'Approve…' }).click();
    const approve = page.getByRole('button', { name: 'Approve it' });
    expect(await approve.isDisabled()).toBe(true);
    await page.getByLabel('Which calls').selectOption('destination');
    await expectShown(page, /are made without asking, as long as nothing about them is wider/);
    await page.getByLabel('Money of all of them').fill('900');
    await page.getByLabel('Your token once more').fill('not this one');
    await approve.click();
    await expectShown(page, 'CORRAL_PROOF_NEEDED');
    await page.getByLabel('Your token once more').fill(secret);
    await approve.click();
    await expectShown(page, /Approved: pay \(.*\) for shop\/buyer/);
    expect(await on.ended(run)).toBe('completed');
    const { decisions } = await on.admin.whyRun({ params: { run: run as never } });
    expect(decisions.find((one) => one.call === call)?.people).toMatchObject([
      { fresh: true, holds: { for: 'destination', uses: 10, amount: 900 } },
    ]);
  });

  test('not now hides a call from one person, who can have it shown again', { tags: 'long' }, async () => {
    const run = await on.buy(33);
    await on.asked(run);
    const { page } = await signedIn(on, `approvals?run=${run}`, ['approver']);
    await page.getByLabel('Not now: hide it from me').selectOption({ index: 1 });
    await expectShown(page, 'Nothing waits for a person.');
    await page.getByRole('button', { name: '1 put off: show' }).click();
    await page.getByRole('button', { name: 'Show it again' }).click();
    await page.getByRole('button', { name: 'Leave out what I have put off' }).click();
    await expectShown(page, 'Exactly this would be done');
    const other = await signedIn(on, `approvals?run=${run}`, ['approver']);
    await expectShown(other.page, 'Exactly this would be done');
  });

  test('a denial needs a reason, and the record has it', async () => {
    const run = await on.buy(60);
    const call = await on.asked(run);
    const { page } = await signedIn(on, `approvals?run=${run}`, ['approver']);
    await expectShown(page, 'Exactly this would be done');
    await page.keyboard.press('d');
    await page.getByLabel('Reason').waitFor();
    expect(await page.getByRole('button', { name: 'Deny it' }).isDisabled()).toBe(true);
    await expectSoon(() => page.evaluate(() => document.activeElement?.tagName), 'INPUT');
    await page.keyboard.type('never heard of them');
    await page.keyboard.press('Enter');
    await expectShown(page, /Denied: pay \(.*\) for shop\/buyer/);
    await on.ended(run);
    const { decisions } = await on.admin.whyRun({ params: { run: run as never } });
    expect(decisions.find((one) => one.call === call)?.people).toMatchObject([{ verdict: 'deny', reason: 'never heard of them' }]);
  });

  test('one touch or one key decides nothing, and who submitted the run is offered nothing', { tags: 'long' }, async () => {
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

  test('two people at once: what one decided leaves the other’s page', { tags: 'long' }, async () => {
    const run = await on.buy(80);
    await on.asked(run);
    const [one, two] = [await signedIn(on, `approvals?run=${run}`, ['approver']), await signedIn(on, `approvals?run=${run}`, ['approver'])];
    for (const { page } of [one, two]) await expectShown(page, 'Exactly this would be done');
    await one.page.getByRole('button', { name: 'Approve…' }).click();
    await one.page.getByRole('button', { name: 'Approve it' }).click();
    await expectShown(two.page, 'Nothing waits for a person.');
  });
});

describe.skipIf(NO_BROWSER)('questions', () => {
  test('on a phone and by the keyboard alone, an answer of several parts is filled in, corrected where it does not fit, and sent', async () => {
    await on.deploy(agentFile('questions/order'), { tenant: 'local' });
    const { run } = await on.admin.submitRun({ body: { agent: 'order', tenant: 'local' } });
    const phone = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };
    const { page } = await signedIn(on, `approvals/questions?run=${run}`, ['admin'], phone);
    const { keyboard } = page;
    // An agent's words are text: no picture is loaded, and what turns the direction of writing is shown.
    await expectShown(page, /What shall I order\? <img src=x onerror=alert\(1\)>/);
    await page.locator('.hidden-char').first().waitFor();
    expect(await page.locator('main img').count()).toBe(0);
    await keyboard.press('a');
    const form = page.getByRole('form', { name: 'Answer this question' });
    await form.waitFor();
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
    await keyboard.press('n');
    await keyboard.press('Tab');
    await keyboard.type('11');
    await keyboard.press('Tab');
    await keyboard.press('y');
    await keyboard.press('Tab');
    await keyboard.press('Enter');
    await keyboard.press('Tab');
    await page.getByRole('button', { name: 'Send the answer' }).press('Enter');
    await expectShown(form, 'It has to be a whole number, at most 10.');
    await expectShown(form, 'Write something here.');
    // The first field that does not fit has the focus.
    await expectSoon(() => page.evaluate(() => (document.activeElement as HTMLInputElement).value), '11');
    await page.getByLabel('most').fill('7');
    await page.getByLabel('Item 1', { exact: true }).fill('apples');
    await page.getByRole('button', { name: 'Send the answer' }).press('Enter');
    await expectShown(page, 'Answered: order');
    expect(await on.ended(run)).toBe('completed');
    const { outcome } = await on.admin.showRun({ params: { run } });
    expect(outcome).toEqual({ kind: 'completed', output: { shop: 'north', most: 7, sure: true, items: ['apples'] } });
  });

  test('a question is declined with a reason, and who may not answer is offered nothing', { tags: 'long' }, async () => {
    await on.deploy(agentFile('questions/order'), { tenant: 'local' });
    const { run } = await on.admin.submitRun({ body: { agent: 'order', tenant: 'local' } });
    const view = `approvals/questions?run=${run}`;
    const [{ page }, auditor] = [await signedIn(on, view, ['admin']), await signedIn(on, view, ['auditor'])];
    await expectShown(auditor.page, 'Your roles do not let you answer');
    await page.getByRole('button', { name: 'Decline…' }).click();
    await page.getByLabel('Reason').fill('not today');
    await page.getByRole('button', { name: 'Decline it' }).click();
    await expectShown(page, 'Declined: order');
    await expectShown(auditor.page, 'No run waits for an answer.');
    expect(await on.ended(run)).toContain('failed');
  });
});

describe.skipIf(NO_BROWSER)('agents', { tags: 'long' }, () => {
  test('before an agent is put under quarantine, the page says how many runs that stops', async () => {
    await on.sleep();
    const { page } = await signedIn(on, 'agents', ['operator']);
    await page.locator('.card').filter({ hasText: 'sleeper' }).getByRole('button', { name: 'Quarantine…' }).click();
    const live = (await on.admin.listRuns({ query: { agent: 'sleeper', live: 'true', limit: 1, total: 'true' } })).total ?? 0;
    expect(live).toBeGreaterThan(0);
    const fact = page.locator('dialog .fact').filter({ hasText: 'Runs that stop' }).locator('dd');
    await expectSoon(() => fact.textContent(), String(live));
    await page.keyboard.press('Escape');
    expect((await on.admin.listQuarantines({})).items).toEqual([]);
  });
});

describe.skipIf(NO_BROWSER)('the overview', { tags: 'long' }, () => {
  test('counts over all runs, and leads to those that it counts', async () => {
    const run = await on.sleep();
    await on.admin.operate({ body: { operation: 'pause', target: { run: run as never }, reason: 'to be counted' } });
    const { page } = await signedIn(on, 'overview');
    const tile = page.getByRole('link', { name: /paused$/ });
    const paused = async () => (await on.admin.countRuns({})).states['paused'] ?? 0;
    await expectSoon(async () => Number.parseInt((await tile.textContent()) ?? '', 10) === (await paused()), true);
    await page.getByRole('img', { name: /^Runs admitted/ }).waitFor();
    await tile.click();
    await page.locator(`code[title="${run}"]`).waitFor();
    // A run that ends while it is paused is not paused any more.
    await on.admin.operate({ body: { operation: 'kill', target: { run: run as never }, reason: 'done' } });
    await expectSoon(() => page.locator(`code[title="${run}"]`).count(), 0);
  });
});
