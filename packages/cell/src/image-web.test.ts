/** The image `web`: streams, files and the classes of fetch, as libraries use them; expected results are those of the standards and of Node. */
import { describe, expect, test } from 'vitest';
import { data } from './fixtures/base.ts';
import { isolate, outcomeOf } from './fixtures/isolate.ts';
import { SandboxImage } from './image.ts';

describe('a bundle', () => {
  test('that names something of the web gets all of it, and every other one nothing', () => {
    const names = ['ReadableStream', 'TransformStream', 'Blob', 'File', 'Headers', 'Request', 'Response', 'FormData', 'TextEncoderStream'];
    expect(outcomeOf(`return ${JSON.stringify(names)}.map((name) => typeof globalThis[name])`)).toEqual(names.map(() => 'function'));
    expect(outcomeOf(`return ['Readable', 'Transform'].map((name) => typeof globalThis[name + 'Stream'])`)).toEqual([
      'undefined',
      'undefined',
    ]);
  });

  test('has no fetch, since an isolate reaches nothing by itself', () => {
    expect(outcomeOf(`return [typeof fetch, typeof Response]`)).toEqual(['undefined', 'function']);
  });

  test('finds the names of classes as they are', () => {
    expect(
      outcomeOf(
        `return [ReadableStream, TransformStream, ByteLengthQueuingStrategy, TextDecoderStream, Blob, File, Headers, Request, Response, FormData].map((one) => one.name)`,
      ),
    ).toEqual([
      'ReadableStream',
      'TransformStream',
      'ByteLengthQueuingStrategy',
      'TextDecoderStream',
      'Blob',
      'File',
      'Headers',
      'Request',
      'Response',
      'FormData',
    ]);
  });
});

describe('streams', () => {
  test('pipe through each other, and are read in order', () => {
    expect(
      outcomeOf(`const source = new ReadableStream({ start(c) { for (const n of [1, 2, 3]) c.enqueue(n); c.close() } });
        const seen = []; for await (const n of source.pipeThrough(new TransformStream({ transform(n, c) { c.enqueue(n * 2) } }))) seen.push(n); return seen`),
    ).toEqual([2, 4, 6]);
  });

  test('pull no more than is read', () => {
    expect(
      outcomeOf(`let pulled = 0; const s = new ReadableStream({ pull(c) { pulled += 1; c.enqueue(pulled) } }, { highWaterMark: 0 });
        const r = s.getReader(); await r.read(); await r.read(); await r.cancel('enough'); return pulled`),
    ).toBe(2);
  });

  test('encode and decode text, characters that are cut included', () => {
    expect(
      outcomeOf(`const bytes = new TextEncoder().encode('a\\u{1f600}b'); const parts = [bytes.slice(0, 3), bytes.slice(3)];
        const text = new ReadableStream({ start(c) { for (const one of parts) c.enqueue(one); c.close() } }).pipeThrough(new TextDecoderStream());
        let all = ''; for await (const one of text) all += one; return all`),
    ).toBe('a\u{1f600}b');
  });

  test('tell the source of an error, and their readers', () => {
    expect(
      outcomeOf(`const s = new TransformStream({ transform() { throw new RangeError('x') } }); const w = s.writable.getWriter(); const told = w.write(1).catch((e) => e.name);
        const read = s.readable.getReader().read().catch((e) => e.name); return [await told, await read]`),
    ).toEqual(['RangeError', 'RangeError']);
  });
});

describe('files', () => {
  test('are made of texts, bytes and other files', () => {
    expect(
      outcomeOf(`const b = new Blob(['ab', new Uint8Array([99]), new Blob(['d']), new Uint16Array([0x6665]).buffer], { type: 'Text/Plain' });
        const f = new File([b.slice(1, 3)], 'x.txt', { lastModified: 5 });
        const through = []; for await (const c of b.stream()) through.push(...c);
        return [b.size, b.type, await b.text(), [...(await b.bytes())].length, through.length, f.name, f.lastModified, await f.text(), f instanceof Blob, String(f)]`),
    ).toEqual([6, 'text/plain', 'abcdef', 6, 6, 'x.txt', 5, 'bc', true, '[object File]']);
  });
});

describe('the classes of fetch', () => {
  test('Headers of an object have its members that are enumerable, in order', () => {
    expect(
      outcomeOf(`const seen = []; const all = { b: '1', a: '2' }; Object.defineProperty(all, Symbol.toStringTag, { value: 'x' }); Object.defineProperty(all, 'c', { value: '3' });
        const traced = new Proxy(all, { ownKeys: (o) => (seen.push('keys'), Reflect.ownKeys(o)), get: (o, key) => (seen.push(String(key)), Reflect.get(o, key)) });
        return [[...new Headers(all)], [...new Headers(traced)].length, seen.filter((key) => !key.startsWith('Symbol'))]`),
    ).toEqual([
      [
        ['a', '2'],
        ['b', '1'],
      ],
      2,
      ['keys', 'b', 'a'],
    ]);
  });

  test('Headers combine, sort and forget case', () => {
    expect(
      outcomeOf(`const h = new Headers({ 'X-B': '1', a: '2' }); h.append('x-b', '3'); h.append('set-cookie', 'a=1'); h.append('Set-Cookie', 'b=2');
        let wrong; try { h.set('bad name', 'x') } catch (e) { wrong = e.name } return [[...h], h.get('A'), h.has('X-b'), h.getSetCookie(), wrong]`),
    ).toEqual([
      [
        ['a', '2'],
        ['set-cookie', 'a=1'],
        ['set-cookie', 'b=2'],
        ['x-b', '1, 3'],
      ],
      '2',
      true,
      ['a=1', 'b=2'],
      'TypeError',
    ]);
  });

  test('a Response whose body is a stream can be cloned, and who reads one of the two cannot change what the other reads', () => {
    expect(
      outcomeOf(`const chunks = [new Uint8Array([1, 2]), new Uint8Array([3])];
        const made = new Response(new ReadableStream({ pull(to) { const next = chunks.shift(); if (next === undefined) to.close(); else to.enqueue(next); } }));
        const [one, two] = [made, made.clone()].map((response) => response.body.getReader());
        const [first, second] = [(await one.read()).value, (await two.read()).value];
        first[0] = 9;
        const rest = [await one.read(), await two.read(), await one.read(), await two.read()].map(({ done, value }) => [done, ...(value ?? [])]);
        return [[...first], [...second], first.buffer === second.buffer, rest]`),
    ).toEqual([[9, 2], [1, 2], false, [[false, 3], [false, 3], [true], [true]]]);
  });

  test('a Response has its body once, as text, JSON, bytes or a stream', () => {
    expect(
      outcomeOf(`const r = new Response('{"a":[1]}', { status: 201, headers: { 'content-type': 'application/json' } }); const c = r.clone();
        const body = []; for await (const part of new Response('stream').body) body.push(...part);
        let again; await r.json(); try { await r.text() } catch (e) { again = e.name }
        return [r.status, r.ok, r.bodyUsed, again, await c.json(), String.fromCharCode(...body), (await new Response(new Uint8Array([1, 2])).bytes()).length, (await new Response(new Blob(['b'])).text()), Response.json({ x: 1 }).headers.get('content-type'), Response.error().type]`),
    ).toEqual([201, true, true, 'TypeError', { a: [1] }, 'stream', 2, 'b', 'application/json', 'error']);
  });

  test('a Request has a method, headers, a body and a signal', () => {
    expect(
      outcomeOf(`const c = new AbortController(); const r = new Request('https://example.com/a?b=1', { method: 'post', body: 'x', headers: { a: '1' }, signal: c.signal });
        const seen = []; r.signal.addEventListener('abort', () => seen.push('aborted')); c.abort();
        return [r.url, r.method, r.headers.get('a'), r.headers.get('content-type'), await r.text(), r.signal.aborted, seen]`),
    ).toEqual(['https://example.com/a?b=1', 'POST', '1', 'text/plain;charset=UTF-8', 'x', true, ['aborted']]);
  });

  test('FormData goes through a Response and comes back', () => {
    expect(
      outcomeOf(`const f = new FormData(); f.append('a', '1'); f.append('a', 'zwei\\u00e4'); f.append('file', new File(['content'], 'x.txt', { type: 'text/plain' }));
        const r = new Response(f); const type = r.headers.get('content-type'); const back = await r.formData(); const file = back.get('file');
        const form = await new Response(new URLSearchParams({ q: 'a b' })).formData();
        return [type.startsWith('multipart/form-data; boundary='), back.getAll('a'), file.name, file.type, await file.text(), form.get('q')]`),
    ).toEqual([true, ['1', 'zwei\u00e4'], 'x.txt', 'text/plain', 'content', 'a b']);
  });

  test('are the same in each execution: the boundary of a form follows from the run', () => {
    const boundary = () => outcomeOf(`return new Response(new FormData()).headers.get('content-type')`);
    expect(boundary()).toBe(boundary());
  });
});

test('an agent that touches nothing of the web loads none of it', () => {
  const refusing = new SandboxImage({ ...data, parts: { ...data.parts, streams: `(() => { throw new Error('loaded') })()` } });
  const end = (body: string) => isolate(body, '', refusing).start().at(-1);
  expect(end(`return ['ReadableStream'.length, 'ReadableStream' in globalThis]`)).toEqual({ kind: 'finish', output: [14, true] });
  expect(end(`return typeof ReadableStream`)).toMatchObject({ error: { message: 'loaded' } });
});
