/**
 * The whole terminal for one program: the alternate screen, single keys, and the terminal as it was before, however the program ends.
 */
import { emitKeypressEvents } from 'node:readline';
import { EXIT } from '../failure.ts';

export interface Key {
  /** Such as `up`, `return`, `escape`, or a letter. */
  readonly name: string;
  /** The character, if it is one that can be printed. */
  readonly text: string;
  readonly ctrl: boolean;
}

const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const CLEAR_LINE = '\u001b[K';
const CLEAR_REST = '\u001b[J';
const SIGNALS = { SIGINT: EXIT.interrupted, SIGTERM: EXIT.terminated, SIGHUP: EXIT.terminated } as const;

export class FullScreen {
  readonly #onKey: (key: Key) => void;
  readonly #onResize: () => void;
  #on = false;

  constructor(onKey: (key: Key) => void, onResize: () => void) {
    this.#onKey = onKey;
    this.#onResize = onResize;
  }

  readonly #pressed = (typed: string | undefined, { name = '', ctrl = false }: { name?: string; ctrl?: boolean }) => {
    if (ctrl && name === 'z') {
      this.#leave();
      process.once('SIGCONT', () => {
        this.#enter();
        this.#onResize();
      });
      process.kill(process.pid, 'SIGTSTP');
      return;
    }
    // Raw keys have no signal of their own.
    if (ctrl && name === 'c') process.exit(EXIT.interrupted);
    // oxlint-disable-next-line no-control-regex -- control characters are what is kept out
    const text = typed !== undefined && /^[^\u0000-\u001f\u007f]$/u.test(typed) ? typed : '';
    // Keys that were pressed before the terminal was taken come with the ends of a line, not of a key.
    this.#onKey({ name: name === 'enter' ? 'return' : name, ctrl, text });
  };

  /** Takes the terminal until `work` is over. */
  async during(work: Promise<void>): Promise<void> {
    const ends = (Object.keys(SIGNALS) as (keyof typeof SIGNALS)[]).map((signal) => [signal, () => process.exit(SIGNALS[signal])] as const);
    const leave = () => this.#leave();
    // Also what no code caught ends in this event.
    process.once('exit', leave);
    for (const [signal, end] of ends) process.once(signal, end);
    process.stdout.on('resize', this.#onResize);
    emitKeypressEvents(process.stdin);
    process.stdin.on('keypress', this.#pressed);
    this.#enter();
    try {
      await work;
    } finally {
      leave();
      process.off('exit', leave);
      for (const [signal, end] of ends) process.off(signal, end);
      process.stdout.off('resize', this.#onResize);
      process.stdin.off('keypress', this.#pressed);
      process.stdin.pause();
    }
  }

  get rows(): number {
    return process.stdout.rows || 24;
  }

  get columns(): number {
    return process.stdout.columns || 80;
  }

  /** Draws lines, none of which is wider than the screen; those for which there is no room are left out. */
  draw(lines: readonly string[]): void {
    if (!this.#on) return;
    const body = lines
      .slice(0, this.rows)
      .map((line) => `${line}${CLEAR_LINE}`)
      .join('\r\n');
    process.stdout.write(`${HOME}${body}${CLEAR_REST}`);
  }

  #enter(): void {
    if (this.#on) return;
    this.#on = true;
    process.stdin.setRawMode(true);
    process.stdin.resume();
    process.stdout.write(ENTER);
  }

  #leave(): void {
    if (!this.#on) return;
    this.#on = false;
    process.stdout.write(LEAVE);
    process.stdin.setRawMode(false);
  }
}
