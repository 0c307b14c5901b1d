import { describe, expect, test } from 'vitest';
import { beginning, FOLD_CHARS, FOLD_HIDDEN, foldAt, pieces, withoutCommands } from './text.ts';

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

test('a hidden character that is repeated is one piece, which says how often', () => {
  expect(pieces('\u200B'.repeat(65_536))).toEqual([{ text: 'U+200B', hidden: 'zero-width space', times: 65_536 }]);
  expect(pieces('\u{E0041}\u{E0041}\u200Ba')).toMatchObject([{ text: 'U+E0041', times: 2 }, { text: 'U+200B' }, { text: 'a' }]);
});

test('a part of a text has few hidden characters, and all parts together are the text', () => {
  const text = 'a\u200B\u{1F600}'.repeat(3_000) + 'x'.repeat(FOLD_CHARS + 1);
  const parts: string[] = [];
  for (let at = 0; at < text.length; at = foldAt(text, at)) parts.push(text.slice(at, foldAt(text, at)));
  expect(parts.join('')).toBe(text);
  for (const part of parts) {
    expect(part.length).toBeLessThanOrEqual(FOLD_CHARS);
    expect(pieces(part).filter(({ hidden }) => hidden !== undefined).length).toBeLessThanOrEqual(FOLD_HIDDEN);
    // No half of a character stands at an edge, which would be shown as hidden.
    expect(pieces(part).some(({ text: each }) => each.startsWith('U+D'))).toBe(false);
  }
});

test('a text is folded between characters', () => {
  expect(beginning('ab\u{1F600}', 3)).toBe('ab');
  expect(beginning('ab\u{1F600}', 4)).toBe('ab\u{1F600}');
});

test('advice is shown without what it says for a command line', () => {
  expect(withoutCommands('Name a tenant of the configuration, with --tenant or `tenant` of the request.')).toBe('');
  expect(withoutCommands('Answer as the question asks; `corral questions` shows what it takes. It still waits.')).toBe(
    'Answer as the question asks. It still waits.',
  );
  expect(withoutCommands('Leave the run on its version; `corral upgrade-check` tries all runs.')).toBe('Leave the run on its version.');
  expect(withoutCommands('It waits for a well-known sender.')).toBe('It waits for a well-known sender.');
});
