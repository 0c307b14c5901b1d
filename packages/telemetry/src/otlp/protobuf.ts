/**
 * Writes protocol buffers: the four kinds of fields that OTLP's messages have. A library for all of them would be fifty times this file, in a
 * host that writes two messages. A nested message is written after a gap for its length, which is then closed.
 *
 * Source: protobuf.dev/programming-guides/encoding
 */

/** Wire types. */
const [VARINT, FIXED64, LENGTH] = [0, 1, 2];
const FIRST_BYTES = 16 * 1024;
/** Bytes of the largest number. */
const LONGEST_VARINT = 10;

export class ProtobufWriter {
  #bytes = new Uint8Array(FIRST_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;
  readonly #encoder = new TextEncoder();

  /** A copy of the bytes that were written. */
  get done(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  get length(): number {
    return this.#length;
  }

  /** An `int32`, `int64`, `uint32`, `bool` or `enum`; not negative. */
  integer(field: number, value: number): void {
    this.#tag(field, VARINT);
    this.#varint(value);
  }

  /** A `double`. */
  double(field: number, value: number): void {
    this.#tag(field, FIXED64);
    this.#room(8);
    this.#view.setFloat64(this.#length, value, true);
    this.#length += 8;
  }

  /** A `fixed64`. */
  fixed(field: number, value: bigint): void {
    this.#tag(field, FIXED64);
    this.#room(8);
    this.#view.setBigUint64(this.#length, value, true);
    this.#length += 8;
  }

  bytes(field: number, value: Uint8Array): void {
    this.#tag(field, LENGTH);
    this.#varint(value.length);
    this.#room(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  text(field: number, value: string): void {
    this.#tag(field, LENGTH);
    this.#lengthened(() => {
      // A character of UTF-16 takes three bytes of UTF-8 at most.
      this.#room(value.length * 3);
      this.#length += this.#encoder.encodeInto(value, this.#bytes.subarray(this.#length)).written;
    });
  }

  /** `repeated double`, packed. */
  doubles(field: number, values: readonly number[]): void {
    this.#tag(field, LENGTH);
    this.#varint(values.length * 8);
    this.#room(values.length * 8);
    for (const value of values) {
      this.#view.setFloat64(this.#length, value, true);
      this.#length += 8;
    }
  }

  /** `repeated fixed64`, packed. */
  fixeds(field: number, values: readonly bigint[]): void {
    this.#tag(field, LENGTH);
    this.#varint(values.length * 8);
    this.#room(values.length * 8);
    for (const value of values) {
      this.#view.setBigUint64(this.#length, value, true);
      this.#length += 8;
    }
  }

  message(field: number, write: () => void): void {
    this.#tag(field, LENGTH);
    this.#lengthened(write);
  }

  /** Writes something after its length, which is known only then: most take one byte of it, and longer ones are moved. */
  #lengthened(write: () => void): void {
    const at = this.#length;
    this.#length += 1;
    this.#room(0);
    write();
    const length = this.#length - at - 1;
    const more = sizeOf(length) - 1;
    if (more > 0) {
      this.#room(more);
      this.#bytes.copyWithin(at + 1 + more, at + 1, this.#length);
      this.#length += more;
    }
    // Room for the length, before what stands behind it is beyond the end of what a larger buffer would copy.
    this.#room(LONGEST_VARINT);
    this.#length = at;
    this.#varint(length);
    this.#length += length;
  }

  #tag(field: number, type: number): void {
    this.#varint(field * 8 + type);
  }

  #varint(value: number): void {
    this.#room(LONGEST_VARINT);
    let rest = value;
    while (rest > 127) {
      this.#bytes[this.#length++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#length++] = rest;
  }

  #room(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + more));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}

/** Bytes of a number as a varint. */
function sizeOf(value: number): number {
  let size = 1;
  for (let rest = value; rest > 127; rest = Math.floor(rest / 128)) size += 1;
  return size;
}
