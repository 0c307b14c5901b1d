/** People who decide about calls in the console, on a phone too: what they are shown before and after, and where its links lead. */
import { describe, expect, test } from 'vitest';
import { front } from '../front.ts';
import { shared } from '../shared.ts';
import { expectShown, expectSoon, NO_BROWSER, sharedBrowser, signedIn } from './browser.ts';
import { scene, type Scene } from './scene.ts';

const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };

/** The amount that it pays is in the bill, and too short to be traced. */
const READS_AMOUNT = `{ name: 'pays-bill', uses: { read: 'tool:mail.read', pay: 'tool:pay' }, async run({ caps }) {
  const { text } = await caps.read({ id: 'bill' });
  return caps.pay({ to: /to (\\S+)/.exec(text)[1], amount: Number(/(\\d+) in all/.exec(text)[1]) }).catch((error) => error.code); } }`;

sharedBrowser();
let on: Scene;
shared(
  (finished) => scene(finished, { bill: 'Invoice 17: please pay to DE89-3704-0044 today, 64 in all.' }),
  (made) => (on = made),
  !NO_BROWSER,
);
const kill = (...runs: string[]) =>
  on.admin.operate({ body: { operation: 'kill', target: { where: { runs: runs as never } }, reason: 'seen' } });

describe.skipIf(NO_BROWSER)('an approver', () => {
  test('comes from a decided call to what was decided about it, and by no link to a part that their roles do not show', async () => {
    const run = await on.buy(50);
    const call = await on.asked(run);
    const { page, open } = await signedIn(on, `approvals?run=${run}`, ['approver']);
    await page.getByRole('button', { name: 'Approve…' }).click();
    await page.getByRole('button', { name: 'Approve it' }).click();
    const lit = () => page.locator('nav.tabs a[aria-current]').allTextContents();
    await page.getByRole('link', { name: 'See what became of it' }).click();
    await expectShown(page.locator('.named .decision'), 'Approved by');
    expect(await lit()).toEqual(['Why']);
    await open(`approvals/decided?run=${run}`);
    await page.getByRole('link', { name: `${run.slice(-6)}, call ${call}` }).click();
    await expectShown(page.locator('.named .decision'), 'Approved by');
    // So does an address that somebody else sent.
    await open(`run/${run}/calls?call=${call}`);
    await expectSoon(lit, ['Why']);
    await open(`run/${run}/journal`);
    await expectShown(page, 'Your roles do not show the part Journal of a run.');
    await open(`run/${run}/story`);
    await expectShown(page, 'approved call');
    const links = await page.locator('main a').evaluateAll((all) => all.map((one) => one.getAttribute('href') ?? ''));
    expect(links.filter((href) => /\/(?:calls|journal|messages|authority|events)\b/.test(href))).toEqual([]);
    // The output is not for them, which is not the same as that there is none.
    await open(`run/${run}`);
    await expectShown(page, 'It completed. Your roles do not show its output.');
    expect(
      await page
        .locator('main pre')
        .filter({ hasText: /^null$/ })
        .count(),
    ).toBe(0);
  });

  test('is told the same of an argument before the decision and in the reasons of the run', async () => {
    await on.deploy(READS_AMOUNT, { tenant: 'local' });
    const { run } = await on.admin.submitRun({ body: { agent: 'pays-bill', tenant: 'local' } });
    const call = await on.asked(run);
    const { page, open } = await signedIn(on, `approvals?run=${run}`, ['approver']);
    const said = 'too short to trace; the same value is also in what mail.read gave';
    await expectShown(page.locator('.arguments'), said);
    await expectShown(page.locator('.quotes'), 'amount is in it too, but too short to be traced');
    await open(`run/${run}/why?call=${call}`);
    await expectShown(page.locator('.named .decision'), said);
    // A reader of payloads sees there what was lit before the decision, too.
    const operator = await signedIn(on, `run/${run}/why`, ['operator']);
    await expectSoon(() => operator.page.locator('.decision blockquote mark').allTextContents(), ['DE89-3704-0044', '64']);
    await kill(run);
  });
});

describe.skipIf(NO_BROWSER)('on a phone', () => {
  test('the first card says how much goes to whom on the first screen, and nothing moves under the finger after a decision', async () => {
    const runs = [await on.buy(41), await on.buy(42), await on.buy(43), await on.buy(44)];
    for (const run of runs) await on.asked(run);
    const { page } = await signedIn(on, 'approvals', ['approver'], PHONE);
    await expectSoon(() => page.locator('.approval').count(), 4);
    const title = page.getByRole('heading', { name: 'pay 41 to DE89-3704-0044' });
    const { y = Number.NaN, height = Number.NaN } = (await title.boundingBox()) ?? {};
    expect(y + height).toBeLessThan(500);
    // The filter and what decides about several wait to be unfolded.
    expect(await page.getByLabel('Agent or tool').isVisible()).toBe(false);
    // The place where the finger came last: the card there, and how far it has moved since.
    await page.evaluate(`document.addEventListener('click', ({ clientX: x, clientY: y, target }) => {
      globalThis.touched = { x, y, top: target.closest('li').getBoundingClientRect().top };
    }, true)`);
    const under = `document.elementFromPoint(touched.x, touched.y)?.closest('li')`;
    const isStill = async (run = '') => {
      expect(await page.evaluate(`${under}?.id.slice(0, ${run.length})`)).toBe(run);
      expect(Math.abs(Number(await page.evaluate(`${under}.getBoundingClientRect().top - touched.top`)))).toBeLessThan(1);
    };
    for (const n of [0, 1]) {
      const card = page.locator(`[id^="${runs[n]}-"]`);
      await card.getByRole('button', { name: 'Approve…' }).tap();
      await card.getByRole('button', { name: 'Approve it' }).waitFor();
      await card.getByRole('button', { name: 'Approve it' }).tap();
      await expectShown(card, `Approved: pay (${41 + n} to DE89-3704-0044) for shop/buyer`);
      await expectShown(page, `${3 - n} waiting`);
      await isStill(runs[n]);
      expect((await card.getByRole('status').boundingBox())?.y).toBeGreaterThan(0);
    }
    // Nor does it move once the host has reported the end of both runs.
    for (const run of runs.slice(0, 2)) expect(await on.ended(run)).toBe('completed');
    await isStill(runs[1]);
    await kill(...runs.slice(2));
  });

  test('what was decided is told in full, with the calls that were withdrawn as their tool was taken back', async () => {
    const [denied, withdrawn] = [await on.buy(71), await on.buy(72)];
    const call = await on.asked(denied);
    await on.asked(withdrawn);
    const approver = await on.as('local', 'approver');
    await approver.decideApproval({ params: { run: denied as never, call }, body: { verdict: 'deny', reason: 'not this one' } });
    await on.admin.operate({ body: { operation: 'revoke', tool: 'pay', target: { run: withdrawn as never }, reason: 'a drill' } });
    expect(await on.ended(withdrawn)).toBe('completed');
    const { page, open } = await signedIn(on, 'approvals/decided', ['operator'], PHONE);
    const row = (run: string) => page.getByRole('row').filter({ hasText: run.slice(-6) });
    for (const text of ['denied', 'pay 71 to DE89-3704-0044', 'not this one', (await approver.whoAmI({})).principal])
      await expectShown(row(denied), text);
    for (const text of ['withdrawn', 'pay 72 to DE89-3704-0044']) await expectShown(row(withdrawn), text);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
    const table = page.getByRole('group', { name: 'Decisions' });
    expect(await table.evaluate((self) => self.scrollWidth - self.clientWidth)).toBeLessThanOrEqual(0);
    // The name of a person takes a line or two, and not one for each letter.
    const by = row(denied).locator('td[data-name=By]');
    expect((await by.boundingBox())?.height).toBeLessThan(60);
    await open('approvals/decided?q=HOP/BUY');
    await row(denied).waitFor();
    await open('approvals/decided?q=nobody-of-this-name');
    await expectShown(page, 'Nobody decided anything of this kind.');
  });
});

describe.skipIf(NO_BROWSER)('the tools of several tenants', () => {
  test('are listed at once for an operator of all of them, each with its tenant, and no text is of the command line', async () => {
    const both = await front({ configText: JSON.stringify({ policies: 'none', tenants: { lab: {}, shop: {} } }) });
    const { page, open } = await signedIn(both, 'tools', ['operator']);
    const tools = page.getByRole('region', { name: 'Tools' });
    for (const tenant of ['lab', 'shop']) await tools.getByRole('cell', { name: tenant, exact: true }).first().waitFor();
    await page.getByLabel('Tenant').selectOption('shop');
    await expectSoon(() => tools.getByRole('cell', { name: 'lab', exact: true }).count(), 0);
    expect(new URL(page.url()).searchParams.get('tenant')).toBe('shop');
    // An address that does not say in which tenant shows those that have it.
    await open('tools/owner.ask');
    await expectSoon(() => tools.getByRole('link', { name: 'owner.ask' }).count(), 2);
    await tools.getByRole('link', { name: 'owner.ask' }).last().click();
    await page.waitForURL('**/tools/owner.ask?tenant=shop');
    await expectShown(page, 'Agents that may reach it');
    await open('tools/pay?tenant=shops');
    await expectShown(page, 'There is no tenant shops.');
    expect(await page.locator('main').innerText()).not.toMatch(/--|corral /);
  });
});
