import { expect, test } from 'vitest';
import { Spoken } from './spoken.ts';

function said(tell: (spoken: Spoken) => void, fit?: (line: string) => string): string {
  let all = '';
  const spoken = new Spoken((text) => (all += text), fit);
  tell(spoken);
  spoken.pause();
  return all;
}
const piece = (delta: string, id = '0') => ({ type: 'text-delta', id, delta });

test('pieces of one text stand beside each other, and all else begins a line', () => {
  const text = said((spoken) => {
    spoken.parts('1  ', 'run_a', 1, [{ type: 'text-start', id: '0' }, piece('Hel')]);
    spoken.parts('2  ', 'run_a', 1, [piece('lo.\nAnd'), { type: 'tool-call', toolName: 'look', input: '{}' }, piece(' on')]);
    spoken.line('3  the end');
  });
  expect(text).toBe('1  ← 1  Hello.\nAnd\n2  ← 1  asks for look {}\n2  ← 1   on\n3  the end\n');
});

// Bug joined-texts: a parent and its child, each in the stream of its first call, were written into one line.
test('texts of two runs are apart, although their calls have the same number', () => {
  const text = said((spoken) => {
    spoken.parts('1  ', 'run_a', 1, [piece('one')]);
    spoken.parts('1  kid │ ', 'run_b', 1, [piece('two')]);
  });
  expect(text).toBe('1  ← 1  one\n1  kid │ ← 1  two\n');
});

test('a long part that is not a text is cut, and controls nothing', () => {
  const part = { type: 'file', data: '\u001b[2J'.repeat(100) };
  expect(
    said(
      (spoken) => spoken.parts('', 'run_a', 1, [part, piece('\u001b[2Jx')]),
      (line) => line.slice(0, 20),
    ),
  ).toBe('← 1  {"type":"file","data\n← 1   [2Jx\n');
});
