import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeFrame, FRAME_HEADER_BYTES, FrameKind, FrameReader, type Frame } from './frame.ts';

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const frame: fc.Arbitrary<Frame> = fc.record({
  kind: fc.constantFrom(FrameKind.cranked, FrameKind.fault, FrameKind.crank),
  incarnation: u32,
  assignment: u32,
  crank: u32,
  cpu_us: u32,
  heap_kib: u32,
  payload: fc.string({ unit: 'grapheme', maxLength: 300 }),
});
const accept = { [FrameKind.cranked]: 4096, [FrameKind.fault]: 4096, [FrameKind.crank]: 4096 };

describe('frames', () => {
  test('arrive as they were sent, however the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 8 }), fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (frames, cuts) => {
        const stream = Buffer.concat(frames.map((one) => encodeFrame(one, one.payload)));
        const reader = new FrameReader({ accept });
        const seen: Frame[] = [];
        for (let at = 0, i = 0; at < stream.length; i++) {
          const size = cuts[i % cuts.length] ?? 1;
          // The buffer is overwritten after each push, which shows that nothing of it is kept.
          const piece = Buffer.from(stream.subarray(at, at + size));
          reader.push(piece, (one) => seen.push(one));
          piece.fill(0);
          at += size;
        }
        expect(seen).toEqual(frames);
      }),
    );
  });

  test('that are too long are refused by their header, before anything of the payload came', () => {
    const reader = new FrameReader({ accept });
    const header = encodeFrame({ kind: FrameKind.cranked, incarnation: 1, assignment: 1, crank: 1, cpu_us: 0, heap_kib: 0 }, 'x').subarray(
      0,
      FRAME_HEADER_BYTES,
    );
    header.writeUInt32LE(256 * 1024 * 1024, 0);
    expect(() => reader.push(header, () => undefined)).toThrow(/announces 268435456 bytes/);
  });

  test('of a kind this side does not take are refused', () => {
    const reader = new FrameReader({ accept: { [FrameKind.ready]: 10 } });
    const bytes = encodeFrame({ kind: FrameKind.crank, incarnation: 1, assignment: 1, crank: 1, cpu_us: 0, heap_kib: 0 }, '');
    expect(() => reader.push(bytes, () => undefined)).toThrow(expect.objectContaining({ code: 'CORRAL_FRAME_INVALID' }));
  });

  test('can be refused by what their header says', () => {
    const reader = new FrameReader({
      accept,
      check: ({ incarnation }) => {
        if (incarnation !== 7) throw new Error('not mine');
      },
    });
    const from = (incarnation: number) =>
      encodeFrame({ kind: FrameKind.cranked, incarnation, assignment: 1, crank: 1, cpu_us: 0, heap_kib: 0 }, '[]');
    const seen: Frame[] = [];
    reader.push(from(7), (one) => seen.push(one));
    expect(seen).toHaveLength(1);
    expect(() => reader.push(from(8), (one) => seen.push(one))).toThrow('not mine');
    expect(seen).toHaveLength(1);
  });
});
