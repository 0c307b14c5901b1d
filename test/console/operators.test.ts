/** Operators of a host in the console: they see what is spent, what is short of what, and they stop many runs at once. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NO_BROWSER, sharedBrowser, signedIn } from './browser.ts';
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

describe.skipIf(NO_BROWSER)('spend', () => {
  test('is shown by agent and by what the address says, beside what tenants use of their ceilings, and is saved as CSV', async () => {
    expect(await on.ended(await on.buy(5))).toBe('completed');
    const { page } = await signedIn(on, 'spend', ['auditor']);
    const tenants = page.getByRole('region', { name: 'Tenants and their ceilings' });
    await tenants.getByRole('row', { name: /^local / }).waitFor();
    const spent = page.getByRole('region', { name: 'Spend', exact: true });
    await spent.getByRole('row', { name: /^shop\/buyer local 5\.00/ }).waitFor();
    await page.getByRole('img', { name: /^What each day cost\./ }).waitFor();
    await page.getByLabel('By').selectOption('tool');
    await spent.getByRole('row', { name: /^pay 5\.00/ }).waitFor();
    expect(new URL(page.url()).searchParams.get('by')).toBe('tool');
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'CSV' }).click()]);
    const text = readFileSync(await download.path(), 'utf8');
    expect(text).toMatch(/^period,tenant,tool,money,money_micros,tokens,calls\r\n\d{4}-\d\d-\d\d,,pay,5,5000000,0,1\r\n/);
  });
});
