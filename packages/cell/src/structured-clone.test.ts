/** structuredClone of an isolate; expected results are those of the HTML Standard and of Node. */
import { describe, expect, test } from 'vitest';
import { isolate, outcomeOf } from './fixtures/isolate.ts';

/** The names of the errors of some expressions, or what they have. */
const outcomesOf = (...expressions: readonly string[]) =>
  outcomeOf(
    `const of = (make) => { try { return make() } catch (e) { return e instanceof DOMException ? 'DOMException ' + e.name : e.name } };
     return [${expressions.map((one) => `of(() => ${one})`).join(', ')}]`,
  );
const CLONE_ERROR = 'DOMException DataCloneError';

describe('a clone', () => {
  test('has the same primitives, boxed ones, dates and regular expressions, whatever prototype an object was given', () => {
    expect(
      outcomesOf(
        `Object.is(structuredClone(-0), -0)`,
        `structuredClone([undefined, null, 1n].map(String)).join()`,
        `[Object(1n), Object('text'), new Boolean(false), Object(-0)].map((one) => [structuredClone(one) !== one, structuredClone(one).valueOf()]).map(([own, value]) => own + String(value) + Object.is(value, -0)).join()`,
        `structuredClone(new Date(7)).getTime() + structuredClone(new (class Day extends Date {})(5)).constructor.name`,
        `(() => { const r = /a(b)/dgimsvy; r.lastIndex = 3; const c = structuredClone(r); return [c.source, c.flags, c.lastIndex].join() })()`,
        `structuredClone(Object.create(Date.prototype)).constructor === Object`,
        `structuredClone(RegExp.prototype).constructor === Object`,
      ),
    ).toEqual([true, 'undefined,null,1', 'true1false,truetextfalse,truefalsefalse,true0true', '7Date', 'a(b),dgimsvy,0', true, true]);
  });

  test('has the holes of an array and its names that are no index, and nothing of prototypes, of symbols and of what is not enumerable', () => {
    expect(
      outcomesOf(
        `(() => { const a = [1, , 3]; a.note = 'x'; const c = structuredClone(a); return [c.length, 1 in c, c.note].join() })()`,
        `(() => { const a = [1, 2]; a.note = a; const c = structuredClone(a); return c.note === c && c !== a && c.join() })()`,
        `structuredClone(new Array(2 ** 32 - 1)).length`,
        `(() => { class P { #x = 1; y = 2; get z() { return 3 } } const c = structuredClone(new P()); return [c.constructor.name, JSON.stringify(c)].join() })()`,
        `Object.keys(structuredClone(Object.defineProperty({ a: 1, [Symbol('s')]: 2 }, 'b', { value: 3 }))).join()`,
        `(() => { const c = structuredClone(JSON.parse('{ "__proto__": { "a": 1 } }')); return [Object.keys(c), c.a].join() })()`,
        `(() => { Object.defineProperty(Object.prototype, 'met', { set() { throw 1 }, configurable: true }); try { return structuredClone(JSON.parse('{ "met": 4 }')).met } finally { delete Object.prototype.met } })()`,
      ),
    ).toEqual(['3,false,x', '1,2', 2 ** 32 - 1, 'Object,{"y":2}', 'a', '__proto__,', 4]);
  });

  test('runs getters in their order, each once, and leaves out what one of them deleted', () => {
    expect(
      outcomeOf(
        `const seen = []; const note = (name, value) => (seen.push(name), value);
         const value = { get a() { return note('a', { get b() { delete value.gone; value.late = 1; return note('b', 1) } }) }, gone: 1, get c() { return note('c', 2) } };
         const c = structuredClone(value); seen.push(JSON.stringify(c), Object.keys(c).join()); const list = [{ get x() { list.length = 1; return 1 } }, 2]; const l = structuredClone(list); seen.push(JSON.stringify(l), 1 in l);
         try { structuredClone({ get x() { throw 'mine' } }) } catch (e) { seen.push(e) } return seen`,
      ),
    ).toEqual(['a', 'b', 'c', '{"a":{"b":1},"c":2}', 'a,c', '[{"x":1},null]', false, 'mine']);
  });

  test('has cycles and shared parts where the value has them, through maps, sets and the causes of errors', () => {
    expect(
      outcomeOf(
        `const shared = {}; const map = new Map([[shared, shared]]); map.set(map, new Set([map, shared])); const error = new Error('e', { cause: map }); map.set('error', error);
         const c = structuredClone({ map, shared, error }); const set = c.map.get(c.map);
         return [c.map.get(c.shared) === c.shared, set.has(c.map), set.has(c.shared), c.error.cause === c.map, c.map.get('error') === c.error, c.map !== map]`,
      ),
    ).toEqual([true, true, true, true, true, true]);
    expect(
      outcomeOf(
        `const map = new Map([[{ get x() { map.set('late', 1); return 1 } }, 0]]); const set = new Set([{ get x() { set.add('late'); return 1 } }]); return [structuredClone(map).size, structuredClone(set).size]`,
      ),
    ).toEqual([1, 1]);
  });

  test('of an error has its standard class, its message, its cause and its stack', () => {
    expect(
      outcomesOf(
        `(() => { class Mine extends RangeError { extra = 1 } const e = new Mine('m', { cause: 'c' }); e.stack = 'here'; const c = structuredClone(e);
           return [Object.getPrototypeOf(c) === RangeError.prototype, c.message, c.cause, c.stack, c.extra, Object.keys(c).length].join() })()`,
        `structuredClone(Object.assign(new Error('x'), { name: 'Odd' })).name`,
        `structuredClone(Object.assign(new Error('x'), { name: 'toString' })).name`,
        `Object.hasOwn(structuredClone(new Error()), 'message')`,
        `structuredClone(Object.defineProperty(new Error('x'), 'message', { get() { return 'y' } })).message`,
        `structuredClone(new AggregateError([1], 'm')).constructor.name`,
        `structuredClone(Object.create(Error.prototype, { message: { value: 'no', enumerable: true } })) instanceof Error`,
        `(() => { const c = structuredClone(new DOMException('m', 'AbortError')); return [c instanceof DOMException, c.message, c.name, c.code].join() })()`,
      ),
    ).toEqual(['true,m,c,here,,0', 'Error', 'Error', false, '', 'Error', false, 'true,m,AbortError,20']);
  });

  test('of a very deep value is whole', () => {
    expect(
      outcomeOf(
        `let deep = 'end'; for (let i = 0; i < 50_000; i++) deep = i % 3 === 0 ? [deep] : i % 3 === 1 ? new Map([[1, deep]]) : { deep };
         let c = structuredClone(deep); let depth = 0; while (c !== 'end') { c = Array.isArray(c) ? c[0] : c.deep ?? c.get(1); depth += 1 } return depth`,
      ),
    ).toBe(50_000);
  });

  test('is refused for functions, symbols and what has a state of V8', () => {
    const refused =
      `() => 1|Symbol()|Object(Symbol())|{ a: [() => 1] }|Promise.resolve()|new WeakMap()|new WeakSet()|(function* () {})()|(async function* () {})()
      |[].values()|new Map().keys()|new Set().values()|''[Symbol.iterator]()|'a'.matchAll(/a/g)|[].values().map(String)|new Intl.NumberFormat()|new Proxy(() => 1, {})
      |new (class extends Promise {})(() => {})`.split('|');
    expect(outcomesOf(...refused.map((one) => `structuredClone(${one})`))).toEqual(refused.map(() => CLONE_ERROR));
  });

  test('is refused for objects of the web that are no Blob, and not for an agent’s own class of that name', () => {
    const refused =
      `new Event('e')|new EventTarget()|new (class extends EventTarget {})()|new AbortController()|AbortSignal.abort()|new TextDecoder()|new URL('a:b')|new URLSearchParams()
      |new Headers()|new Request('a:b')|new Response()|new FormData()|new ReadableStream()|new WritableStream()|new TransformStream()`.split(
        '|',
      );
    expect(outcomesOf(...refused.map((one) => `structuredClone(${one})`))).toEqual(refused.map(() => CLONE_ERROR));
    expect(outcomeOf(`return structuredClone(new (class Headers { a = 1 })())`)).toEqual({ a: 1 });
    expect(outcomeOf(`return structuredClone(new (class URL { a = 1 })())`)).toEqual({ a: 1 });
  });

  test('of a Blob is a Blob, of a File a File, also when their globals are gone', () => {
    expect(
      outcomeOf(
        `const was = [Blob, File]; class Mine extends File { more = 1 } const all = [new Blob(['ab'], { type: 'text/plain' }), new Mine(['c'], 'n', { lastModified: 5, type: 'a/b' })];
         delete globalThis.Blob; delete globalThis.File; const [blob, file] = structuredClone(all);
         return [Object.getPrototypeOf(blob) === was[0].prototype, await blob.text(), blob.type, Object.getPrototypeOf(file) === was[1].prototype, await file.text(), file.name, file.lastModified, file.type, file.more]`,
      ),
    ).toEqual([true, 'ab', 'text/plain', true, 'c', 'n', 5, 'a/b', null]);
  });

  test('takes one argument or two, and options that are an object', () => {
    expect(
      outcomesOf(
        `structuredClone()`,
        `structuredClone(undefined) === undefined`,
        `structuredClone.length`,
        `structuredClone(1, null)`,
        `structuredClone(1, 2)`,
        `structuredClone(1, { transfer: 3 })`,
        `structuredClone(1, { transfer: [4] })`,
        `new structuredClone(1)`,
      ),
    ).toEqual(['TypeError', true, 1, 1, 'TypeError', 'TypeError', 'TypeError', 'TypeError']);
  });

  test('is made while it can be ended: a value without end takes the CPU time that there is, and no more', () => {
    const one = isolate(`const endless = () => ({ get next() { return endless() } }); structuredClone(endless())`);
    expect(one.fault({ kind: 'start', run: 'run_000000000000', input: {}, caps: {}, budget: {} }).fault).toMatch(/^(?:timeout|memory)$/);
  });
});

describe('buffers', () => {
  test('are copied once for all of their views, with their length, their offset and what they can grow to', () => {
    expect(
      outcomeOf(
        `const buffer = new ArrayBuffer(16, { maxByteLength: 32 }); new Uint8Array(buffer).set([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
         const views = [new Uint16Array(buffer, 2), new Uint16Array(buffer, 2, 7), new DataView(buffer, 1), new DataView(buffer, 1, 15), new Float64Array(buffer, 8), new Float64Array(buffer, 16), new Float64Array(buffer, 16, 0)];
         const before = [...new Uint8Array(buffer)].join(); const c = structuredClone({ views, buffer }); const same = c.views.every((view) => view.buffer === c.buffer);
         c.buffer.resize(32); return [same, before === [...new Uint8Array(buffer)].join(), before === [...new Uint8Array(c.buffer, 0, 16)].join(), buffer.byteLength, c.buffer.maxByteLength, c.views.map((view) => view.byteLength).join()]`,
      ),
    ).toEqual([true, true, true, 16, 32, '30,14,31,15,24,16,0']);
    expect(
      outcomeOf(
        `const full = new ArrayBuffer(5, { maxByteLength: 5 }); new Uint8Array(full).set([1, 2, 3, 4, 5]);
         const c = structuredClone([new Uint32Array(full), new Uint32Array(full, 0, 1), new Uint8Array(full), full]); const bytes = c[2].join(); c[3].resize(3); return [bytes, full.byteLength, new Uint8Array(full).join(), c[0].length, c[1].length, c[2].length, ...[0, 1].map((i) => { try { c[i].at(0); return 'in' } catch { return 'out' } })]`,
      ),
    ).toEqual(['1,2,3,4,5', 5, '1,2,3,4,5', 0, 0, 3, 'in', 'out']);
  });

  test('that are transferred move: the source is detached, and the copy has them in each of its places', () => {
    expect(
      outcomeOf(
        `const buffer = new Uint8Array([1, 2, 3]).buffer; const view = new Uint8Array(buffer, 1); const error = new Error('e', { cause: buffer });
         const c = structuredClone({ view, map: new Map([[buffer, view], ['z', 1]]), set: new Set([view, 1]), list: [buffer, 1], error, last: 1 }, { transfer: [buffer] });
         const of = c.view.buffer; return [buffer.detached, c.view.join(), [...c.map.keys()][0] === of, c.map.get(of) === c.view, [...c.set][0] === c.view, c.list[0] === of, c.error.cause === of, Object.keys(c).join(), Object.keys(c.error).length]`,
      ),
    ).toEqual([true, '2,3', true, true, true, true, true, 'view,map,set,list,error,last', 0]);
    expect(
      outcomeOf(
        `const b = new ArrayBuffer(3); const c = structuredClone(b, { transfer: new Set([b]) }); return [b.detached, c.byteLength]`,
      ),
    ).toEqual([true, 3]);
  });

  test('that are detached, twice in the list or of which a view is outside are refused, and nothing was transferred then', () => {
    const head = `const b = new ArrayBuffer(8, { maxByteLength: 8 }), gone = new ArrayBuffer(1); gone.transfer(); const bad = new Uint8Array(b, 4), data = new DataView(b, 4, 4);`;
    const refused = [
      `structuredClone(gone)`,
      `structuredClone(new Uint8Array(b, 0, 2).buffer, { transfer: [b, gone] })`,
      `structuredClone(1, { transfer: [b, b] })`,
      `structuredClone(1, { transfer: [b, {}] })`,
      `structuredClone(1, { transfer: [b, new ReadableStream()] })`,
      `structuredClone(() => 1, { transfer: [b] })`,
      `(b.resize(3), structuredClone(bad))`,
      `structuredClone(data)`,
    ];
    expect(
      outcomeOf(
        `${head} return [${refused.map((one) => `(() => { try { ${one}; return 'cloned' } catch (e) { return e.name } })()`).join()}, b.detached]`,
      ),
    ).toEqual([...refused.map(() => 'DataCloneError'), false]);
  });
});

test('an agent that has replaced V8’s functions after its first clone still gets whole ones', () => {
  expect(
    outcomeOf(
      `structuredClone(1); const value = { a: [1, { b: 2 }], m: new Map([[1, new Set([2])]]), d: new Date(1), r: /x/g, t: new Uint8Array(4) }; const fail = () => { throw new Error('met') };
       for (const of of [Map, Set, Date, RegExp, ArrayBuffer, Object.getPrototypeOf(Uint8Array), DataView]) for (const name of Reflect.ownKeys(of.prototype)) if (name !== 'constructor') Object.defineProperty(of.prototype, name, { get: fail, set: fail });
       Object.keys = Object.hasOwn = Reflect.getPrototypeOf = Array.isArray = fail;
       const c = structuredClone(value); return c.m !== value.m && c.a[1].b === 2 && 'whole'`,
    ),
  ).toBe('whole');
});
