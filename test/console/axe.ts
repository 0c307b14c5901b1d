/** The findings of axe-core on a page, as sentences. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';

const AXE = readFileSync(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8');
/** WCAG 2.2 at level AA, and what axe's authors hold to be good practice. */
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
}

/** @param page of a context with `bypassCSP`, because its own policy keeps axe out */
export async function violations(page: Page): Promise<string[]> {
  if (!(await page.evaluate(() => Reflect.has(window, 'axe')))) await page.evaluate(AXE);
  const found = await page.evaluate(async (tags) => {
    const axe = Reflect.get(window, 'axe') as { run: (of: Document, options: object) => Promise<{ violations: Violation[] }> };
    return (await axe.run(document, { runOnly: tags })).violations;
  }, TAGS);
  return found.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 200)} ${failureSummary ?? ''}`));
}
