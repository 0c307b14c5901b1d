import { appendFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Json } from '@corral/protocol/json';
import type { Model, ModelFailure } from './model.ts';
import { handedOver } from './parts.ts';
import { recordedModel } from './recorded.ts';
import type { RecordingBounds } from './recording.ts';
import { ModelRequest, type AnswerPart } from './request.ts';
import { answerWith } from './scripted.ts';

const SECRET = 'sk-a-secret-key';
const redact = (text: string) => text.replaceAll(SECRET, '[secret:key]');
const asking = (text: string) => ModelRequest.parse({ prompt: text });
const unending = () => ({ signal: new AbortController().signal, idempotency_key: 'k' });

async function fileIn(text?: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'crl-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'answers.jsonl');
  if (text !== undefined) await writeFile(file, text);
  return file;
}

/** A model that counts how often it is asked. */
function counting(say: (n: number, signal: AbortSignal) => string | Promise<string> = (n) => `answer ${n}`) {
  let asked = 0;
  const model: Model = {
    maker: { provider: 'openai-compatible', model: 'm' },
    ask: async (_, { signal }) => answerWith(await say((asked += 1), signal)),
  };
  return { model, asked: () => asked };
}

const failureOf = (asked: Promise<unknown>): Promise<ModelFailure> =>
  asked.then(
    () => {
      throw new Error('there is an answer');
    },
    (error: unknown) => error as ModelFailure,
  );

test('a recording has no secrets, and only its owner may read it', async () => {
  const file = await fileIn();
  const { model } = counting(() => `it is ${SECRET}`);
  const answer = await recordedModel(file, model, redact).ask(asking('a'), unending());
  expect(answer.text).toBe('it is [secret:key]');
  expect(await readFile(file, 'utf8')).not.toContain(SECRET);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
});

test('a line that was cut off is gone before the next one is written', async () => {
  const file = await fileIn();
  const { model, asked } = counting();
  await recordedModel(file, model, redact).ask(asking('a'), unending());
  const whole = await readFile(file, 'utf8');
  await appendFile(file, whole.slice(0, 100));
  await recordedModel(file, model, redact).ask(asking('b'), unending());
  const again = recordedModel(file, undefined, redact);
  expect((await again.ask(asking('a'), unending())).text).toBe('answer 1');
  expect((await again.ask(asking('b'), unending())).text).toBe('answer 2');
  expect(asked()).toBe(2);
});

test('a broken recording is refused by its line, its path is for operators, and it can be mended meanwhile', async () => {
  const file = await fileIn();
  const { model, asked } = counting();
  await recordedModel(file, model, redact).ask(asking('a'), unending());
  const whole = await readFile(file, 'utf8');
  await writeFile(file, `${whole}{}\n`);
  const broken = recordedModel(file, model, redact);
  const failure = await failureOf(broken.ask(asking('a'), unending()));
  expect(failure).toMatchObject({ kind: 'refused', message: 'Line 2 of the recording cannot be read as a recorded answer.' });
  expect(String((failure.cause as Error).message)).toContain(file);
  expect(asked()).toBe(1);
  await writeFile(file, whole);
  expect((await broken.ask(asking('a'), unending())).text).toBe('answer 1');
});

test('a request that was not recorded is refused without the path', async () => {
  const file = await fileIn('');
  const failure = await failureOf(recordedModel(file, undefined, redact).ask(asking('a'), unending()));
  expect(failure.kind).toBe('refused');
  expect(failure.message).not.toContain(file);
});

test('a call that is given up leaves the request to the others that wait for it, and the last one ends it', async () => {
  const answer = Promise.withResolvers<string>();
  const began = Promise.withResolvers<AbortSignal>();
  const { model, asked } = counting((_, signal) => {
    began.resolve(signal);
    return answer.promise;
  });
  const shared = recordedModel(await fileIn(), model, redact);
  const one = new AbortController();
  const first = failureOf(shared.ask(asking('a'), { ...unending(), signal: one.signal }));
  const second = shared.ask(asking('a'), unending());
  const signal = await began.promise;
  one.abort();
  expect((await first).kind).toBe('lost');
  expect(signal.aborted).toBe(false);
  answer.resolve('it came');
  expect((await second).text).toBe('it came');
  expect(asked()).toBe(1);
});

test('a request for which nobody waits any more is ended, and made anew for the next call', async () => {
  const signals: AbortSignal[] = [];
  const began = Promise.withResolvers<undefined>();
  const { model, asked } = counting((n, signal) => {
    signals.push(signal);
    began.resolve(undefined);
    return n === 1 ? new Promise(() => undefined) : 'anew';
  });
  const shared = recordedModel(await fileIn(), model, redact);
  const stop = new AbortController();
  const first = failureOf(shared.ask(asking('a'), { ...unending(), signal: stop.signal }));
  await began.promise;
  stop.abort();
  await first;
  expect(signals[0]?.aborted).toBe(true);
  expect((await shared.ask(asking('a'), unending())).text).toBe('anew');
  expect(asked()).toBe(2);
});

test.each([
  ['answers', { bytes: 1_000_000, answers: 1 }],
  ['bytes', { bytes: 1500, answers: 100 }],
] satisfies [string, RecordingBounds][])(
  'a recording that has its most %s asks for no more, and repeats what it has',
  async (_, bounds) => {
    const file = await fileIn();
    const { model, asked } = counting((n) => `${n}`.padEnd(150, '.'));
    const full = recordedModel(file, model, redact, bounds);
    await full.ask(asking('a'), unending());
    // An answer that turns out to have no room is given, since it was paid for; then nothing is asked any more.
    const more: unknown[] = [];
    for (let i = 0; i < 5; i++) more.push(await full.ask(asking(`b ${i}`), unending()).catch((error: unknown) => error));
    expect(more.at(-1)).toMatchObject({ kind: 'refused', message: expect.stringContaining('full') as string });
    expect(asked()).toBeLessThan(6);
    expect((await stat(file)).size).toBeLessThanOrEqual(bounds.bytes);
    expect((await recordedModel(file, undefined, redact, bounds).ask(asking('a'), unending())).text).toContain('1.');
  },
);

test('a recording that is larger than the bound is not read', async () => {
  const failure = await failureOf(
    recordedModel(await fileIn('x'.repeat(501)), undefined, redact, { bytes: 500, answers: 9 }).ask(asking('a'), unending()),
  );
  expect(failure).toMatchObject({ kind: 'refused', message: 'The recording is larger than 500 bytes.' });
});

test('a model whose recording cannot be written is not asked', async () => {
  const { model, asked } = counting();
  const file = join(await fileIn(''), 'below-a-file');
  const failure = await failureOf(recordedModel(file, model, redact).ask(asking('a'), unending()));
  expect(failure.kind).toBe('refused');
  expect(failure.message).not.toContain(file);
  expect(asked()).toBe(0);
});

describe('a recording of streams', () => {
  /** A model that streams these pieces, one after the other as they are let through. */
  function streaming(pieces: readonly string[], before: (i: number) => unknown = () => undefined) {
    let asked = 0;
    const model: Model = {
      maker: { provider: 'openai-compatible', model: 'm' },
      async ask(_, { part }) {
        asked += 1;
        const answer = answerWith(pieces.join(''));
        let i = 0;
        return part === undefined
          ? answer
          : handedOver(
              answer,
              async (one: Json) => {
                await before(i++);
                await part(one);
              },
              () => pieces,
            );
      },
    };
    return { model, asked: () => asked };
  }

  async function streamedBy(model: Model, signal = new AbortController().signal, request = asking('a')) {
    const parts: AnswerPart[] = [];
    const part = (one: Json) => Promise.resolve(void parts.push(one as AnswerPart));
    const end = await model.ask(request, { ...unending(), signal, part });
    return { parts, end, pieces: parts.flatMap(({ type, delta }) => (type === 'text-delta' ? [delta] : [])) };
  }

  test('repeats the parts as they came, and says that it is one', async () => {
    const file = await fileIn();
    const { model, asked } = streaming(['one ', 'two']);
    const live = await streamedBy(recordedModel(file, model, redact));
    const again = await streamedBy(recordedModel(file, undefined, redact));
    expect(again.parts).toEqual(live.parts);
    expect(again.pieces).toEqual(['one ', 'two']);
    expect(again.end).toMatchObject({ content: [], text: '', maker: { provider: 'recorded', of: 'scripted/script' } });
    expect(asked()).toBe(1);
  });

  test('answers as a whole, and a recorded answer is streamed', async () => {
    const [one, other] = [await fileIn(), await fileIn()];
    const { model, asked } = streaming(['one ', 'two']);
    await streamedBy(recordedModel(one, model, redact));
    const whole = await recordedModel(one, undefined, redact).ask(asking('a'), unending());
    expect([whole.text, whole.content]).toEqual(['one two', [{ type: 'text', text: 'one two' }]]);
    await recordedModel(other, model, redact).ask(asking('a'), unending());
    expect((await streamedBy(recordedModel(other, undefined, redact))).pieces).toEqual(['one two']);
    expect(asked()).toBe(2);
  });

  test('has no secret that was cut up between two pieces', async () => {
    const file = await fileIn();
    const { model } = streaming(['it is ', SECRET.slice(0, 5), SECRET.slice(5), '!']);
    await streamedBy(recordedModel(file, model, redact));
    const again = await streamedBy(recordedModel(file, undefined, redact));
    expect(again.pieces.join('')).toBe('it is [secret:key]!');
  });

  test('is shared by calls at the same time, each of which has all parts; the others go on when one gives up', async () => {
    const through = Promise.withResolvers<undefined>();
    const { model, asked } = streaming(['a', 'b', 'c'], (i) => (i === 4 ? through.promise : undefined));
    const shared = recordedModel(await fileIn(), model, redact);
    const stop = new AbortController();
    const first = failureOf(streamedBy(shared, stop.signal));
    const second = streamedBy(shared);
    await vi.waitFor(() => expect(asked()).toBe(1));
    stop.abort();
    expect((await first).kind).toBe('lost');
    through.resolve(undefined);
    expect((await second).pieces).toEqual(['a', 'b', 'c']);
    expect(asked()).toBe(1);
  });

  test('is not written down where the last call gave it up', async () => {
    const file = await fileIn();
    const { model } = streaming(['a', 'b'], (i) => i === 3 && stop.abort());
    const stop = new AbortController();
    expect((await failureOf(streamedBy(recordedModel(file, model, redact), stop.signal))).kind).toBe('lost');
    const { model: anew, asked } = streaming(['c']);
    expect((await streamedBy(recordedModel(file, anew, redact))).pieces).toEqual(['c']);
    expect(asked()).toBe(1);
  });
});
