/** Rows of doubles in a file that another process appends to; each is read once. */
import { closeSync, openSync, readSync } from 'node:fs';

const CHUNK = 1 << 16;
const BYTES = 8;

export class Rows {
  readonly #path: string;
  readonly #columns: number;
  readonly #rows: number[][] = [];
  #file: number | undefined;
  #at = 0;

  constructor(path: string, columns: number) {
    this.#path = path;
    this.#columns = columns;
  }

  /** All rows so far; none before the file is there. */
  read(): readonly (readonly number[])[] {
    try {
      this.#file ??= openSync(this.#path, 'r');
    } catch {
      return this.#rows;
    }
    const row = this.#columns * BYTES;
    const buffer = Buffer.allocUnsafe(CHUNK - (CHUNK % row));
    for (;;) {
      const length = readSync(this.#file, buffer, 0, buffer.length, this.#at);
      // The rest of a row that is not there yet is read the next time.
      const whole = length - (length % row);
      if (whole === 0) return this.#rows;
      for (let from = 0; from < whole; from += row)
        this.#rows.push(Array.from({ length: this.#columns }, (_, column) => buffer.readDoubleLE(from + column * BYTES)));
      this.#at += whole;
    }
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}
