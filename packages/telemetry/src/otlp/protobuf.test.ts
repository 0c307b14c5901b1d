import { describe, expect, it } from 'vitest';
import { ProtobufWriter } from './protobuf.ts';

/** The texts of field 1 in a message that has no other. */
function textsIn(bytes: Uint8Array): string[] {
  const texts: string[] = [];
  let at = 0;
  while (at < bytes.length) {
    expect(bytes[at++]).toBe(10);
    let [length, scale] = [0, 1];
    for (;;) {
      const byte = bytes[at++] ?? 0;
      length += (byte & 127) * scale;
      scale *= 128;
      if (byte < 128) break;
    }
    texts.push(new TextDecoder().decode(bytes.subarray(at, at + length)));
    at += length;
  }
  return texts;
}

describe('protocol buffers', () => {
  // Bug protobuf-edge: the buffer grew for the length of a text after the text was written behind it, and the text became zeros.
  it.each([1, 2, 5, 9, 10, 11, 130])('keep a text of %i characters wherever in the buffer it ends', (chars) => {
    const text = 'x'.repeat(chars);
    for (let before = 16_384 - chars - 30; before <= 16_384 + 2; before++) {
      const out = new ProtobufWriter();
      out.bytes(1, new Uint8Array(before - 4).fill(121));
      out.text(1, text);
      out.text(1, 'end');
      expect(textsIn(out.done).slice(1)).toEqual([text, 'end']);
    }
  });

  it('keep messages within messages there as well', () => {
    for (let before = 16_384 - 60; before <= 16_384 + 2; before++) {
      const out = new ProtobufWriter();
      out.bytes(1, new Uint8Array(before - 4).fill(121));
      out.message(1, () => out.text(1, 'inner'));
      const [, inner = ''] = textsIn(out.done);
      expect(textsIn(new TextEncoder().encode(inner))).toEqual(['inner']);
    }
  });
});
