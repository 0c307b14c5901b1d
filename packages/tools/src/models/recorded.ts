/**
 * A model whose answers were written down: a request that was recorded gets the recorded answer. With another model behind it, a new
 * request is asked there once and written down, so that the second run of a test costs nothing and needs no network.
 */
import { hash } from 'node:crypto';
import { canonical } from '@corral/protocol/json';
import { MACHINE } from '@corral/protocol/limits';
import { ModelFailure, type Model } from './model.ts';
import { Recording, type RecordingBounds } from './recording.ts';
import type { ModelAnswer, ModelRequest } from './request.ts';

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
  const marked = (answer: ModelAnswer): ModelAnswer => ({
    ...answer,
    maker: { ...maker, of: `${answer.maker.provider}/${answer.maker.model}` },
  });
  return {
    maker,
    async ask(request, call) {
      const key = keyOf(request);
      const found = (await recording.answers()).get(key);
      if (found !== undefined) return marked(found);
      if (of === undefined)
        throw new ModelFailure(
          'refused',
          'The recording has no answer to this request; `of` names a model that is asked and written down.',
          {
            cause: new Error(`The recording is ${file}.`),
          },
        );
      let shared = under.get(key);
      if (shared === undefined || shared.left) {
        shared = new Shared(async (signal) => {
          await recording.mustHaveRoom();
          return recording.keep(key, await of.ask(request, { ...call, signal }));
        });
        under.set(key, shared);
        const mine = shared;
        void shared.ended.then(() => under.get(key) === mine && under.delete(key));
      }
      return marked(await shared.answer(call.signal));
    },
  };
}

/** One request for all calls that ask the same at the same time. It is given up when the last of them is. */
class Shared {
  readonly #stop = new AbortController();
  readonly #answer: Promise<ModelAnswer>;
  #waiting = 0;

  constructor(ask: (signal: AbortSignal) => Promise<ModelAnswer>) {
    this.#answer = ask(this.#stop.signal);
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

  async answer(signal: AbortSignal): Promise<ModelAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<ModelAnswer>();
    const given = () => reject(new ModelFailure('lost', 'The request was given up before its answer had come.'));
    signal.addEventListener('abort', given);
    if (signal.aborted) given();
    this.#waiting += 1;
    this.#answer.then(resolve, reject);
    try {
      return await promise;
    } finally {
      signal.removeEventListener('abort', given);
      this.#waiting -= 1;
      if (this.#waiting === 0) this.#stop.abort();
    }
  }
}
