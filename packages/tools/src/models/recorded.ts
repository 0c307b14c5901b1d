/**
 * A model whose answers were written down: a request that was recorded gets the recorded answer. With another model behind it, a new
 * request is asked there once and written down, so that the second run of a test costs nothing and needs no network.
 */
import { hash } from 'node:crypto';
import { canonical, type Json } from '@corral/protocol/json';
import { MACHINE } from '@corral/protocol/limits';
import { ModelFailure, type Model, type ModelCall } from './model.ts';
import { partsOf, withContent, withoutContent } from './parts.ts';
import { Recording, type Recorded, type RecordingBounds } from './recording.ts';
import type { AnswerPart, ModelAnswer, ModelRequest } from './request.ts';

const keyOf = (request: ModelRequest): string => hash('sha256', canonical(request));

const DEFAULTS: RecordingBounds = { bytes: MACHINE.recording_bytes.default, answers: MACHINE.recorded_answers.default };

/**
 * @param file JSON Lines, one `{ "request": digest, "answer": … }` a line; it need not be there
 * @param redact takes secrets out of what is written down
 */
export function recordedModel(
  file: string,
  of: Model | undefined,
  redact: (text: string) => string,
  bounds: RecordingBounds = DEFAULTS,
): Model {
  const maker = { provider: 'recorded', model: of?.maker.model ?? 'recording' };
  const recording = new Recording(file, redact, bounds);
  const under = new Map<string, Shared>();
  const ask = (key: string, request: ModelRequest, call: ModelCall, model: Model): Shared => {
    const { part } = call;
    const at = part === undefined ? key : `${key} streamed`;
    const known = under.get(at);
    if (known !== undefined && !known.left) return known;
    const shared = new Shared(async (signal, give) => {
      await recording.mustHaveRoom();
      if (part === undefined) return recording.keep(key, { answer: await model.ask(request, { ...call, signal }) });
      const parts: AnswerPart[] = [];
      const noted = async (one: Json) => {
        parts.push(one as AnswerPart);
        await give(one as AnswerPart);
      };
      const answer = await model.ask(request, { ...call, signal, part: noted });
      // The callers were given the parts as they came.
      await recording.keep(key, { answer, parts });
      return { answer, parts };
    });
    under.set(at, shared);
    void shared.ended.then(() => under.get(at) === shared && under.delete(at));
    return shared;
  };
  const marked = (answer: ModelAnswer): ModelAnswer => ({
    ...answer,
    maker: { ...maker, of: `${answer.maker.provider}/${answer.maker.model}` },
  });
  return {
    maker,
    async ask(request, call) {
      const key = keyOf(request);
      const found = (await recording.answers()).get(key);
      if (found !== undefined) return marked(await repeated(found, call));
      if (of === undefined)
        throw new ModelFailure(
          'refused',
          'The recording has no answer to this request; `of` names a model that is asked and written down.',
          {
            cause: new Error(`The recording is ${file}.`),
          },
        );
      return marked((await ask(key, request, call, of).answer(call)).answer);
    },
  };
}

/** An answer that was recorded, whichever way it is asked for now. */
async function repeated({ answer, parts }: Recorded, { part, signal }: ModelCall): Promise<ModelAnswer> {
  if (part === undefined) return parts === undefined ? answer : withContent(answer, parts);
  for (const one of parts ?? partsOf(answer)) {
    if (signal.aborted) throw new ModelFailure('lost', GIVEN_UP);
    await part(one as Json);
  }
  return withoutContent(answer);
}

const GIVEN_UP = 'The request was given up before its answer had come.';

/**
 * One request for all calls that ask the same at the same time. It is given up when the last of them is. Each call reads the parts of a
 * stream from the first one on, and the next is asked for when one of the calls has had all that came.
 */
class Shared {
  readonly #stop = new AbortController();
  readonly #answer: Promise<Recorded>;
  readonly #parts: AnswerPart[] = [];
  /** Resolved when there is another part, or the end. */
  #more = Promise.withResolvers<undefined>();
  /** Resolved when a call has had all parts. */
  #room = Promise.withResolvers<undefined>();
  #over = false;
  #waiting = 0;

  constructor(ask: (signal: AbortSignal, give: (part: AnswerPart) => Promise<void>) => Promise<Recorded>) {
    const { signal } = this.#stop;
    signal.addEventListener('abort', () => this.#room.resolve(undefined));
    this.#answer = ask(signal, (part) => this.#add(part));
    void this.ended.then(() => this.#end());
  }

  /** Whether nobody waits for it any more, so that nobody else may join. */
  get left(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Never rejects. */
  get ended(): Promise<void> {
    return this.#answer.then(
      () => undefined,
      () => undefined,
    );
  }

  async answer({ signal, part }: Pick<ModelCall, 'signal' | 'part'>): Promise<Recorded> {
    const { promise, resolve, reject } = Promise.withResolvers<Recorded>();
    const given = () => reject(new ModelFailure('lost', GIVEN_UP));
    signal.addEventListener('abort', given);
    if (signal.aborted) given();
    this.#waiting += 1;
    if (part === undefined) this.#answer.then(resolve, reject);
    else
      this.#read(part, signal)
        .then(() => this.#answer)
        .then(resolve, reject);
    try {
      return await promise;
    } finally {
      signal.removeEventListener('abort', given);
      this.#waiting -= 1;
      if (this.#waiting === 0) this.#stop.abort();
    }
  }

  #end(): void {
    this.#over = true;
    this.#more.resolve(undefined);
  }

  async #add(part: AnswerPart): Promise<void> {
    this.#parts.push(part);
    this.#room = Promise.withResolvers();
    this.#more.resolve(undefined);
    this.#more = Promise.withResolvers();
    if (!this.left) await this.#room.promise;
    if (this.left) throw new ModelFailure('lost', GIVEN_UP);
  }

  async #read(give: (part: Json) => Promise<void>, signal: AbortSignal): Promise<void> {
    for (let i = 0; !signal.aborted;) {
      const part = this.#parts[i];
      if (part !== undefined) {
        i += 1;
        await give(part as Json);
        continue;
      }
      if (this.#over) return;
      this.#room.resolve(undefined);
      await this.#more.promise;
    }
  }
}
