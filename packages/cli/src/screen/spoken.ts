/** Streams as people read them: the pieces of a text beside each other, as they come; all else in lines. */
import { printable } from './table.ts';

/** A part of a stream, if it is one of a model's; those of other tools are any JSON. */
interface Part {
  readonly type?: unknown;
  readonly id?: unknown;
  readonly delta?: unknown;
  readonly toolName?: unknown;
  readonly input?: unknown;
}

/** Parts that only frame others, and those whose text comes again as a whole, such as the input of a call. */
const SILENT: ReadonlySet<unknown> = new Set([
  'stream-start',
  'response-metadata',
  'text-start',
  'text-end',
  'reasoning-start',
  'reasoning-end',
  'tool-input-start',
  'tool-input-delta',
  'tool-input-end',
  'custom',
]);

export class Spoken {
  readonly #write: (text: string) => void;
  readonly #fit: (line: string) => string;
  /** The text whose last line is not ended yet. */
  #open: string | undefined;

  /** @param fit shortens what a part says that is not a piece of a text */
  constructor(write: (text: string) => void, fit = (line: string) => line) {
    this.#write = write;
    this.#fit = fit;
  }

  /** Ends the text that is being said. */
  pause(): void {
    if (this.#open !== undefined) this.#write('\n');
    this.#open = undefined;
  }

  line(text: string): void {
    this.pause();
    this.#write(`${text}\n`);
  }

  /**
   * @param head begins a line: the time, and whose it is
   * @param run whose call it is: the calls of each run are numbered from 1
   */
  parts(head: string, run: string, call: number, parts: readonly unknown[]): void {
    for (const part of parts) this.#part(head, run, call, part as Part | null);
  }

  #part(head: string, run: string, call: number, part: Part | null): void {
    const { type, id, delta, toolName, input } = part ?? {};
    if (SILENT.has(type)) return;
    const isText = type === 'text-delta' || type === 'reasoning-delta';
    if (!isText || typeof delta !== 'string') {
      const said = type === 'tool-call' ? `asks for ${String(toolName)} ${String(input)}` : JSON.stringify(part);
      this.line(`${head}← ${call}  ${this.#fit(printable(said))}`);
      return;
    }
    const key = `${run} ${call} ${type} ${String(id)}`;
    if (this.#open !== key) {
      this.pause();
      this.#write(`${head}← ${call}  ${type === 'reasoning-delta' ? '(thinks) ' : ''}`);
      this.#open = key;
    }
    this.#write(delta.split('\n').map(printable).join('\n'));
  }
}
