/** The table of runs where there are very many of them: few rows are in the document, and keys reach all of them. */
import { describe, expect } from 'vitest';
import { front, HELLO, onTables } from '../front.ts';
import { eachOrLong } from '../tables.ts';
import { until } from '../until.ts';
import { expectSoon, NO_BROWSER, sharedBrowser, signedIn } from './browser.ts';

const ROWS: readonly (readonly [string, number])[] = [
  ['3,000', 3_000],
  ['100,000', 100_000],
];

sharedBrowser();

describe.skipIf(NO_BROWSER)('many runs', () => {
  eachOrLong(ROWS, ['3,000'])(
    '%s: the first are shown before the rest is read, G reads them all, and k goes on from the last',
    async (_, most) => {
      const on = await front();
      const version = await on.deploy(HELLO);
      const { run } = await on.admin.submitRun({ body: { agent: 'hello', input: { name: 'A' } } });
      await until(async () => (await on.admin.showRun({ params: { run } })).ended_as !== null);
      // Rows of the index for that many runs that have ended.
      onTables(
        on.host,
        `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
      INSERT INTO runs (id, tenant, agent, version, parent, principal, config, created_at, began, ended_as, ended_at)
      SELECT printf('run_%012d', i), 'local', 'hello', ?2, NULL, 'token:a', 'sha256:0', 1700000000000 + i, 1, 'completed', 1700000001000 + i FROM n`,
        most,
        version,
      );
      const { page } = await signedIn(on, 'runs');
      await page.locator(`code[title="run_${String(most).padStart(12, '0')}"]`).waitFor();
      expect(await page.locator('.window-row').count()).toBeLessThan(60);
      // The page is read as far as it is looked at.
      await expectSoon(
        async () => (await page.locator('.tally').textContent())?.startsWith(`100 of ${(most + 1).toLocaleString('en')} runs read`),
        true,
      );
      await page.keyboard.press('Shift+G');
      await expectSoon(() => page.locator('.tally').textContent(), `${(most + 1).toLocaleString('en')} runs`);
      await page.keyboard.press('Shift+G');
      await expectSoon(() => page.locator('[aria-selected=true] .c-run code').getAttribute('title'), run);
      await page.keyboard.press('k');
      await expectSoon(() => page.locator('[aria-selected=true] .c-run code').getAttribute('title'), 'run_000000000001');
      expect(await page.locator('.window-row').count()).toBeLessThan(60);
      expect(await page.getByRole('grid').getAttribute('aria-rowcount')).toBe(String(most + 2));
    },
  );
});
