/**
 * The memory that plain data takes in the heap of V8, so that what a host keeps for runs can be bounded by what it costs. Length as JSON says
 * little of it: `{},` takes 64 bytes. The figures are those of V8 on 64-bit machines without compressed pointers, as Node is built;
 * `heap-size.test.ts` holds them to what values of each kind take in the heap, within a fifth.
 */

/** Header of a string; of an array and its elements; of an object. Bytes. */
const STRING = 16;
const ARRAY = 32;
const ELEMENTS = 16;
const OBJECT = 24;
const SLOT = 8;
/** An object without members has room for four. */
const EMPTY_OBJECT = OBJECT + 4 * SLOT;
/** A number with a fraction, or beyond 31 bits, outside of an array of such numbers. */
const NUMBER = 16;
/** A name that no object before had, besides its text: a new shape; or a row, in an object with very many members. */
const NEW_NAME = 112;
const NEW_ROW = 24;
const MANY_NAMES = 1_020;
const SMALL = 2 ** 31;

/** A text with such a character takes two bytes for each. */
const WIDE = /[\u0100-\u{10ffff}]/u;

const textSize = (text: string) =>
  // Texts of one character exist once.
  text.length <= 1 ? 0 : STRING + ((text.length * (WIDE.test(text) ? 2 : 1) + SLOT - 1) & ~(SLOT - 1));

/** @returns bytes, approximately; counting stops once they exceed `most` */
export function heapSizeOf(value: unknown, most = Number.POSITIVE_INFINITY): number {
  if (typeof value === 'string') return textSize(value);
  let bytes = 0;
  const names = new Set<string>();
  const left: unknown[] = [value];
  while (left.length > 0 && bytes <= most) {
    const one = left.pop();
    if (typeof one === 'string') bytes += textSize(one);
    else if (typeof one === 'number') bytes += Number.isInteger(one) && Math.abs(one) < SMALL ? 0 : NUMBER;
    else if (Array.isArray(one)) bytes += arraySize(one, left, most - bytes);
    else if (typeof one === 'object' && one !== null) bytes += objectSize(one as Record<string, unknown>, left, names);
  }
  return bytes;
}

function arraySize(list: readonly unknown[], left: unknown[], most: number): number {
  const bytes = list.length === 0 ? ARRAY : ARRAY + ELEMENTS + list.length * SLOT;
  // A list that is too long already is not looked into.
  if (bytes > most || list.every((item) => typeof item === 'number')) return bytes;
  for (const item of list) left.push(item);
  return bytes;
}

function objectSize(object: Record<string, unknown>, left: unknown[], names: Set<string>): number {
  const known = names.size;
  let count = 0;
  let text = 0;
  for (const name in object) {
    count += 1;
    if (!names.has(name)) {
      names.add(name);
      text += textSize(name);
    }
    left.push(object[name]);
  }
  const added = text + (names.size - known) * (count > MANY_NAMES ? NEW_ROW : NEW_NAME);
  return added + (count === 0 ? EMPTY_OBJECT : OBJECT + count * SLOT);
}
