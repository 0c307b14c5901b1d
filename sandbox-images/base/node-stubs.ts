/**
 * For esbuild: stands in for the parts of Node that undici's classes of fetch import, as far as those classes use them. They are private
 * to the part; an agent finds none of them.
 */
import type { Plugin } from 'esbuild';

const NAMESPACE = 'node-stub';
const nothing = 'module.exports = {}';
const STUBS: Readonly<Record<string, string>> = {
  assert: `const fail = (message) => { throw message instanceof Error ? message : new Error(message ?? 'an assertion failed') };
    module.exports = Object.assign((held, message) => { if (!held) fail(message) }, {
      ok(held, message) { if (!held) fail(message) }, equal(a, b, message) { if (a != b) fail(message) },
      strictEqual(a, b, message) { if (!Object.is(a, b)) fail(message) }, notStrictEqual(a, b, message) { if (Object.is(a, b)) fail(message) } })`,
  util: `const types = require('node:util/types'); module.exports = { types, inspect: Object.assign((value) => { try { return JSON.stringify(value) ?? String(value) } catch { return String(value) } },
      { custom: Symbol.for('nodejs.util.inspect.custom') }), inherits() {}, toUSVString: (text) => String(text).toWellFormed(), format: (...parts) => parts.join(' '),
      promisify: (f) => f, deprecate: (f) => f, debuglog: () => Object.assign(() => {}, { enabled: false }), formatWithOptions: (options, value) => String(value) }`,
  // If an object is not a proxy, undici also reads its members that are not enumerable.
  'util/types': `const tag = (value) => Object.prototype.toString.call(value).slice(8, -1);
    module.exports = { isUint8Array: (value) => ArrayBuffer.isView(value) && tag(value) === 'Uint8Array', isArrayBuffer: (value) => value instanceof ArrayBuffer,
      isAnyArrayBuffer: (value) => value instanceof ArrayBuffer, isSharedArrayBuffer: () => false, isTypedArray: (value) => ArrayBuffer.isView(value) && !(value instanceof DataView),
      isArrayBufferView: (value) => ArrayBuffer.isView(value), isDataView: (value) => value instanceof DataView, isProxy: () => true, isDate: (value) => value instanceof Date,
      isRegExp: (value) => value instanceof RegExp, isNativeError: (value) => value instanceof Error, isPromise: (value) => value instanceof Promise,
      isGeneratorFunction: () => false, isAsyncFunction: () => false }`,
  stream: `class Stream {} module.exports = { Stream, Readable: class extends Stream {}, Writable: class extends Stream {}, Duplex: class extends Stream {}, Transform: class extends Stream {}, PassThrough: class extends Stream {},
      finished() {}, pipeline() {}, isDisturbed: (stream) => stream?._disturbed === true, isErrored: (stream) => stream?._state === 'errored' , isReadable: () => true }`,
  'stream/web': 'module.exports = {}',
  events: `class EventEmitter { on() { return this } once() { return this } off() { return this } emit() { return false } removeListener() { return this } } module.exports = Object.assign(EventEmitter, { EventEmitter, addAbortListener: (signal, then) => { signal.addEventListener('abort', then, { once: true }); return { [Symbol.dispose]: () => signal.removeEventListener('abort', then) } }, once() {}, setMaxListeners() {}, getMaxListeners: () => 0, defaultMaxListeners: 0 })`,
  crypto:
    'module.exports = { randomInt: (min, max) => max === undefined ? Math.floor(Math.random() * min) : min + Math.floor(Math.random() * (max - min)) }',
  perf_hooks: 'module.exports = { get performance() { return performance } }',
  worker_threads: 'module.exports = { markAsUncloneable() {} }',
  http: 'module.exports = { IncomingMessage: class {} }',
  net: 'module.exports = { isIP: () => 0 }',
  querystring: 'module.exports = { stringify: (value) => String(new URLSearchParams(value)) }',
  buffer: 'module.exports = { get Blob() { return Blob }, get File() { return File }, isUtf8: () => true }',
};

export const nodeStubs: Plugin = {
  name: 'node-stubs',
  setup(build) {
    build.onResolve({ filter: /^node:/ }, ({ path }) => ({ path: path.slice('node:'.length), namespace: NAMESPACE }));
    build.onLoad({ filter: /.*/, namespace: NAMESPACE }, ({ path }) => ({ contents: STUBS[path] ?? nothing, loader: 'js' }));
  },
};
