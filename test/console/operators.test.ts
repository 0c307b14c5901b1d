/** Operators of a host in the console: they see what is spent, what is short of what, and they stop many runs at once. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { shared } from '../shared.ts';
import { until } from '../until.ts';
import { expectSoon, NO_BROWSER, sharedBrowser, signedIn } from './browser.ts';
import { LOOPER, scene, type Scene } from './scene.ts';

sharedBrowser();
let on: Scene;
shared(
  (finished) => scene(finished, { named: 'please pay to DE12-3456 named memo', long: `please pay to ${'DE12-'.repeat(100)}` }),
  (made) => (on = made),
  !NO_BROWSER,
);

describe.skipIf(NO_BROWSER)('health', () => {
  test('names the cell of each run, with what its process uses, and the nodes of the store', async () => {
    const run = await on.phone();
    const { page } = await signedIn(on, 'health', ['operator']);
    const cells = page.getByRole('region', { name: 'Cells' });
    await cells.locator(`code[title="${run}"]`).waitFor();
    expect(await cells.getByRole('row').nth(1).innerText()).toMatch(/local[\s\S]*\d+ MiB/);
    await page.getByRole('region', { name: 'Nodes' }).getByText('this host').waitFor();
    await page.getByText('Nothing waits for its first turn.').waitFor();
    await page.getByText('None is open.').waitFor();
  });
});

describe.skipIf(NO_BROWSER)('the detectors of loops', () => {
  test('have the runs that they paused counted on the overview, which leads to them, and the row of each says so', async () => {
    await on.deploy(LOOPER, { tenant: 'local' });
    const other = await on.sleep();
    await on.admin.operate({ body: { operation: 'pause', target: { run: other as never }, reason: 'a drill' } });
    const { run } = await on.admin.submitRun({ body: { agent: 'looper', tenant: 'local' } });
    await until(async () => (await on.admin.showRun({ params: { run } })).stopped_by === 'loops', 'it is paused');
    const { page } = await signedIn(on, 'overview', ['operator']);
    await page.getByRole('link', { name: '1 paused by the loop detector' }).click();
    const row = page.locator('.window-row').filter({ has: page.locator(`code[title="${run}"]`) });
    await row.getByText('paused by the loop detector').waitFor();
    expect(await page.locator('.window-row').count()).toBe(1);
    // The host counts it among those that are paused, too.
    expect((await on.admin.countRuns({})).states).toMatchObject({ paused: 2 });
    await on.admin.operate({ body: { operation: 'kill', target: { where: { runs: [run, other as never] } }, reason: 'seen' } });
    await page.getByText('No run matches.').waitFor();
  });
});

describe.skipIf(NO_BROWSER)('many runs', () => {
  test('are picked by a key and stopped at once, each with its result; all that match are paused and resumed', async () => {
    const runs = [await on.sleep(), await on.sleep(), await on.sleep()];
    const { page } = await signedIn(on, 'runs?q=agent:sleeper&state=live', ['operator']);
    const { keyboard } = page;
    await page.locator('.window-row').nth(2).waitFor();
    for (const key of ['j', 'x', 'j', 'x']) {
      await keyboard.press(key);
      await page.locator('[aria-selected=true]').waitFor();
    }
    const bar = page.getByRole('group', { name: 'Picked runs' });
    await bar.getByText('2 runs picked').waitFor();
    await bar.getByRole('button', { name: 'Kill…' }).click();
    const dialog = page.getByRole('dialog', { name: 'Kill these runs?' });
    await dialog.getByText('Runs: 2 runs').waitFor();
    await page.getByLabel('Reason').fill('seen enough');
    expect(await dialog.getByRole('button', { name: 'Kill them' }).isDisabled()).toBe(true);
    await page.getByLabel('how many runs').fill('2');
    await keyboard.press('Enter');
    const done = page.getByRole('dialog', { name: 'Killed' });
    await done.getByText('Done: 2 runs').waitFor();
    await done.getByText('Close', { exact: true }).click();
    expect([await on.ended(runs[2] ?? ''), await on.ended(runs[1] ?? '')]).toEqual(['killed', 'killed']);
    await expectSoon(() => page.locator('.window-row').count(), 1);
    for (const [verb, yes, control] of [
      ['Pause…', 'Pause them', 'paused'],
      ['Resume…', 'Resume them', 'none'],
    ] as const) {
      await page.getByLabel(`Pick ${runs[0]}`).click();
      await bar.getByRole('button', { name: /^Take all/ }).click();
      await bar.getByRole('button', { name: verb }).click();
      await page.getByLabel('Reason').fill('drill');
      await page.getByRole('button', { name: yes }).click();
      await page.getByRole('dialog').getByText('Done: 1 run').waitFor();
      await page.getByText('Close', { exact: true }).click();
      expect((await on.admin.showRun({ params: { run: runs[0] as never } })).control).toBe(control);
    }
  });
});

describe.skipIf(NO_BROWSER)('a tool', () => {
  test('has a page that says who may reach it and what was called, and it is taken back from one run and from all of an agent', async () => {
    await on.admin.operate({ body: { operation: 'kill', target: { where: { agent: 'shop/caller' } }, reason: 'of another test' } });
    const [run] = [await on.phone(), await on.phone()];
    const { page, open } = await signedIn(on, `run/${run}/authority`, ['operator']);
    await page.locator('.reach').getByRole('link', { name: 'phone' }).click();
    await page.waitForURL('**/tools/phone?tenant=local');
    const agents = page.getByRole('region', { name: 'Agents that may reach it' });
    const holding = async () =>
      (await agents
        .getByRole('row', { name: /^shop\/caller/ })
        .locator('td')
        .nth(3)
        .textContent()) ?? '';
    await expectSoon(holding, '2');
    const take = async (from: string, fate: RegExp) => {
      await page.getByRole('button', { name: `Take back… from ${from}` }).click();
      const whom = from === run ? `the run …${run.slice(-6)}` : from;
      const dialog = page.getByRole('dialog', { name: `Take phone back from ${whom} (1 run)?` });
      // A later run of the agent still gets it.
      await dialog.getByText('New runs of shop/caller get phone again.').waitFor();
      await dialog.getByRole('link', { name: 'Quarantine shop/caller…' }).waitFor();
      await dialog.getByText('2 to phone').waitFor();
      await dialog.getByLabel('Reason').fill('it rings all day');
      await dialog.getByRole('button', { name: 'Take it back' }).click();
      const done = page.getByRole('dialog', { name: `Taken back: phone from ${whom} (1 run)` });
      await done.getByText('New runs of shop/caller get phone again.').waitFor();
      await done.getByText('Done: 1 run').click();
      await expectSoon(() => done.locator('details').getByRole('link').count(), 1);
      await expectSoon(() => done.getByText(fate).count(), 2);
      await done.getByText('Close', { exact: true }).click();
    };
    // Each call says what became of it.
    await take(run, /\(call \d\) was aborted/);
    await expectSoon(holding, '1');
    // The process of a tool that heeds no abort is ended, with the calls of others in it.
    await take('shop/caller', /\(call \d\) (?:was aborted|has an unknown result|had failed already)/);
    await page.getByText('No run holds it now.').waitFor();
    // Its payment is refused, and its mail was read.
    await on.ended(await on.buy(980));
    await open('tools/mail.read?tenant=local');
    await page.getByRole('link', { name: 'call 1 of shop/buyer' }).waitFor();
    // It is found by its name, too.
    await page.keyboard.press('g');
    await page.keyboard.press('l');
    await page.getByLabel('Search tools').fill('answers');
    await page.getByRole('link', { name: 'phone' }).click();
    await page.getByText('waits until somebody answers, which nobody does').waitFor();
  });
});

const PAYS_ANN = `{ name: 'pays-ann', uses: { pay: 'tool:pay' }, run: ({ caps }) => caps.pay({ to: 'Ann', amount: 50 }).catch((error) => error.code) }`;

describe.skipIf(NO_BROWSER)('many calls that wait', () => {
  test('are decided about by a filter, whatever their shape: all arguments are shown before, which leaves out long ones, and each has its result', async () => {
    await on.deploy(PAYS_ANN, { tenant: 'local' });
    const runs = [await on.buy(41), await on.buy(42, 'named')];
    const { run: other } = await on.admin.submitRun({ body: { agent: 'pays-ann', tenant: 'local' } });
    const long = await on.buy(43, 'long');
    for (const run of [...runs, other, long]) await on.asked(run);
    const { page } = await signedIn(on, 'approvals', ['approver']);
    await expectSoon(() => page.locator('.approval').count(), 4);
    // A part of the name does, without another key.
    await page.getByRole('search').getByLabel('Agent or tool').fill('op/buy');
    await expectSoon(() => page.locator('.approval').count(), 3);
    expect(new URL(page.url()).searchParams.get('q')).toBe('op/buy');
    await page.getByRole('button', { name: 'Decide about all of these…' }).click();
    const dialog = page.getByRole('dialog', { name: '2 calls to pay' });
    for (const text of ['41', '42', 'memo', 'DE12-3456']) await dialog.getByText(text).first().waitFor();
    await dialog.getByText(/^1 call not among these: to be looked at alone/).waitFor();
    await dialog.getByText('The reason is missing: “Deny these 2” needs one.').waitFor();
    expect(await dialog.getByRole('button', { name: 'Approve these 2' }).isEnabled()).toBe(true);
    expect(await dialog.getByRole('button', { name: 'Deny these 2' }).isEnabled()).toBe(false);
    await dialog.getByLabel('Reason').fill('none of these');
    await dialog.getByRole('button', { name: 'Deny these 2' }).click();
    const results = page.getByRole('dialog', { name: '2 denied', exact: true });
    for (const run of runs) await results.getByText(run).waitFor();
    await page.keyboard.press('Escape');
    await expectSoon(() => page.locator('.approval').count(), 1);
    for (const run of runs) expect(await on.ended(run)).toBe('completed');
    const { items } = await on.admin.listApprovals({ query: { tool: 'pay' } });
    expect(items.map(({ run }) => run)).toEqual([other, long]);
    await on.admin.operate({ body: { operation: 'kill', target: { where: { runs: [other, long as never] } }, reason: 'seen' } });
    await page.getByText('No call that waits for a person matches.').waitFor();
  });
});

describe.skipIf(NO_BROWSER)('spend', () => {
  test('is shown by agent and by what the address says, beside what tenants use of their ceilings, and is saved as CSV', async () => {
    expect(await on.ended(await on.buy(5))).toBe('completed');
    // Other tests of this file have bought something too.
    const { total } = await on.admin.usage({ query: { by: 'all' } });
    const money = total.money_micros / 1_000_000;
    const { page } = await signedIn(on, 'spend', ['auditor']);
    const tenants = page.getByRole('region', { name: 'Tenants and their ceilings' });
    await tenants.getByRole('row', { name: /^local / }).waitFor();
    const spent = page.getByRole('region', { name: 'Spend', exact: true });
    await spent.getByRole('row', { name: `shop/buyer local ${money.toFixed(2)}` }).waitFor();
    await page.getByRole('img', { name: /^What each day cost\./ }).waitFor();
    await page.getByLabel('By').selectOption('tool');
    await spent.getByRole('row', { name: `pay ${money.toFixed(2)}` }).waitFor();
    expect(new URL(page.url()).searchParams.get('by')).toBe('tool');
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'CSV' }).click()]);
    const text = readFileSync(await download.path(), 'utf8');
    const rows = text.split('\r\n');
    expect(rows[0]).toBe('period,tenant,tool,money,money_micros,tokens,calls');
    expect(rows[1]).toMatch(new RegExp(`^\\d{4}-\\d\\d-\\d\\d,,pay,${money},${total.money_micros},0,[1-9]\\d*$`));
  });
});
