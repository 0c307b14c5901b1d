/**
 * Text that a run or a tool wrote may be meant to deceive its reader: characters that turn the direction of what follows, join or hide parts of
 * it, or are not shown at all. They are split off here, so that the page can show them as what they are.
 */

/** Controls, formats, surrogates without their other half, private use, and all that a font shows nothing for; line ends and tabs stay. */
const HIDDEN = /(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

const NAMES: Readonly<Record<number, string>> = {
  0x00_00: 'null',
  0x00_0d: 'carriage return',
  0x00_1b: 'escape',
  0x00_ad: 'soft hyphen',
  0x20_0b: 'zero-width space',
  0x20_0c: 'zero-width non-joiner',
  0x20_0d: 'zero-width joiner',
  0x20_0e: 'left-to-right mark',
  0x20_0f: 'right-to-left mark',
  0x20_2a: 'left-to-right embedding',
  0x20_2b: 'right-to-left embedding',
  0x20_2c: 'end of embedding',
  0x20_2d: 'left-to-right override',
  0x20_2e: 'right-to-left override',
  0x20_60: 'word joiner',
  0x20_66: 'left-to-right isolate',
  0x20_67: 'right-to-left isolate',
  0x20_68: 'first strong isolate',
  0x20_69: 'end of isolate',
  0xfe_ff: 'zero-width no-break space',
};

export interface Piece {
  readonly text: string;
  /** Name of a hidden character; absent for plain text. */
  readonly hidden?: string;
  /** How often it stands there, one after the other; absent for once. */
  readonly times?: number;
}

/** Splits a text at its hidden characters; each of these becomes a piece such as `U+202E`, and one that is repeated a single piece. */
export function pieces(text: string): Piece[] {
  const found: Piece[] = [];
  let at = 0;
  for (const { char, index, times } of hiddenIn(text)) {
    if (index > at) found.push({ text: text.slice(at, index) });
    const point = char.codePointAt(0) ?? 0;
    const piece = {
      text: `U+${point.toString(16).toUpperCase().padStart(4, '0')}`,
      hidden: NAMES[point] ?? 'a character that is not shown',
    };
    found.push(times === 1 ? piece : { ...piece, times });
    at = index + times * char.length;
  }
  if (at < text.length) found.push({ text: text.slice(at) });
  return found;
}

/** Hidden characters in their order, each with how often it is repeated there. */
function* hiddenIn(text: string): Generator<{ readonly char: string; readonly index: number; readonly times: number }> {
  let run: { char: string; index: number; times: number } | undefined;
  for (const { 0: char, index } of text.matchAll(HIDDEN)) {
    if (run !== undefined && run.char === char && index === run.index + run.times * char.length) run.times += 1;
    else {
      if (run !== undefined) yield run;
      run = { char, index, times: 1 };
    }
  }
  if (run !== undefined) yield run;
}

/** Characters of a text that are shown at once. */
export const FOLD_CHARS = 64 * 1024;
/** Hidden characters that are shown at once: each is an element of the page, and plain text is none. */
export const FOLD_HIDDEN = 1_000;

/** The beginning of a text, never with half of a character at its end. */
export function beginning(text: string, chars: number): string {
  if (text.length <= chars) return text;
  const code = text.charCodeAt(chars - 1);
  return text.slice(0, code >= 0xd8_00 && code < 0xdc_00 ? chars - 1 : chars);
}

/** The next part of a text that is shown at once. @param from where it begins @returns where it ends */
export function foldAt(text: string, from: number): number {
  const part = beginning(text.slice(from, from + FOLD_CHARS + 1), FOLD_CHARS);
  let shown = 0;
  for (const { index } of hiddenIn(part)) if ((shown += 1) > FOLD_HIDDEN) return from + index;
  return from + part.length;
}

const COMMAND = /`corral |(?:^|[\s`(])--[a-z]/;

/** An advice of the host without its sentences about the command line: the page has other ways to do it. */
export function withoutCommands(text: string): string {
  const parts = text.split(/(?<=[.;])\s+/);
  const isCommand = (part: string | undefined): boolean => part !== undefined && COMMAND.test(part);
  return parts.flatMap((part, i) => (isCommand(part) ? [] : [isCommand(parts[i + 1]) ? part.replace(/;$/, '.') : part])).join(' ');
}
