/** The web APIs of an isolate, used as libraries use them; expected results are those of the standards and of Node. */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { CANCEL, isolate, outcomeOf, timer } from './fixtures/isolate.ts';

const seen = (code: string) => outcomeOf(`const seen = []; const c = new AbortController(); ${code}; return seen`);

describe('an AbortSignal', () => {
  test('tells all of its listeners, in their order, whatever one of them throws', () => {
    expect(
      seen(`c.signal.addEventListener('abort', () => seen.push('first')); c.signal.onabort = () => { seen.push('on'); throw new Error('x') };
        c.signal.addEventListener('abort', () => { seen.push('last') }); c.abort(); seen.push('returned')`),
    ).toEqual(['first', 'on', 'last', 'returned']);
  });

  test('aborts all that follow it before anybody is told, and tells its own listeners first', () => {
    expect(
      seen(`const any = AbortSignal.any([c.signal]); const far = AbortSignal.any([any, new AbortController().signal]);
        far.addEventListener('abort', () => seen.push('far')); any.addEventListener('abort', () => seen.push('any'));
        c.signal.addEventListener('abort', () => seen.push('source', any.aborted, far.aborted)); c.abort('why'); seen.push(far.reason)`),
    ).toEqual(['source', true, true, 'any', 'far', 'why']);
    expect(
      seen(
        `seen.push(AbortSignal.any([]).aborted, AbortSignal.any([AbortSignal.abort(1), c.signal]).reason); try { AbortSignal.any([{}]) } catch (e) { seen.push(e.name) }`,
      ),
    ).toEqual([false, 1, 'TypeError']);
  });

  test('has what is read of it on its prototype, and nothing to write to', () => {
    expect(
      seen(
        `try { c.signal = 1 } catch {} seen.push(Object.keys(c.signal), c.signal instanceof AbortSignal, c.signal.onabort, String(c), String(c.signal)); c.signal.onabort = 5; seen.push(c.signal.onabort)`,
      ),
    ).toEqual([[], true, null, '[object AbortController]', '[object AbortSignal]', null]);
  });

  test('takes a time from 0 on', () => {
    expect(
      seen(
        `for (const ms of [-1, NaN, Infinity, -Infinity, 'soon', undefined, 2 ** 60]) try { AbortSignal.timeout(ms); seen.push('taken') } catch (e) { seen.push(e.name) } try { AbortSignal.timeout() } catch (e) { seen.push(e.name) }`,
      ),
    ).toEqual(['RangeError', 'RangeError', 'RangeError', 'RangeError', 'RangeError', 'TypeError', 'RangeError', 'TypeError']);
    const one = isolate(
      `const s = AbortSignal.timeout('20.7'); await new Promise((done) => s.addEventListener('abort', done)); return [s.reason.name, s.reason.code]`,
    );
    expect(one.start()).toEqual([{ kind: 'timer', ms: 20, id: 1 }]);
    expect(one.crank(timer(1)).at(-1)).toEqual({ kind: 'finish', output: ['TimeoutError', 23] });
  });
});

describe('an EventTarget', () => {
  const target = (code: string) => outcomeOf(`const seen = []; const t = new EventTarget(); ${code}; return seen`);

  test('tells listeners that capture first, each once, in their order; those that were removed meanwhile are not told', () => {
    expect(
      target(`const late = () => seen.push('late'); const note = (name) => () => seen.push(name);
        t.addEventListener('e', note('b')); t.addEventListener('e', note('a'), true); t.addEventListener('e', note('once'), { once: true });
        const twice = note('twice'); t.addEventListener('e', twice); t.addEventListener('e', twice);
        t.addEventListener('e', () => { t.removeEventListener('e', gone); t.addEventListener('e', late) }); const gone = note('gone'); t.addEventListener('e', gone);
        t.dispatchEvent(new Event('e')); seen.push('|'); t.removeEventListener('e', late); t.removeEventListener('e', twice); t.dispatchEvent(new Event('e'))`),
    ).toEqual(['a', 'b', 'once', 'twice', '|', 'a', 'b']);
  });

  test('can be told by a listener that removes itself before one that is told once', () => {
    expect(
      seen(`const first = () => { seen.push('first'); c.signal.removeEventListener('abort', first) }; c.signal.addEventListener('abort', first);
        c.signal.addEventListener('abort', () => seen.push('second'), { once: true }); c.signal.addEventListener('abort', () => seen.push('third')); c.abort()`),
    ).toEqual(['first', 'second', 'third']);
  });

  test('stops where a listener stops the event, and says whether it was prevented', () => {
    expect(
      target(`t.addEventListener('e', (e) => { e.preventDefault(); e.stopPropagation() }, { capture: true }); t.addEventListener('e', (e) => e.stopImmediatePropagation(), true);
        t.addEventListener('e', () => seen.push('captures'), true); t.addEventListener('e', () => seen.push('bubbles'));
        seen.push(t.dispatchEvent(new Event('e')), t.dispatchEvent(new Event('e', { cancelable: true })));
        const calm = new EventTarget(); calm.addEventListener('e', (e) => e.preventDefault(), { passive: true }); seen.push(calm.dispatchEvent(new Event('e', { cancelable: true })))`),
    ).toEqual([true, false, true]);
  });

  test('takes objects with handleEvent, and a signal that ends the listener', () => {
    expect(
      target(`const o = { handleEvent(e) { seen.push(this === o, e.type, e.target === t, e.currentTarget === t, e.eventPhase, e.isTrusted, e.composedPath().length) } };
        const c = new AbortController(); t.addEventListener('e', o, { signal: c.signal }); const e = new Event('e'); t.dispatchEvent(e); seen.push(e.currentTarget, e.eventPhase, e.target === t);
        c.abort(); t.dispatchEvent(new Event('e')); t.addEventListener('e', o, { signal: c.signal }); t.dispatchEvent(new Event('e')); t.addEventListener('e', null); seen.push('end')`),
    ).toEqual([true, 'e', true, true, 2, false, 1, null, 0, true, 'end']);
  });

  test('refuses what is no event, and one that is under way', () => {
    expect(
      target(`for (const wrong of [{}, undefined, 'e']) try { t.dispatchEvent(wrong) } catch (e) { seen.push(e.name) }
        for (const wrong of [5, 'f', true]) try { t.addEventListener('e', wrong) } catch (e) { seen.push(e.name) }
        t.addEventListener('e', (e) => { try { t.dispatchEvent(e) } catch (x) { seen.push(x.name) } }); t.dispatchEvent(new Event('e')); try { new Event() } catch (e) { seen.push(e.name) }`),
    ).toEqual(['TypeError', 'TypeError', 'TypeError', 'TypeError', 'TypeError', 'TypeError', 'InvalidStateError', 'TypeError']);
  });

  test('reports what a listener throws in the log of the run, and tells the others', () => {
    const one =
      isolate(`const t = new EventTarget(); t.addEventListener('e', () => { throw new Error('lost otherwise') }); t.addEventListener('e', () => log('told'));
      t.dispatchEvent(new Event('e')); return 1`);
    const logs = one.start().filter(({ kind }) => kind === 'log');
    expect(logs.map(({ level, text }) => [level, String(text).split('\n')[0]])).toEqual([
      ['error', 'A listener of an event threw: Error: lost otherwise'],
      ['info', 'told'],
    ]);
  });

  test('carries the detail of a CustomEvent, and can be extended', () => {
    expect(
      target(`class Bus extends EventTarget { say(detail) { return this.dispatchEvent(new CustomEvent('said', { detail })) } } const bus = new Bus();
        bus.addEventListener('said', (e) => seen.push(e.detail, e instanceof Event, String(e), Object.keys(e))); bus.say({ n: 1 }); seen.push(new CustomEvent('x').detail, Event.AT_TARGET, 'bubbles' in Event.prototype)`),
    ).toEqual([{ n: 1 }, true, '[object CustomEvent]', ['isTrusted'], null, 2, true]);
  });

  test('of a cancel that listeners end by themselves is no fault of the cell', () => {
    const one = isolate(`const off = () => signal.removeEventListener('abort', off); signal.addEventListener('abort', off);
      signal.addEventListener('abort', () => log('once'), { once: true }); try { await sleep(1000) } catch (e) { return e.name }`);
    one.start();
    expect(one.crank(CANCEL).at(-1)).toMatchObject({ kind: 'finish', output: 'AbortError' });
  });
});

test('classes have their names, and one that the agent has defined itself stays', () => {
  expect(
    outcomeOf(`class Mine {} globalThis.AbortController = Mine; new DOMException('m');
      return [AbortController === Mine, DOMException.name, AbortSignal.name, URL.name, URLSearchParams.name, TextEncoder.name, TextDecoder.name, Event.name, CustomEvent.name]`),
  ).toEqual([true, 'DOMException', 'AbortSignal', 'URL', 'URLSearchParams', 'TextEncoder', 'TextDecoder', 'Event', 'CustomEvent']);
});

test('a DOMException has its cause, its codes and its tag', () => {
  expect(
    outcomeOf(`const e = new DOMException('m', { name: 'DataError', cause: 5 }); const f = new DOMException('m', 'NotFoundError');
      return [e.name, e.cause, e.code, f.code, DOMException.NOT_FOUND_ERR, f.INUSE_ATTRIBUTE_ERR, DOMException.URL_MISMATCH_ERR, DOMException.DATA_CLONE_ERR, String(f), Object.prototype.toString.call(f), f instanceof Error, typeof f.stack]`),
  ).toEqual(['DataError', 5, 0, 8, 8, 10, 21, 25, 'NotFoundError: m', '[object DOMException]', true, 'string']);
});

test('text of the East Asian encodings is read', () => {
  expect(
    outcomeOf(
      `return [new TextDecoder(' EUC-JP ').decode(new Uint8Array([0xa4, 0xa2])), new TextDecoder('shift_jis').decode(new Uint8Array([0x82, 0xa0])), new TextDecoder('gbk').encoding, new TextDecoder('windows-1251').decode(new Uint8Array([0xcf])), new TextDecoder().fatal]`,
    ),
  ).toEqual(['あ', 'あ', 'gbk', 'П', false]);
  expect(outcomeOf(`try { new TextDecoder('nope') } catch (e) { return e.name }`)).toBe('RangeError');
});

test('crypto takes digests, and says what it cannot fill', async () => {
  expect(
    outcomeOf(
      `return [await crypto.subtle.digest('SHA-256', new TextEncoder().encode('abc')).then((b) => new Uint8Array(b).toHex()), await crypto.subtle.digest('MD5', new Uint8Array(1)).catch((e) => e.name)]`,
    ),
  ).toEqual(['ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad', 'NotSupportedError']);
  expect(
    outcomeOf(
      `return [new Float32Array(1), new DataView(new ArrayBuffer(1)), []].map((a) => { try { crypto.getRandomValues(a); return 'filled' } catch (e) { return e.name } })`,
    ),
  ).toEqual(['TypeMismatchError', 'TypeMismatchError', 'TypeMismatchError']);
});

test.each(['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512'])('%s is that of Node, for messages of any length', (name) => {
  // A crank's time ends also on a busy machine, so each has some of the lengths.
  for (let from = 0; from < 300; from += 60) {
    const lengths = Array.from({ length: 60 }, (_, i) => from + i);
    const digests = outcomeOf(`return await Promise.all(${JSON.stringify(lengths)}.map(async (length) =>
      new Uint8Array(await crypto.subtle.digest({ name: '${name.toLowerCase()}' }, Uint8Array.from({ length }, (_, i) => i * 7 + length))).toHex()))`);
    const wanted = lengths.map((length) =>
      createHash(name.replace('-', '').toLowerCase())
        .update(Uint8Array.from({ length }, (_one, i) => i * 7 + length))
        .digest('hex'),
    );
    expect(digests).toEqual(wanted);
  }
});

test('Date, performance, atob and btoa look as they do elsewhere', () => {
  expect(
    outcomeOf(`performance.mark('a', { startTime: 1 }); const m = performance.measure('m', 'a');
      const missing = (f) => { try { f(); return 'taken' } catch (e) { return e.name } };
      return [/native code/.test(Function.prototype.toString.call(Date)), Date.name, Date.length, new Date(0).constructor === Date, new (class Late extends Date {})() instanceof Date, typeof Date(),
        m.duration === performance.now() - 1, performance.getEntriesByName('a').length, performance.toJSON().timeOrigin === performance.timeOrigin, missing(() => performance.measure('x', 'none')), missing(() => atob()), missing(() => btoa())]`),
  ).toEqual([true, 'Date', 7, true, true, 'string', true, 1, true, 'SyntaxError', 'TypeError', 'TypeError']);
});
