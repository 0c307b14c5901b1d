/**
 * Everything that an object holds, private fields too, as a plain tree that can be compared. The fields are enumerated and not listed,
 * so that one which is added later is compared as well. Private ones are read through the inspector, since nothing else can.
 */
import { Session } from 'node:inspector';

interface Property {
  readonly name: string;
  readonly value?: { readonly objectId?: string; readonly value?: unknown };
}

const session = new Session();
session.connect();
const HANDOVER = Symbol.for('fields');
const holder = globalThis as { [HANDOVER]?: unknown };

function post<T>(method: string, params: object): T {
  let answer: T | undefined;
  let failure: Error | null = null;
  session.post(method, params, (error, result) => {
    failure = error;
    answer = result as T;
  });
  if (failure !== null) throw failure as Error;
  return answer as T;
}

/** Private fields of an object, by their names. */
function privates(of: object): [string, unknown][] {
  holder[HANDOVER] = of;
  const { result } = post<{ result: { objectId: string } }>('Runtime.evaluate', { expression: "globalThis[Symbol.for('fields')]" });
  const { privateProperties = [] } = post<{ privateProperties?: Property[] }>('Runtime.getProperties', {
    objectId: result.objectId,
    ownProperties: true,
  });
  const found = privateProperties.flatMap(({ name, value }): [string, unknown][] => {
    // Methods and accessors have no value of their own.
    if (value === undefined) return [];
    if (value.objectId === undefined) return [[name, value.value]];
    post('Runtime.callFunctionOn', {
      objectId: value.objectId,
      functionDeclaration: "function () { globalThis[Symbol.for('fields')] = this; }",
    });
    return typeof holder[HANDOVER] === 'function' ? [] : [[name, holder[HANDOVER]]];
  });
  post('Runtime.releaseObject', { objectId: result.objectId });
  return found;
}

/**
 * @param without is told the path of each field, such as `wall.#mark`; what it says yes to is left out
 */
export function fieldsOf(value: unknown, without: (path: string) => boolean = () => false): unknown {
  const above = new Set<object>();
  const walk = (one: unknown, path: string): unknown => {
    if (typeof one === 'function') return undefined;
    if (typeof one !== 'object' || one === null) return one;
    if (above.has(one)) return '(above)';
    above.add(one);
    try {
      if (one instanceof Map) return { Map: [...one].map(([key, item]) => [walk(key, path), walk(item, `${path}[]`)]) };
      if (one instanceof Set) return { Set: [...one].map((item) => walk(item, `${path}[]`)) };
      if (ArrayBuffer.isView(one)) return Buffer.from(one.buffer, one.byteOffset, one.byteLength).toString('base64');
      if (Array.isArray(one)) return one.map((item) => walk(item, `${path}[]`));
      const plain = Object.getPrototypeOf(one) === Object.prototype || Object.getPrototypeOf(one) === null;
      const members = [...Object.entries(one), ...(plain ? [] : privates(one))];
      return Object.fromEntries(
        members.flatMap(([name, item]) => {
          const at = path === '' ? name : `${path}.${name}`;
          const known = without(at) || item === undefined ? undefined : walk(item, at);
          return known === undefined ? [] : [[name, known]];
        }),
      );
    } finally {
      above.delete(one);
    }
  };
  return walk(value, '');
}
