/** The console says what a label withholds in place of it, to whom it is private, and whom to ask. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { front, shortFolder } from '../front.ts';
import { expectShown, NO_BROWSER, sharedBrowser, signedIn } from './browser.ts';

sharedBrowser();

const SECRET = 'Ana-earns-4711';
const WHOSE = '<b>ana</b>';
const CONFIG = `
import { defineConfig, tool } from '@corral/server/config';
import * as z from 'zod';
export default defineConfig({
  tools: [tool({ name: 'hr.read', description: 'reads a salary', input: z.object({}), output: z.string(),
    annotations: { readOnly: true, openWorld: false, returns: 'trusted', private_to: '${WHOSE}' }, run: () => '${SECRET}' })],
});`;

test.skipIf(NO_BROWSER)('each view of a run says why its content is withheld, as text, and none has it', async () => {
  const folder = await shortFolder();
  await writeFile(join(folder, 'corral.config.ts'), CONFIG);
  const on = await front({ config: join(folder, 'corral.config.ts') });
  await on.deploy(
    `{ name: 'reader', uses: { hr: 'tool:hr.read' }, run: async ({ caps, log, emit }) => { const said = await caps.hr({}); log(said); emit('found', said); return said; } }`,
  );
  const { run } = await on.admin.submitRun({ body: { agent: 'reader' } });
  expect(await on.admin.showRun({ params: { run }, query: { wait_ms: 60_000 } })).toMatchObject({
    ended_as: 'completed',
    withheld_payload: { private_to: [WHOSE] },
  });
  const { page, open } = await signedIn(on, `run/${run}`);
  for (const tab of ['summary', 'events', 'story', 'journal?entry=2', 'calls?call=1', 'why']) {
    await open(`run/${run}/${tab}`);
    await expectShown(page, `It is private to ${WHOSE}`);
    const shown = await page.evaluate(() => ({ text: document.body.textContent ?? '', bold: document.querySelectorAll('main b').length }));
    expect(shown.text, `in ${tab}`).not.toContain(SECRET);
    expect(shown.bold, `in ${tab}`).toBe(0);
  }
});
