import { describe, expect, test } from 'vitest';
import { beginning, pieces } from './text.ts';

const shown = (text: string) => pieces(text).map(({ text: each, hidden }) => (hidden === undefined ? each : `[${each}]`));

describe('hidden characters', () => {
  test('each that turns, joins or hides text is a piece of its own, with its code', () => {
    expect(shown('pay\u202Eevil\u202C!')).toEqual(['pay', '[U+202E]', 'evil', '[U+202C]', '!']);
    expect(shown('a\u200Bb\uFEFFc\u00ADd\u2066e')).toEqual(['a', '[U+200B]', 'b', '[U+FEFF]', 'c', '[U+00AD]', 'd', '[U+2066]', 'e']);
  });

  test('tags and variation selectors, which can carry a message that nobody sees, are shown', () => {
    expect(shown('ok\u{E0070}\u{E0061}')).toEqual(['ok', '[U+E0070]', '[U+E0061]']);
    expect(shown('x\uFE00\u{E0100}')).toEqual(['x', '[U+FE00]', '[U+E0100]']);
  });

  test('terminal escapes, half characters and private ones are shown', () => {
    expect(shown('\u001B[31m\uD800\uE000')).toEqual(['[U+001B]', '[31m', '[U+D800]', '[U+E000]']);
  });

  test('plain text of any script, with lines and tabs, is one piece', () => {
    for (const text of ['zwei\nZeilen\tund 日本語 مرحبا ไทย 🙂', '<img src=x onerror=alert(1)>']) expect(shown(text)).toEqual([text]);
  });

  test('what is put together again is what was there', () => {
    const text = 'a\u202E\u200D\u{1F600}\u{E0001}z';
    const back = pieces(text).map(({ text: each, hidden }) =>
      hidden === undefined ? each : String.fromCodePoint(Number.parseInt(each.slice(2), 16)),
    );
    expect(back.join('')).toBe(text);
  });
});

test('a text is folded between characters', () => {
  expect(beginning('ab\u{1F600}', 3)).toBe('ab');
  expect(beginning('ab\u{1F600}', 4)).toBe('ab\u{1F600}');
});
