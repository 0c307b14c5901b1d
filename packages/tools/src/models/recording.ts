/**
 * A file of recorded answers. It is read once; each new answer is a line at its end. An answer that came as a stream has its parts beside
 * it, and no content of its own.
 */
import { constants } from 'node:fs';
import { open, readFile, stat, type FileHandle } from 'node:fs/promises';
import { ModelFailure } from './model.ts';
import { AnswerPart, ModelAnswer } from './request.ts';

export interface RecordingBounds {
  readonly bytes: number;
  readonly answers: number;
}

export interface Recorded {
  readonly answer: ModelAnswer;
  /** Those of a stream. */
  readonly parts?: readonly AnswerPart[];
}

type Answers = Map<string, Recorded>;
const Parts = AnswerPart.array();
const NEWLINE = 10;
const { O_RDWR, O_APPEND, O_CREAT } = constants;

/** Writers of one file in this process take turns: two models may have the same file, and so do a configuration and the one before. */
const turns = new Map<string, Promise<unknown>>();

async function inTurn<T>(file: string, act: () => Promise<T>): Promise<T> {
  const before = turns.get(file) ?? Promise.resolve();
  const mine = before.then(act, act);
  turns.set(file, mine);
  try {
    return await mine;
  } finally {
    if (turns.get(file) === mine) turns.delete(file);
  }
}

export class Recording {
  readonly #file: string;
  readonly #redact: (text: string) => string;
  readonly #bounds: RecordingBounds;
  #known: Promise<Answers> | undefined;
  /** An answer had no room. */
  #full = false;

  constructor(file: string, redact: (text: string) => string, bounds: RecordingBounds) {
    this.#file = file;
    this.#redact = redact;
    this.#bounds = bounds;
  }

  /** @throws ModelFailure for a file that cannot be read, which is read again for the next request */
  answers(): Promise<Answers> {
    const reading = (this.#known ??= inTurn(this.#file, () => this.#read()));
    reading.catch(() => {
      if (this.#known === reading) this.#known = undefined;
    });
    return reading;
  }

  /** Before a model is asked and paid: whether its answer could be written down. @throws ModelFailure */
  async mustHaveRoom(): Promise<void> {
    const { bytes, answers } = this.#bounds;
    if (this.#full || (await this.answers()).size >= answers)
      throw refused(`The recording is full: it may have ${answers} answers in ${bytes} bytes.`, this.#file);
    await this.#appending(() => Promise.resolve()).catch((error: unknown) => {
      throw refused('The recording cannot be written.', this.#file, error);
    });
  }

  /**
   * Writes an answer down. An answer without room is given nevertheless, since it was paid for; the next request finds that out before
   * it asks.
   * @returns it as it was written, without secrets
   */
  async keep(request: string, { answer, parts }: Recorded): Promise<Recorded> {
    const { bytes, answers } = this.#bounds;
    const line = `${this.#redact(JSON.stringify({ request, answer, ...(parts === undefined ? {} : { parts: withoutSecrets(parts, this.#redact) }) }))}\n`;
    const { request: _request, ...kept } = JSON.parse(line) as Recorded & { readonly request: string };
    const known = await this.answers();
    await this.#appending(async (handle) => {
      const { size } = await handle.stat();
      this.#full ||= known.size >= answers || size + Buffer.byteLength(line) > bytes;
      if (this.#full) return;
      await handle.appendFile(line);
      known.set(request, kept);
    }).catch(() => undefined);
    return kept;
  }

  #appending<T>(act: (handle: FileHandle) => Promise<T>): Promise<T> {
    return inTurn(this.#file, async () => {
      // It has what people asked a model, so that other users of the machine may not read it.
      const handle = await open(this.#file, O_RDWR | O_APPEND | O_CREAT, 0o600);
      try {
        await withoutCutOff(handle);
        return await act(handle);
      } finally {
        await handle.close();
      }
    });
  }

  async #read(): Promise<Answers> {
    const { bytes, answers } = this.#bounds;
    let text: string;
    try {
      const { size } = await stat(this.#file);
      if (size > bytes) throw refused(`The recording is larger than ${bytes} bytes.`, this.#file);
      text = await readFile(this.#file, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
      throw error instanceof ModelFailure ? error : refused('The recording cannot be read.', this.#file, error);
    }
    const found: Answers = new Map();
    // A line without its end was cut off while it was written.
    for (const [i, line] of text.split('\n').slice(0, -1).entries()) {
      if (found.size >= answers) throw refused(`The recording has more than ${answers} answers.`, this.#file);
      try {
        const { request, answer, parts } = JSON.parse(line) as {
          readonly request: string;
          readonly answer: unknown;
          readonly parts?: unknown;
        };
        found.set(request, { answer: ModelAnswer.parse(answer), ...(parts === undefined ? {} : { parts: Parts.parse(parts) }) });
      } catch (error) {
        throw refused(`Line ${i + 1} of the recording cannot be read as a recorded answer.`, this.#file, error);
      }
    }
    return found;
  }
}

/** The path is for operators alone: agents read the message of a failure, and operators its cause. */
function refused(message: string, file: string, why?: unknown): ModelFailure {
  return new ModelFailure('refused', message, { cause: new Error(`The recording is ${file}.`, { cause: why }) });
}

/** Takes away a last line that was cut off while it was written; the next one would become a part of it. */
async function withoutCutOff(handle: FileHandle): Promise<void> {
  const { size } = await handle.stat();
  const last = Buffer.alloc(1);
  if (size === 0 || ((await handle.read(last, 0, 1, size - 1)).bytesRead === 1 && last[0] === NEWLINE)) return;
  const whole = Buffer.alloc(size);
  await handle.read(whole, 0, size, 0);
  await handle.truncate(whole.lastIndexOf(NEWLINE) + 1);
}

/**
 * The parts of a stream without secrets. A secret may be cut up between pieces of a text, so each text is looked at as a whole; one with a
 * secret is written down as one piece.
 */
function withoutSecrets(parts: readonly AnswerPart[], redact: (text: string) => string): AnswerPart[] {
  const instead = new Map<AnswerPart, readonly AnswerPart[]>();
  for (const pieces of Map.groupBy(parts.filter(isPiece), ({ type, id }) => `${type} ${id}`).values()) {
    const text = pieces.map(({ delta }) => delta).join('');
    const clean = redact(text);
    if (clean !== text) for (const [i, piece] of pieces.entries()) instead.set(piece, i === 0 ? [{ ...piece, delta: clean }] : []);
  }
  return parts.flatMap((part) => instead.get(part) ?? [part]);
}

interface Piece extends AnswerPart {
  readonly id: string;
  readonly delta: string;
}
const isPiece = (part: AnswerPart): part is Piece => typeof part['delta'] === 'string' && typeof part['id'] === 'string';
