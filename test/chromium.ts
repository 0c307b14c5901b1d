/** Debian's Chromium, by its name on the PATH. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium, type Browser } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];
const path = (process.env['PATH'] ?? '')
  .split(delimiter)
  .flatMap((folder) => NAMES.map((name) => join(folder, name)))
  .find((file) => existsSync(file));

/** Whether it is missing; `apt-get install chromium` brings it. */
export const NO_BROWSER = path === undefined;

/** Starts it. @throws Error if there is none */
export function launched(): Promise<Browser> {
  if (path === undefined) throw new Error('chromium is not installed (apt-get install chromium).');
  return chromium.launch({ executablePath: path, args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'] });
}
