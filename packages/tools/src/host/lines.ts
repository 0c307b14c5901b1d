/** Splits the output of a process into lines, with a maximum length and a maximum rate, so that a flood costs the host little. */
const LINE_CHARS = 4_096;
const LINES_PER_S = 100;

export class Lines {
  readonly #tell: (line: string) => void;
  readonly #decoder = new TextDecoder();
  #rest = '';
  #since = 0;
  #told = 0;
  #dropped = 0;

  constructor(tell: (line: string) => void) {
    this.#tell = tell;
  }

  push(chunk: Uint8Array): void {
    const lines = (this.#rest + this.#decoder.decode(chunk, { stream: true })).split('\n');
    // Bounds the memory for a line that never ends; its beginning identifies it.
    this.#rest = (lines.pop() ?? '').slice(0, LINE_CHARS);
    for (const line of lines) this.#one(line);
  }

  end(): void {
    if (this.#rest !== '') this.#one(this.#rest);
    this.#rest = '';
  }

  #one(line: string): void {
    const now = performance.now();
    if (now - this.#since >= 1_000) {
      const dropped = this.#dropped;
      this.#since = now;
      this.#told = 0;
      this.#dropped = 0;
      if (dropped > 0) this.#tell(`… ${dropped} more lines`);
    }
    this.#told += 1;
    if (this.#told > LINES_PER_S) this.#dropped += 1;
    else if (line !== '') this.#tell(line.length > LINE_CHARS ? `${line.slice(0, LINE_CHARS - 1)}…` : line);
  }
}
