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
  /** The text whose last line is not ended yet. */
  #open: string | undefined;

  constructor(write: (text: string) => void) {
    this.#write = write;
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

  /** @param head begins a line: the time, and whose it is */
  parts(head: string, call: number, parts: readonly unknown[]): void {
    for (const part of parts) this.#part(head, call, part as Part | null);
  }

  #part(head: string, call: number, part: Part | null): void {
    const { type, id, delta, toolName, input } = part ?? {};
    if (SILENT.has(type)) return;
    const isText = type === 'text-delta' || type === 'reasoning-delta';
    if (!isText || typeof delta !== 'string') {
      const said = type === 'tool-call' ? `asks for ${String(toolName)} ${String(input)}` : JSON.stringify(part);
      this.line(`${head}← ${call}  ${printable(said)}`);
      return;
    }
    const key = `${call} ${type} ${String(id)}`;
    if (this.#open !== key) {
      this.pause();
      this.#write(`${head}← ${call}  ${type === 'reasoning-delta' ? '(thinks) ' : ''}`);
      this.#open = key;
    }
    this.#write(delta.split('\n').map(printable).join('\n'));
  }
}
