/** Stopping runs from the console: one key pauses, nothing but a question resumes or ends, and the answer stays to be read. */
import { describe, expect, test } from 'vitest';
import type { Page } from 'playwright-core';
import { shared } from '../shared.ts';
import { expectShown, expectSoon, NO_BROWSER, sharedBrowser, signedIn } from './browser.ts';
import { scene, type Scene } from './scene.ts';

sharedBrowser();
let on: Scene;
shared(scene, (made) => (on = made), !NO_BROWSER);

const controlOf = async (run: string) => (await on.admin.showRun({ params: { run: run as never } })).control;
/** Acts of people on a run, the latest first. */
const actsOn = async (run: string) =>
  (await on.admin.listOperations({ query: { run: run as never } })).items.map(({ operation }) => operation);

/** The list with one run, which is the current row. */
async function current(page: Page, run: string): Promise<void> {
  await page.locator(`code[title="${run}"]`).waitFor();
  await page.keyboard.press('j');
  await page.locator('[aria-selected=true]').waitFor();
}

/** Answers the question before an end. */
async function answer(page: Page, run: string, reason: string): Promise<void> {
  await page.getByLabel('Reason').fill(reason);
  await page.getByLabel('last four').fill(run.slice(-4));
  await page.keyboard.press('Enter');
}

describe.skipIf(NO_BROWSER)('a pause', () => {
  test('is one key, which never lets the run go on; that takes another key and a reason', async () => {
    const run = await on.sleep();
    const { page } = await signedIn(on, `runs?q=${run}`, ['operator']);
    await current(page, run);
    await page.keyboard.press('p');
    await expectSoon(() => controlOf(run), 'paused');
    await page.getByRole('group', { name: `Stop the run ${run}` }).waitFor();
    await page.locator('[aria-selected=true]').getByText('paused').waitFor();
    for (let time = 0; time < 3; time++) await page.keyboard.press('p');
    await page.keyboard.press('Shift+R');
    const dialog = page.getByRole('dialog', { name: 'Resume this run?' });
    // Why it stands still, as `corral why` has it.
    await expectShown(dialog, /by one key or touch in the console/);
    expect(await dialog.getByRole('button', { name: 'Resume it' }).isDisabled()).toBe(true);
    expect(await controlOf(run)).toBe('paused');
    await page.getByLabel('Reason').fill('it may sleep on');
    await page.keyboard.press('Enter');
    await expectSoon(() => controlOf(run), 'none');
    await expectSoon(() => actsOn(run), ['resume', 'pause']);
  });

  test('can be taken back where it was made, and Back closes a question before it leaves the view', async () => {
    const run = await on.sleep();
    const { page } = await signedIn(on, 'runs', ['operator']);
    await page.goto(`${page.url()}?q=${run}`);
    await current(page, run);
    await page.keyboard.press('Shift+K');
    const dialog = page.getByRole('dialog', { name: 'Kill this run?' });
    await dialog.getByText('The reason is missing.').waitFor();
    await page.getByLabel('Reason').fill('enough');
    await page.getByLabel('last four').fill('zzzz');
    await dialog.getByText('The four characters differ.').waitFor();
    await page.goBack();
    await dialog.waitFor({ state: 'detached' });
    expect(page.url()).toContain(run);
    await page.keyboard.press('p');
    await page.getByRole('button', { name: 'Undo' }).click();
    await expectSoon(() => actsOn(run), ['resume', 'pause']);
    expect(await controlOf(run)).toBe('none');
    await page.keyboard.press('/');
    await page.keyboard.type('skill:pay');
    await expectShown(page, /^skill: is not a filter here/);
  });

  test('by somebody else, which this page has not heard of yet, is not taken back by the key', { tags: 'long' }, async () => {
    const run = await on.sleep();
    const { page } = await signedIn(on, `run/${run}`, ['operator']);
    await expectShown(page, 'What it was asked');
    // The page hears nothing any more.
    await page.route('**/v1/events*', (route) => route.abort());
    await page.route('**/v1/runs/*', (route) => route.abort());
    await on.admin.operate({ body: { operation: 'pause', target: { run: run as never }, reason: 'a detector' } });
    await page.keyboard.press('p');
    await page.locator('.stop .problem').or(page.locator('.run-head .dim')).first().waitFor();
    expect(await controlOf(run)).toBe('paused');
    expect((await actsOn(run)).includes('resume')).toBe(false);
  });

  test('by a key that is held is asked for once', async () => {
    const run = await on.sleep();
    const { page } = await signedIn(on, `runs?q=${run}`, ['operator']);
    await current(page, run);
    const asked: string[] = [];
    page.on('request', (request) => (request.method() === 'POST' ? asked.push(request.url()) : undefined));
    // Playwright marks all but the first as repeated, as a keyboard does.
    for (let time = 0; time < 20; time++) await page.keyboard.down('p');
    await page.keyboard.up('p');
    await page.locator('[aria-selected=true]').getByText('paused').waitFor();
    expect(asked.length).toBe(1);
  });
});

describe.skipIf(NO_BROWSER)('a kill', () => {
  test('shows what it would reach, asks for the end of the id and a reason, and shows the receipt', async () => {
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
    await answer(page, run, 'it only sleeps');
    const receipt = page.getByRole('dialog', { name: 'Killed' });
    await expectShown(receipt, 'Grants revoked');
    await expectShown(receipt, 'Nothing else was stopped.');
    expect(await on.ended(run)).toBe('killed');
    const act = (await on.admin.listOperations({})).items.find(({ operation }) => operation === 'kill');
    expect(act).toMatchObject({ reason: 'it only sleeps', matched: [run] });
    // The run has ended, and the page shows that behind the receipt.
    await page.locator('.run-head').getByText('killed').waitFor();
    expect(await receipt.count()).toBe(1);
    await page.keyboard.press('Enter');
    await expectSoon(() => receipt.count(), 0);
  });

  test('names the calls under way, by tool', { tags: 'long' }, async () => {
    const run = await on.phone();
    const { page } = await signedIn(on, `run/${run}`, ['operator']);
    await expectShown(page, 'What it was asked');
    await page.keyboard.press('Shift+K');
    const fact = page.locator('dialog .fact').filter({ hasText: 'Calls under way' }).locator('dd');
    await expectSoon(() => fact.textContent(), '2 to phone');
    await answer(page, run, 'nobody answers');
    const receipt = page.getByRole('dialog', { name: 'Killed' });
    await expectShown(receipt, 'Nothing else was stopped.');
    expect(await receipt.locator('.fact').filter({ hasText: 'Calls aborted' }).locator('dd').textContent()).toBe('2');
  });

  test('cannot be confirmed before its reach is shown, but where the host cannot say what that is', async () => {
    const run = await on.sleep();
    const { page } = await signedIn(on, `run/${run}`, ['operator']);
    await expectShown(page, 'What it was asked');
    let fail: () => void = () => undefined;
    await page.route('**/v1/operations', (route) => new Promise<void>((resolve) => (fail = () => resolve(route.abort()))));
    await page.keyboard.press('Shift+K');
    const dialog = page.getByRole('dialog', { name: 'Kill this run?' });
    await expectShown(dialog, 'Looking what it would reach');
    await page.getByLabel('Reason').fill('it only sleeps');
    await page.getByLabel('last four').fill(run.slice(-4));
    const kill = dialog.getByRole('button', { name: 'Kill it' });
    expect(await kill.isDisabled()).toBe(true);
    fail();
    await expectShown(dialog, 'The host does not answer.');
    await page.unroute('**/v1/operations');
    // A host that is too busy to look must not keep anybody from stopping a run.
    await kill.click();
    await expectShown(page.getByRole('dialog', { name: 'Killed' }), 'Grants revoked');
  });

  test('keeps its receipt when the run leaves the list', { tags: 'long' }, async () => {
    const run = await on.sleep();
    const { page } = await signedIn(on, `runs?q=${run}&state=live`, ['operator']);
    await current(page, run);
    await page.keyboard.press('Shift+K');
    await expectShown(page.getByRole('dialog'), 'Children under way');
    await answer(page, run, 'seen enough');
    const receipt = page.getByRole('dialog', { name: 'Killed' });
    await expectShown(receipt, 'Grants revoked');
    await expectShown(page, 'No run matches.');
    await expectShown(receipt, run);
    await receipt.getByRole('button', { name: 'Close', exact: true }).last().click();
    await expectSoon(() => receipt.count(), 0);
  });

  test('a gentle end is said to have been asked for, and not to have happened', { tags: 'long' }, async () => {
    const run = await on.sleep();
    const { page } = await signedIn(on, `run/${run}`, ['developer'], {}, 'local');
    await page.getByRole('button', { name: 'Cancel…' }).click();
    await expectShown(page.getByRole('dialog', { name: 'Cancel this run?' }), 'Children under way');
    await answer(page, run, 'not needed');
    await page.getByRole('dialog', { name: 'Told to stop' }).waitFor();
    expect(await on.ended(run)).toBe('cancelled');
  });
});
