import { describe, expect, it } from 'vitest';
import { Exporter } from './exporter.ts';

const BODY = new Uint8Array([1, 2, 3]);

/** A collector that answers so, one after the other; a text is the reason of a connection that fails, bytes are the body of an answer. */
function collector(
  answers: readonly (number | string | readonly [number, string] | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>)[],
) {
  const asked: { url: string; headers: Headers }[] = [];
  const pauses: number[] = [];
  const left = [...answers];
  const exporter = new Exporter({
    collector: { url: 'http://collector:4318/', headers: { authorization: 'Bearer secret' } },
    fetch: async (url, request) => {
      asked.push({ url, headers: new Headers(request.headers) });
      const answer = left.shift() ?? 200;
      if (typeof answer === 'string') throw new TypeError('fetch failed', { cause: new Error(answer) });
      if (answer instanceof Uint8Array || answer instanceof ReadableStream) return new Response(answer);
      const [status, after] = typeof answer === 'number' ? [answer] : answer;
      return new Response(null, { status, headers: after === undefined ? {} : { 'retry-after': after } });
    },
    pause: async (ms) => void pauses.push(ms),
    random: () => 0.5,
  });
  return { exporter, asked, pauses };
}

describe('the exporter', () => {
  it('sends protocol buffers to the path of their signal, with the headers of the configuration', async () => {
    const { exporter, asked } = collector([200]);
    expect(await exporter.send('traces', BODY)).toEqual({ taken: true, rejected: 0 });
    expect(asked[0]?.url).toBe('http://collector:4318/v1/traces');
    expect(asked[0]?.headers.get('content-type')).toBe('application/x-protobuf');
    expect(asked[0]?.headers.get('authorization')).toBe('Bearer secret');
  });

  it('tries again ever more slowly where that may help, and as the collector asks', async () => {
    const { exporter, asked, pauses } = collector(['ECONNREFUSED', 503, [429, '7'], 200]);
    expect(await exporter.send('traces', BODY)).toEqual({ taken: true, rejected: 0 });
    expect(asked).toHaveLength(4);
    expect(pauses).toEqual([375, 750, 7000]);
    expect(exporter.trouble('traces')).toBeUndefined();
  });

  it('gives a batch up that the collector refuses for good, or does not take in five attempts', async () => {
    const refused = collector([400, 200]);
    expect(await refused.exporter.send('metrics', BODY)).toEqual({ taken: false });
    expect(refused.asked).toHaveLength(1);
    expect(refused.exporter.trouble('metrics')).toBe('it answered 400');
    // Nothing is said of the other signal.
    expect(refused.exporter.trouble('traces')).toBeUndefined();
    const away = collector(Array.from({ length: 20 }, () => 'ECONNREFUSED'));
    expect(await away.exporter.send('traces', BODY)).toEqual({ taken: false });
    expect(away.asked).toHaveLength(5);
    expect(away.exporter.trouble('traces')).toBe('ECONNREFUSED');
  });

  it('counts what a collector leaves out of a batch that it takes', async () => {
    // `partial_success { rejected_spans: 300, error_message: "no" }`
    const partial = new Uint8Array([10, 7, 8, 172, 2, 18, 2, 110, 111]);
    const { exporter } = collector([partial, new Uint8Array([10, 200, 1]), new TextEncoder().encode('{"partialSuccess":{}}')]);
    expect(await exporter.send('traces', BODY)).toEqual({ taken: true, rejected: 300 });
    // An answer that cannot be read says nothing.
    expect(await exporter.send('traces', BODY)).toEqual({ taken: true, rejected: 0 });
    expect(await exporter.send('traces', BODY)).toEqual({ taken: true, rejected: 0 });
  });

  it('reads no more of an answer than it may have of use', async () => {
    let pieces = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        pieces += 1;
        controller.enqueue(new Uint8Array(16_384));
      },
    });
    const { exporter } = collector([endless]);
    expect(await exporter.send('traces', BODY)).toMatchObject({ taken: true });
    expect(pieces).toBeLessThan(12);
  });

  it('tries nothing again once its host stops', async () => {
    const { exporter, asked } = collector(Array.from({ length: 20 }, () => 503));
    exporter.hurry();
    expect(await exporter.send('traces', BODY)).toEqual({ taken: false });
    expect(asked).toHaveLength(1);
  });
});
