/** Text of runs and tools stays text on the page: nothing of it is markup, a script, a link, or hidden. */
import { describe, expect, test } from 'vitest';
import type { Page } from 'playwright-core';
import { shared } from '../shared.ts';
import { expectShown, expectSoon, NO_BROWSER, sharedBrowser, signedIn } from './browser.ts';
import { scene, type Scene } from './scene.ts';
import { until } from '../until.ts';

/** One of each kind: markup in text and attributes, addresses with scripts, templates, directions, and what is not shown. */
const CORPUS = [
  '<script>window.hit = 1</script>',
  '<img src=x onerror="window.hit = 1">',
  '<svg onload=window.hit=1><a xlink:href="javascript:window.hit=1">x</a></svg>',
  '"><iframe srcdoc="<script>parent.hit=1</script>">',
  "' onmouseover='window.hit=1' x='",
  'javascript:window.hit=1//https://evil.example/',
  'https://evil.example/?q=secret [click](https://evil.example) data:text/html,<script>hit=1</script>',
  '{{constructor.constructor("hit=1")()}} ${hit=1} <%= hit=1 %>',
  '<style>*{display:none}</style><base href="https://evil.example/"><meta http-equiv=refresh content="0;url=https://evil.example">',
  '</pre></main><form action="https://evil.example"><input name=token></form>',
  '\u202Egnp.exe\u202C and \u2066isolated\u2069',
  'zero\u200Bwidth\u200D\u2060\uFEFF',
  'tags \u{E0049}\u{E0047}\u{E004E} and \u001B[31mterminal\u0007',
  'Z\u0351\u036B\u0343'.repeat(50),
];
/** The name of an argument, which whoever wrote the mail has chosen. */
const NAME = '<img/src=x/onerror=hit=1>\u202Egnp\u200B';
const MAIL = `please pay to <b>me</b>\u202Eevil now, named ${NAME} . ${CORPUS.join('\n')}`;
const LONG = `please pay to nobody. ${'x'.repeat(200_000)}`;

/** Some of the characters in them that must not be in the page as they are. */
const HIDDEN = ['\u202E', '\u202C', '\u2066', '\u2069', '\u200B', '\u200D', '\u2060', '\uFEFF', '\u001B', '\u0007', '\u{E0049}'];

sharedBrowser();
let on: Scene;
shared(
  (finished) => scene(finished, { hostile: MAIL, long: LONG }),
  (made) => (on = made),
  !NO_BROWSER,
);

/** Nothing ran, nothing became an element, nothing is hidden. */
async function expectTextOnly(page: Page, part: string): Promise<void> {
  const seen = await page.evaluate(() => ({
    hit: Reflect.get(window, 'hit') as unknown,
    markup: [...document.querySelectorAll('main :is(script, img, svg, iframe, style, base, meta, form[action], object, embed)')].length,
    links: [...document.querySelectorAll('a')].filter((link) => link.origin !== location.origin || !/^https?:/.test(link.href)).length,
    within: [...document.querySelectorAll('.said *')].map(({ tagName }) => tagName).filter((name) => name !== 'SPAN' && name !== 'MARK'),
    styles: document.querySelectorAll('[onerror], [onload], [onmouseover], [srcdoc]').length,
    text: document.body.textContent ?? '',
  }));
  const { text, ...rest } = seen;
  expect({ part, ...rest, hidden: HIDDEN.some((point) => text.includes(point)) }).toEqual({
    part,
    hit: undefined,
    markup: 0,
    links: 0,
    within: [],
    styles: 0,
    hidden: false,
  });
}

describe.skipIf(NO_BROWSER)('hostile text', () => {
  test('as the result of a tool, in arguments, logs, journals, quotes and approvals it stays text', async () => {
    const [refused, asked] = [await on.buy(980, 'hostile'), await on.buy(50, 'hostile')];
    await on.ended(refused);
    await on.asked(asked);
    const { page, open } = await signedIn(on, `run/${refused}`);
    const { items: calls } = await on.admin.runCalls({ params: { run: refused as never } });
    for (const [view, text] of [
      [`run/${refused}`, 'What it was asked'],
      ...calls.map(({ call }) => [`run/${refused}/calls?call=${call}`, 'What it was given'] as const),
      ...[1, 2, 3].map((entry) => [`run/${refused}/journal?entry=${entry}`, 'hash'] as const),
      [`run/${refused}/why`, 'Decisions, the latest last'],
      [`run/${refused}/events`, 'ended'],
      [`run/${refused}/story`, 'It was refused something once'],
      [`run/${refused}/authority`, 'This is what it could reach.'],
      [`approvals?run=${asked}`, 'Exactly this would be done'],
      ['runs', 'shop/buyer'],
    ] as const) {
      await open(view);
      await expectShown(page, text);
      await expectTextOnly(page, view);
    }
    // The name of the argument is there with its value, what is hidden in it shown.
    await open(`approvals?run=${asked}`);
    const named = page.locator('.arguments dt').filter({ hasText: '<img/src=x/onerror=hit=1>' });
    expect(await named.textContent()).toBe('<img/src=x/onerror=hit=1>U+202EgnpU+200B');
    await expectShown(page.locator('.quotes code').filter({ hasText: '<img/src=x' }), 'U+202E');
    // It was there to be seen.
    await open(`run/${refused}/calls?call=${calls[0]?.call}`);
    await expectShown(page, '<script>window.hit = 1</script>');
    await until(async () => (await page.locator('.hidden-char').allTextContents()).includes('U+202E'));
  });

  test('a search for it is sent as it is, and shown as text', async () => {
    const { page } = await signedIn(on, `runs?q=${encodeURIComponent('<img src=x onerror=hit=1>')}`);
    await expectShown(page, 'No run matches.');
    await expectTextOnly(page, 'runs');
  });

  test('a large value is folded, and more of it is shown when asked', async () => {
    const run = await on.buy(5, 'long');
    await on.ended(run);
    const { items } = await on.admin.runCalls({ params: { run: run as never } });
    const { page } = await signedIn(on, `run/${run}/calls?call=${items[0]?.call}`);
    const value = page.locator('.card-body pre.value').nth(1);
    await expectSoon(async () => (await value.textContent())?.length, 64 * 1024);
    await page.getByRole('button', { name: 'Show more' }).click();
    await expectSoon(async () => (await value.textContent())?.length, 128 * 1024);
  });
});
