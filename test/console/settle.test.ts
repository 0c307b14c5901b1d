/** A call whose result nobody knows, settled at the console by a person who has found out. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { front, shortFolder, type Front } from '../front.ts';
import { until } from '../until.ts';
import { expectShown, NO_BROWSER, sharedBrowser, signedIn } from './browser.ts';

/** A tool that never answers: the host stops in mid-call, and the next one cannot know what came of it. */
const CONFIG = `import { defineConfig, tool } from '@corral/server/config';
import * as z from 'zod';
const hang = tool({ name: 'shop.pay', description: 'pays', input: z.object({ to: z.string() }), output: z.unknown(), annotations: { openWorld: true },
  run: () => new Promise(() => {}) });
export default defineConfig({ tools: [hang], tenants: { local: { policies: 'none' } } });
`;
const PAYER = `{ name: 'payer', uses: { pay: 'tool:shop.pay' }, run: ({ caps }) => caps.pay({ to: 'Ann' }).catch((error) => error.code) }`;

sharedBrowser();

/** A host on which a call has an unknown result. */
async function interrupted(): Promise<Front & { readonly run: string }> {
  const folder = await shortFolder();
  const [data, config] = [join(folder, 'd'), join(folder, 'corral.config.ts')];
  await writeFile(config, CONFIG);
  const first = await front({ data, config });
  await first.deploy(PAYER, { tenant: 'local' });
  const { run } = await first.admin.submitRun({ body: { agent: 'payer', tenant: 'local' } });
  await until(async () => (await first.admin.showRun({ params: { run } })).waiting === 'call');
  await first.host.close(100);
  const second = await front({ data, config });
  await until(async () => (await second.admin.showRun({ params: { run } })).waiting === 'resolution');
  return { ...second, run };
}

test.skipIf(NO_BROWSER)('a person who knows what came of a call says so, and the run goes on with that', { tags: 'long' }, async () => {
  const on = await interrupted();
  const { page } = await signedIn(on, 'overview', ['operator']);
  await page.getByRole('link', { name: /result unknown/ }).click();
  await page.locator('.window-row').first().click();
  await page.getByRole('link', { name: 'Calls' }).click();
  await page.getByRole('button', { name: /result unknown/ }).click();
  await page.getByRole('button', { name: 'It was done…' }).click();
  await page.getByLabel('Its result').fill('{ "receipt": 17');
  await page.getByLabel('Reason').fill('the bank has it');
  await page.keyboard.press('Enter');
  await expectShown(page.getByRole('dialog'), 'The result is not JSON.');
  await page.getByLabel('Its result').fill('{ "receipt": 17 }');
  await page.getByRole('button', { name: 'It was done', exact: true }).click();
  await expectShown(page, 'this is its result');
  const ended = await on.admin.showRun({ params: { run: on.run as never }, query: { wait_ms: 60_000 } });
  expect(ended.outcome).toMatchObject({ kind: 'completed', output: { receipt: 17 } });
  const [call] = (await on.admin.runCalls({ params: { run: on.run as never } })).items;
  expect(call?.settled).toMatchObject([{ how: 'result', reason: 'the bank has it' }]);
});
