/**
 * Binds the prelude to V8's own functions as they are at birth, so that an agent which replaces one (`Array.prototype.push`, the
 * iterator of arrays, `Object.keys`) changes its own code and not the prelude's. The prelude is written in plain TypeScript; this
 * rewrites it when the image is built, and stops the build at what it cannot bind:
 *
 * - Globals and their functions (`Map`, `Object.keys`) are taken once, by a module that esbuild injects.
 * - Methods, loops, spreads, `await`, `instanceof` and writes to computed members become calls of prelude/bound.ts.
 * - Descriptors and handlers of proxies get no prototype, because V8 reads `get` from them.
 *
 * packages/cell/src/tampering.test.ts replaces every function and looks who calls it.
 */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { transformSync, type Plugin, type PluginBuild } from 'esbuild';
import { parseSync } from 'oxc-parser';

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [member: string]: unknown;
}
const isNode = (value: unknown): value is Node => typeof (value as Node | null)?.type === 'string';

/** The globals of the language with functions of their own; a host like Node has more, which no isolate has. */
const SPACES = `Object Function Array Number String Boolean Symbol BigInt Date Promise RegExp Error AggregateError EvalError RangeError
  ReferenceError SyntaxError TypeError URIError ArrayBuffer DataView Map Set WeakMap WeakSet Proxy Iterator Int8Array Uint8Array
  Reflect JSON Math Intl`.split(/\s+/);
const GLOBALS = globalThis as unknown as Readonly<Record<string, Readonly<Record<string, unknown>> & { readonly prototype?: object }>>;

/** Names of the methods of V8's objects. */
const METHODS = new Set(
  [...SPACES.map((name) => GLOBALS[name]?.prototype), Object.getPrototypeOf(Uint8Array.prototype) as object].flatMap((prototype) =>
    prototype === undefined ? [] : Object.getOwnPropertyNames(prototype),
  ),
);
/** Methods of the prelude's own classes, which no agent holds, that are called as some of V8's are. */
const OWN_METHODS = new Set(['take', 'message', 'return', 'next']);
/** Properties that V8 computes. */
const ACCESSORS = new Set(['size']);

/** The module that takes V8's globals and their functions. Unused ones are dropped by esbuild. */
function intrinsics(): string {
  const lines: string[] = [];
  const exported: string[] = [];
  for (const space of SPACES) {
    const value = GLOBALS[space] ?? {};
    lines.push(`const ${space}_ = ${space};`);
    exported.push(`${space}_ as ${space}`);
    for (const name of Object.getOwnPropertyNames(value)) {
      if (typeof value[name] !== 'function' || /^[A-Z]/.test(name) || name === 'constructor') continue;
      // Bound where the function needs its class.
      const taken = space === 'Promise' ? `${space}_.${name}.bind(${space}_)` : `(() => ${space}_.${name})()`;
      lines.push(`const ${space}_${name} = /* @__PURE__ */ ${taken};`);
      exported.push(`${space}_${name} as '${space}.${name}'`);
    }
  }
  return `${lines.join('\n')}\nexport { ${exported.join(', ')} };`;
}

/** Edits of a text: pieces put before and after positions, and ranges that are replaced. */
class Edits {
  readonly #before = new Map<number, string>();
  readonly #after = new Map<number, string>();
  readonly #instead = new Map<number, { readonly end: number; readonly text: string }>();

  /** The outer one of two nodes that begin at one position is visited first. */
  wrap(node: Node, open: string, close: string): void {
    this.#before.set(node.start, (this.#before.get(node.start) ?? '') + open);
    this.#after.set(node.end, close + (this.#after.get(node.end) ?? ''));
  }
  replace(start: number, end: number, text: string): void {
    this.#instead.set(start, { end, text });
  }
  apply(source: string): string {
    let made = '';
    for (let at = 0; at <= source.length;) {
      made += this.#after.get(at) ?? '';
      const instead = this.#instead.get(at);
      made += instead === undefined ? (this.#before.get(at) ?? '') + (source[at] ?? '') : instead.text;
      at = instead?.end ?? at + 1;
    }
    return made;
  }
}

/** Rewrites one file. */
class Binder {
  readonly #source: string;
  readonly #file: string;
  readonly #known: ReadonlySet<string>;
  readonly #edits = new Edits();
  readonly #used = new Set<string>();
  /** Whether each function around a node is async, the inner one last. */
  readonly #isAsync: boolean[] = [];
  #loops = 0;

  constructor(source: string, file: string, known: ReadonlySet<string>) {
    this.#source = source;
    this.#file = file;
    this.#known = known;
  }

  bind(): string {
    this.#visit(parseSync(this.#file, this.#source).program as unknown as Node, undefined);
    const imports = this.#used.size === 0 ? '' : `import { ${[...this.#used].join(', ')} } from './bound.ts';\n`;
    return imports + this.#edits.apply(this.#source);
  }

  #fail(node: Node, why: string): never {
    throw new Error(`${this.#file}: ${this.#source.slice(node.start, node.end).slice(0, 120)}: ${why}`);
  }

  #use(node: Node, name: string): string {
    if (!this.#known.has(name)) this.#fail(node, `prelude/bound.ts has no ${name}. Write one, or say it in another way.`);
    this.#used.add(name);
    return name;
  }

  #visit(node: Node, parent: Node | undefined): void {
    const isFunction = FUNCTIONS.has(node.type);
    if (isFunction) this.#isAsync.push(node['async'] === true);
    this.#look(node, parent);
    for (const [member, value] of Object.entries(node)) {
      if (member === 'type' || (member === 'left' && node.type === 'ForOfStatement')) continue;
      for (const child of Array.isArray(value) ? (value as unknown[]) : [value]) if (isNode(child)) this.#visit(child, node);
    }
    if (isFunction) this.#isAsync.pop();
  }

  #look(node: Node, parent: Node | undefined): void {
    switch (node.type) {
      case 'CallExpression':
        return this.#call(node);
      case 'NewExpression':
        return this.#make(node);
      case 'MemberExpression':
        return this.#member(node, parent);
      case 'ForOfStatement':
        return this.#loop(node);
      case 'SpreadElement':
        return parent?.type === 'ObjectExpression' ? undefined : this.#wrap(node['argument'] as Node, '$each');
      case 'ReturnStatement':
        return this.#returned(node);
      case 'AwaitExpression':
        return this.#wrap(node['argument'] as Node, '$awaited');
      case 'ArrayPattern':
        return this.#pattern(node);
      case 'Literal':
        return node['regex'] === undefined ? undefined : this.#edits.wrap(node, `${this.#use(node, '$regexp')}(() => `, ')');
      case 'BinaryExpression':
        if (node['operator'] === 'in') this.#fail(node, 'use Object.hasOwn or Reflect.has, which say what is meant.');
        return node['operator'] === 'instanceof' ? this.#infix(node, '$isA') : undefined;
      case 'AssignmentExpression':
        return this.#assignment(node);
      case 'ArrowFunctionExpression':
        return node['async'] === true && node['expression'] === true ? this.#wrap(node['body'] as Node, '$returned') : undefined;
      case 'YieldExpression':
      case 'TaggedTemplateExpression':
        return this.#fail(node, 'this cannot be bound.');
    }
  }

  /** A promise that an async function returns is asked for its `then`. */
  #returned(node: Node): void {
    const value = node['argument'] as Node | null;
    if (value !== null && this.#isAsync.at(-1) === true) this.#wrap(value, '$returned');
  }

  #wrap(node: Node, name: string): void {
    this.#edits.wrap(node, `${this.#use(node, name)}(`, ')');
  }

  /** `for (const x of list) body` becomes a loop by index, with `const x` in its body. */
  #loop(node: Node): void {
    const [left, right, body] = [node['left'], node['right'], node['body']] as [Node, Node, Node];
    if (node['await'] === true || left.type !== 'VariableDeclaration') this.#fail(node, 'this loop cannot be bound.');
    this.#loops += 1;
    const [list, at] = [`$list${this.#loops}`, `$at${this.#loops}`];
    const declaration = `${this.#source.slice(left.start, left.end)} = `;
    const bound = new Binder(`${declaration}0`, this.#file, this.#known).bind().slice(0, -1);
    this.#edits.replace(node.start, right.start, `for (let ${list} = ${this.#use(node, '$list')}(`);
    this.#edits.replace(right.end, body.start, `), ${at} = 0; ${at} < ${list}.length; ${at}++) { ${bound}${list}[${at}]; `);
    this.#edits.wrap(body, '', ' }');
  }

  #infix(node: Node, name: string): void {
    this.#wrap(node, name);
    this.#edits.replace((node['left'] as Node).end, (node['right'] as Node).start, ', ');
  }

  #call(node: Node): void {
    const callee = node['callee'] as Node;
    const [first, second, third] = node['arguments'] as Node[];
    if (callee['name'] === 'defineProperty' && third?.type === 'ObjectExpression') return this.#define(node, third);
    if (callee.type !== 'MemberExpression' || callee['computed'] === true) return;
    const { name } = callee['property'] as Node & { name: string };
    const object = callee['object'] as Node & { name?: string };
    if (object.type === 'Identifier' && SPACES.includes(object.name ?? '')) {
      if (name === 'defineProperty' && third?.type === 'ObjectExpression') return this.#define(node, third);
      if (name === 'defineProperties' || name === 'assign') this.#fail(node, 'this meets setters and getters of Object.prototype.');
      if (name === 'fromEntries' && first !== undefined) this.#wrap(first, '$each');
      return;
    }
    if (object.type === 'Super') this.#fail(node, 'a method of a superclass is found by its name.');
    const isPrivate = (callee['property'] as Node).type === 'PrivateIdentifier';
    if (isPrivate || !METHODS.has(name) || OWN_METHODS.has(name)) return;
    if (callee['optional'] === true || node['optional'] === true) this.#fail(node, 'an optional call cannot be bound.');
    if (name === 'replace' || (name === 'split' && second !== undefined)) this.#fail(node, 'this asks its argument for a method.');
    this.#edits.wrap(node, `${this.#use(node, `$${name}`)}(`, '');
    const end = first?.start ?? this.#source.indexOf('(', (callee['property'] as Node).end) + 1;
    this.#edits.replace(object.end, end, first === undefined ? '' : ', ');
  }

  #make(node: Node): void {
    const { name } = node['callee'] as Node & { name?: string };
    const [first, second] = node['arguments'] as Node[];
    if (name === 'Proxy' && second?.type === 'ObjectExpression') this.#withoutPrototype(second);
    if (first !== undefined && ['Map', 'Set', 'WeakMap', 'WeakSet'].includes(name ?? ''))
      this.#fail(node, 'a collection that is made of something calls its own methods.');
  }

  /**
   * V8 takes about a microsecond to make an object without a prototype, and the birth of an isolate defines many properties. So a descriptor
   * of a property as V8's own are is made once, in prelude/bound.ts.
   */
  #define(node: Node, literal: Node): void {
    const members = (literal['properties'] as Node[]).map((one) => [(one['key'] as { name?: string }).name, one['value'] as Node] as const);
    const said = (name: string) => members.find(([member]) => member === name)?.[1];
    const given = said('value') === undefined ? [said('get'), said('set')] : [said('value')];
    const flags = members
      .filter(([, value]) => typeof value['value'] === 'boolean')
      .map(([name, { value }]) => `${name}: ${value as boolean}`);
    const rest = `${given.length === 1 ? 'writable: true, ' : ''}enumerable: false, configurable: true`;
    if (
      !given.every((value) => value?.type === 'Identifier') ||
      flags.join(', ') !== rest ||
      members.length !== given.length + flags.length
    )
      return this.#withoutPrototype(literal);
    const callee = node['callee'] as Node;
    this.#edits.replace(callee.start, callee.end, this.#use(node, given.length === 1 ? '$hide' : '$access'));
    this.#edits.replace(literal.start, literal.end, given.map((value) => this.#source.slice(value?.start, value?.end)).join(', '));
  }

  #withoutPrototype(literal: Node): void {
    this.#edits.replace(literal.start, literal.start + 1, '{ __proto__: null, ');
  }

  #member(node: Node, parent: Node | undefined): void {
    const { name } = node['property'] as Node & { name?: string };
    if (node['computed'] === true || name === undefined || !ACCESSORS.has(name)) return;
    if (parent?.type === 'AssignmentExpression' && parent['left'] === node) return;
    this.#edits.wrap(node, `${this.#use(node, `$${name}`)}(`, '');
    this.#edits.replace((node['object'] as Node).end, node.end, ')');
  }

  /** `[a, b]` asks for an iterator; `{ 0: a, 1: b }` does not. */
  #pattern(node: Node): void {
    this.#edits.replace(node.start, node.start + 1, '{');
    this.#edits.replace(node.end - 1, node.end, '}');
    for (const [i, element] of (node['elements'] as (Node | null)[]).entries()) {
      if (element === null) continue;
      if (element.type === 'RestElement') this.#fail(node, 'the rest of a list is taken by slice.');
      this.#edits.wrap(element, `${i}: `, '');
    }
  }

  /** A write to a member that may be new would meet setters of Object.prototype. */
  #assignment(node: Node): void {
    const left = node['left'] as Node;
    if (left.type !== 'MemberExpression' || left['computed'] !== true || node['operator'] !== '=') return;
    this.#wrap(node, '$put');
    this.#edits.replace((left['object'] as Node).end, (left['property'] as Node).start, ', ');
    this.#edits.replace((left['property'] as Node).end, (node['right'] as Node).start, ', ');
  }
}

const FUNCTIONS = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression']);
const PRELUDE = /[\\/]guest[\\/]src[\\/]prelude[\\/][a-z-]+\.ts$/;
const INTRINSICS = 'intrinsics-of-v8';

/** For esbuild: injects what V8's globals and their functions are when the script is evaluated. */
export const bindGlobals: Plugin = { name: 'bind-globals', setup: injectGlobals };

function injectGlobals(build: PluginBuild): void {
  build.initialOptions.inject = [...(build.initialOptions.inject ?? []), INTRINSICS];
  build.onResolve({ filter: new RegExp(`^${INTRINSICS}$`) }, ({ path }) => ({ path, namespace: INTRINSICS }));
  build.onLoad({ filter: /.*/, namespace: INTRINSICS }, () => ({ contents: intrinsics(), loader: 'js' }));
}

/** For esbuild: binds the files of the prelude, and injects what their globals are. @param folder of the prelude */
export function bindPrelude(folder: string): Plugin {
  const known = new Set(
    [...readFileSync(`${folder}/bound.ts`, 'utf8').matchAll(/^export const (\$\w+)/gm)].map(([, name]) => name as string),
  );
  return {
    name: 'bind-prelude',
    setup(build) {
      injectGlobals(build);
      build.onLoad({ filter: PRELUDE }, ({ path }) => {
        const text = readFileSync(path, 'utf8');
        if (basename(path) === 'bound.ts') return { contents: text, loader: 'ts' };
        const { code } = transformSync(text, {
          loader: 'ts',
          target: 'es2024',
          tsconfigRaw: { compilerOptions: { useDefineForClassFields: true } },
        });
        return { contents: new Binder(code, basename(path), known).bind(), loader: 'js' };
      });
    },
  };
}
