/** The `fetch` of an isolate: what leaves is a call of the model capability, and nothing else of a request does. */
import { describe, expect, test } from 'vitest';
import { begun, HEAD, HELLO, MODEL } from './fixtures/fetching.ts';
import { isolate, outcomeOf } from './fixtures/isolate.ts';

const ASKED = { kind: 'call', id: 1, cap: 1, input: { prompt: [{ role: 'user', content: [{ type: 'text', text: 'hello' }] }] } };
const TIMED_OUT = {
  kind: 'reply',
  results: [{ id: 1, error: { code: 'CORRAL_TIMED_OUT', class: 'TimedOut', message: 'no', hint: 'h', retryable: true, call: 1 } }],
};

describe('fetch', () => {
  test('is there for a bundle that names it and asks for a model; another one has none, and an error that says why', () => {
    expect(outcomeOf('return typeof fetch')).toBe('undefined');
    expect(outcomeOf('return typeof fetch', '"CORRAL_FETCH";')).toBe('undefined');
    expect(outcomeOf('return typeof fetch', HEAD)).toBe('function');
    expect(outcomeOf(`await fetch('https://example.com')`)).toMatchObject({ message: 'fetch is not defined' });
    const why = { code: 'CORRAL_CAP_NOT_GRANTED', message: expect.stringContaining(`uses: { model: 'model:default' }`) as string };
    expect(outcomeOf(`await fetch('https://example.com')`, '"CORRAL_FETCH";')).toMatchObject(why);
    expect(outcomeOf(`await globalThis.fetch('https://example.com')`, '"CORRAL_FETCH";')).toMatchObject(why);
  });

  test('before the agent runs has nothing to ask', () => {
    const head = `${HEAD} const early = askModel('/chat/completions', ${HELLO}).catch((error) => error.cause.code);`;
    const one = isolate('return await early', head);
    expect(one.start({ caps: { m: MODEL } }).at(-1)).toMatchObject({ output: 'CORRAL_CAP_NOT_GRANTED' });
  });

  test.each([
    ['text', `JSON.stringify(${HELLO})`],
    ['bytes', `new TextEncoder().encode(JSON.stringify(${HELLO}))`],
    ['a Blob', `new Blob([JSON.stringify(${HELLO})])`],
    ['a stream', `new Blob([JSON.stringify(${HELLO})]).stream()`],
  ])('takes a body of %s', (_, body) => {
    const init = `{ method: 'POST', duplex: 'half', body: ${body} }`;
    const url = `'https://api.openai.com/v1/chat/completions'`;
    expect(begun(`await fetch(${url}, ${init})`).effects).toEqual([ASKED]);
    expect(begun(`await fetch(new Request(${url}, ${init}))`).effects).toEqual([ASKED]);
  });

  test('sends nothing of the headers, the query and the key', () => {
    const init = `{ headers: { authorization: 'Bearer sk-1', host: 'evil', 'x-api-key': 'k', 'content-length': '1', 'transfer-encoding': 'chunked' } }`;
    expect(begun(`await askModel('/chat/completions?api-key=1', ${HELLO}, ${init})`).effects).toEqual([ASKED]);
  });

  test('asks nothing where the address is not one of a model', () => {
    const how = {
      'https://example.com/v1/chat/completions': 'CORRAL_CAP_NOT_GRANTED',
      'http://api.openai.com/v1/chat/completions': 'CORRAL_CAP_NOT_GRANTED',
      'https://api.openai.com:8443/v1/chat/completions': 'CORRAL_CAP_NOT_GRANTED',
      'https://api.openai.com.evil.example/v1/chat/completions': 'CORRAL_CAP_NOT_GRANTED',
      'https://evil.example\\@api.openai.com/v1/chat/completions': 'CORRAL_CAP_NOT_GRANTED',
      'data:application/json,{}': 'CORRAL_CAP_NOT_GRANTED',
      'file:///etc/passwd': 'CORRAL_CAP_NOT_GRANTED',
      'https://user:password@api.openai.com/v1/chat/completions': 'TypeError',
      '/v1/chat/completions': 'TypeError',
      'https://api.openai.com/v1/files': 404,
      'https://api.openai.com/v1/messages': 404,
      'https://api.openai.com/v1/chat/completions/../../../files': 404,
      'https://api.openai.com/v1/chat%2fcompletions': 404,
      'https://api.openai.com/v1//chat/completions': 404,
      'https://models.corral.internal/other/v1/chat/completions': 400,
      'https://models.corral.internal/__proto__/v1/chat/completions': 400,
    };
    const body = `const seen = {}; for (const url of ${JSON.stringify(Object.keys(how))})
      seen[url] = await fetch(url, { method: 'POST', body: JSON.stringify(${HELLO}) }).then((r) => r.status, (e) => e.cause?.code ?? e.name);
      return seen`;
    expect(begun(body).effects).toEqual([{ kind: 'finish', output: how }]);
  });

  test('reads a body no further than may leave at once', () => {
    const endless = `new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(60_000)) } })`;
    const body = `return await askModel('/chat/completions', {}, { duplex: 'half', body: ${endless} }).catch((e) => [e.name, e.cause.code])`;
    expect(begun(body).effects).toEqual([{ kind: 'finish', output: ['TypeError', 'CORRAL_EFFECT_TOO_LARGE'] }]);
  });

  test('has the time of AbortSignal.timeout as the time of its call, and needs no timer for it', () => {
    const body = `return await askModel('/chat/completions', ${HELLO}, { signal: AbortSignal.timeout(5000) }).then((r) => r.status, (e) => [e.constructor === DOMException, e.name])`;
    const { one, effects } = begun(body);
    expect(effects).toEqual([{ ...ASKED, timeout_ms: 5000 }]);
    expect(one.crank(TIMED_OUT)).toEqual([{ kind: 'finish', output: [true, 'TimeoutError'] }]);
    expect(
      begun(`const s = AbortSignal.timeout(5000); s.addEventListener('abort', () => {}); await new Promise(() => {})`).effects,
    ).toEqual([{ kind: 'timer', id: 1, ms: 5000 }]);
  });

  test('is given up with the reason of its signal', () => {
    const body = `const c = new AbortController(); const asked = askModel('/chat/completions', ${HELLO}, { signal: c.signal }); setTimeout(() => c.abort('enough'), 1);
      return await asked.catch((reason) => reason)`;
    const { one, effects } = begun(body);
    expect(effects).toMatchObject([{ kind: 'timer' }, { kind: 'call' }]);
    expect(one.crank({ kind: 'timer', id: 1 })).toEqual([
      { kind: 'abort', id: 2 },
      { kind: 'finish', output: 'enough' },
    ]);
    expect(
      begun(`return await askModel('/chat/completions', ${HELLO}, { signal: AbortSignal.abort('no') }).catch((r) => r)`).effects,
    ).toEqual([{ kind: 'finish', output: 'no' }]);
  });

  test('answers with a status where the call fails, and asks SDKs not to try again', () => {
    const cases: readonly (readonly [code: string, name: string, more: object, status: number])[] = [
      ['CORRAL_DENIED', 'Denied', {}, 403],
      ['CORRAL_REVOKED', 'Revoked', {}, 403],
      ['CORRAL_BUDGET_EXCEEDED', 'BudgetExceeded', {}, 402],
      ['CORRAL_TOOL_FAILED', 'ToolFailed', {}, 400],
      ['CORRAL_TOOL_FAILED', 'ToolFailed', { retryable: true }, 503],
      ['CORRAL_TIMED_OUT', 'TimedOut', { retryable: true }, 504],
      ['CORRAL_UNKNOWN_RESULT', 'Unknown', {}, 500],
    ];
    const body = (path: string) =>
      `return await Promise.all(${JSON.stringify(cases)}.map(async () => { const r = await askModel('${path}', { ...${HELLO}, max_tokens: 5 });
        return [r.status, r.headers.get('x-should-retry'), (await r.json()).error.code] }))`;
    const results = cases.map(([code, name, more], i) => ({
      id: i + 1,
      error: { code, class: name, message: 'no', hint: 'h', retryable: false, call: i + 1, ...more },
    }));
    for (const path of ['/chat/completions', '/messages'])
      expect(begun(body(path)).one.crank({ kind: 'reply', results })).toEqual([
        { kind: 'finish', output: cases.map(([code, , , status]) => [status, 'false', code]) },
      ]);
  });

  test('asks the model that the request or the address names, where there are several', () => {
    const caps = { quick: MODEL, best: { cap: 2, kind: 'tool', name: 'model:large' } };
    const cap = (url: string, model: string) =>
      begun(`await fetch('${url}', { method: 'POST', body: JSON.stringify({ ...${HELLO}, model: '${model}' }) })`, caps).effects[0]?.[
        'cap'
      ];
    expect(cap('https://api.openai.com/v1/chat/completions', 'best')).toBe(2);
    expect(cap('https://api.openai.com/v1/chat/completions', 'default')).toBe(1);
    expect(cap('https://models.corral.internal/large/v1/chat/completions', 'gpt-5')).toBe(2);
    expect(
      begun(`return (await (await askModel('/chat/completions', ${HELLO})).json()).error.message`, caps).effects.at(-1)?.['output'],
    ).toContain('quick, best');
  });
});
