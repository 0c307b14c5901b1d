import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { CEILINGS } from '@corral/protocol/limits';
import { readingTools } from './fs.ts';
import { endOfCharacters, withinJson } from './text.ts';

async function holding(files: Readonly<Record<string, string | Uint8Array>>) {
  const folder = await mkdtemp(join(tmpdir(), 'corral-fs-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  for (const [name, data] of Object.entries(files)) await writeFile(join(folder, name), data);
  const tools = new Map((await readingTools(folder)).map((tool) => [String(tool.name), tool]));
  return async (tool: string, input: object) => {
    const found = tools.get(tool);
    if (found === undefined) throw new Error(tool);
    const checked = found.input.check(input);
    if (!checked.ok) throw new Error(tool);
    const outcome = await found.invoke({ input: checked.value, signal: new AbortController().signal } as never);
    if (outcome.kind !== 'ok') throw new Error(JSON.stringify(outcome));
    return outcome.value as { text: string; bytes: number; truncated: boolean; entries: unknown[] };
  };
}

test.each([
  ['three bytes', '\u5b57'.repeat(60_000)],
  ['four bytes, after one', `a${'\u{1F981}'.repeat(40_000)}`],
  ['two bytes, after one', `a${'\u00fc'.repeat(90_000)}`],
])('a long text is cut between characters of %s', async (_, text) => {
  const use = await holding({ file: text });
  const read = await use('fs.read', { path: 'file' });
  expect([read.truncated, read.bytes, text.startsWith(read.text)]).toEqual([true, Buffer.byteLength(text), true]);
  expect(Buffer.byteLength(read.text)).toBeGreaterThan(128 * 1024 - 4);
});

test.each([
  ['quotes, backslashes and line ends', '"\\\n'.repeat(43_690)],
  ['control characters', '\u0001'.repeat(131_072)],
  ['bytes that are not UTF-8', new Uint8Array(131_072).fill(0xff)],
])('a file of %s fits into a result, as far as it is read', async (_, data) => {
  const use = await holding({ file: data });
  const read = await use('fs.read', { path: 'file' });
  expect(Buffer.byteLength(JSON.stringify(read))).toBeLessThanOrEqual(CEILINGS.message_bytes.default);
  expect([read.truncated, read.text.length > 20_000]).toEqual([true, true]);
});

test('a text that fits is whole, to the last byte', async () => {
  const use = await holding({ exact: 'x'.repeat(131_072), empty: '', short: 'short \u5b57', half: new Uint8Array([0x61, 0xe5, 0xad]) });
  expect(await use('fs.read', { path: 'exact' })).toMatchObject({ bytes: 131_072, truncated: false });
  expect(await use('fs.read', { path: 'empty' })).toEqual({ text: '', bytes: 0, truncated: false });
  expect(await use('fs.read', { path: 'short' })).toEqual({ text: 'short \u5b57', bytes: 9, truncated: false });
  // The file itself ends within a character; the tool shows that as U+FFFD.
  expect(await use('fs.read', { path: 'half' })).toEqual({ text: 'a\ufffd', bytes: 3, truncated: false });
});

test('a folder of long names is listed as far as a result holds', async () => {
  const names = Object.fromEntries(Array.from({ length: 1500 }, (_, i) => [`${'\u0001'.repeat(40)}${i}`, '']));
  const use = await holding(names);
  const listed = await use('fs.list', {});
  expect(Buffer.byteLength(JSON.stringify(listed))).toBeLessThanOrEqual(CEILINGS.message_bytes.default);
  expect([listed.truncated, listed.entries.length > 500]).toEqual([true, true]);
});

test('every cut of every text is at a character', () => {
  const text = 'a\u00fc\u5b57\u{1F981}"\\\n\u0001b';
  const bytes = Buffer.from(text);
  for (let end = 0; end <= bytes.length; end++) {
    const cut = bytes.subarray(0, end);
    expect(text.startsWith(cut.subarray(0, endOfCharacters(cut)).toString())).toBe(true);
  }
  for (let most = 2; most <= 60; most++) {
    const cut = withinJson(text, most);
    expect([text.startsWith(cut), cut.isWellFormed(), Buffer.byteLength(JSON.stringify(cut)) <= most]).toEqual([true, true, true]);
  }
});
