/**
 * A real browser on a real host. A page fails its test where the browser refuses something by the page's policy, where a script throws, or where
 * one asks anything of another host.
 */
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished } from 'vitest';
import type { Role } from '@corral/protocol/api/roles';
import { launched, NO_BROWSER } from '../chromium.ts';
import type { Front } from '../front.ts';
import { until } from '../until.ts';

export { NO_BROWSER };
if (NO_BROWSER) console.warn('chromium is not installed: the tests of the console are skipped (apt-get install chromium).');

/** How long a page may take for one thing, as `until` waits. Browsers and hosts share the machine with other tests. */
const PATIENCE_MS = 90_000;

let browser: Browser | undefined;

/** One browser for all tests of a file; each has a profile of its own. Called at the top of the file. */
export function sharedBrowser(): void {
  beforeAll(async () => {
    if (!NO_BROWSER) browser = await launched();
  });
  afterAll(async () => browser?.close());
}

export interface Visit {
  readonly page: Page;
  /** Opens a view: `runs?q=x`. */
  readonly open: (view: string) => Promise<void>;
}

/** A browser in which nobody is signed in, at a view of the console. @param elsewhere origin to which it may navigate as well */
export async function visit(
  { url }: Pick<Front, 'url'>,
  view = '',
  { elsewhere, ...options }: BrowserContextOptions & { readonly elsewhere?: string } = {},
): Promise<Visit> {
  const context = await (browser as Browser).newContext({ viewport: { width: 1280, height: 800 }, ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => {
    // The browser notes each refusal by itself; views show those.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) faults.push(message.text());
  });
  page.on('request', (request) => {
    const isThere = elsewhere !== undefined && request.isNavigationRequest() && request.url().startsWith(`${elsewhere}/`);
    if (!isThere && !request.url().startsWith(`${url}/`)) faults.push(`asked ${request.url()}`);
  });
  page.on('dialog', (dialog) => {
    faults.push(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  onTestFinished(async () => {
    await shot(page);
    await context.close();
    expect(faults).toEqual([]);
  });
  const open = async (to: string) => {
    // A dialog that was closed goes back in the history a moment later, which would abort the navigation.
    await page.waitForFunction(() => document.querySelector('dialog') !== null || history.state?.dialog !== true);
    await page.goto(`${url}/console/${to}`);
  };
  await open(view);
  return { page, open };
}

/** The same, signed in with a new token of the whole host, or of a tenant. */
export async function signedIn(
  on: Front,
  view: string,
  roles: readonly Role[] = ['admin'],
  options: BrowserContextOptions = {},
  tenant = '*',
): Promise<Visit> {
  const { secret } = await on.as(tenant, ...roles);
  const visited = await visit(on, view, options);
  await signIn(visited.page, secret);
  return visited;
}

export async function signIn(page: Page, secret: string): Promise<void> {
  await page.getByLabel('Token').fill(secret);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.locator('.liveness').waitFor();
}

/** Waits until what is looked at is as wanted. */
export async function expectSoon<T>(look: () => T | Promise<T>, wanted: T): Promise<void> {
  let seen: unknown;
  await until(async () => isDeepStrictEqual((seen = await look()), wanted), `it becomes ${JSON.stringify(wanted)}`).catch(
    (error: unknown) => {
      throw new Error(`${String(error)}; the last was ${JSON.stringify(seen)}`, { cause: error });
    },
  );
}

/** Waits until a text can be seen. */
export async function expectShown(within: Page | Locator, text: string | RegExp): Promise<void> {
  await within.getByText(text).first().waitFor();
}

/** Keeps a picture of the page where `$CORRAL_SHOTS` names a folder. */
export async function shot(page: Page, name = expect.getState().currentTestName ?? 'page'): Promise<void> {
  const folder = process.env['CORRAL_SHOTS'];
  if (folder === undefined || page.isClosed()) return;
  await page.screenshot({ path: join(folder, `${name.replaceAll(/[^\w]+/g, '-').slice(0, 100)}.png`) }).catch(() => undefined);
}

/** Keeps a picture for the documents, below the folder that `$CORRAL_PICTURES` names: `docs`. @param name its path there, without `.png` */
export async function picture(page: Page, name: string): Promise<void> {
  const folder = process.env['CORRAL_PICTURES'];
  if (folder === undefined) return;
  await mkdir(dirname(join(folder, name)), { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`) });
}
