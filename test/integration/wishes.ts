/** Makes effects at random for a run, out of what the run has. */
import type { Effect } from '@corral/protocol/wire/effect';
import type { Tool } from '@corral/protocol/ports/tool';

const ANYTHING: Tool['input'] = { schema: {}, check: (value) => ({ ok: true, value }) };
const tool = (name: string, annotations: Partial<Tool['annotations']>): Tool => ({
  name,
  description: name,
  input: ANYTHING,
  output: ANYTHING,
  streams: true,
  annotations: {
    readOnly: false,
    idempotent: false,
    destructive: false,
    openWorld: true,
    repeatable: false,
    returns: 'trusted',
    ...annotations,
  },
  // The property makes up the results.
  invoke: () => new Promise(() => undefined),
});
export const TOOLS: Readonly<Record<string, Tool>> = {
  read: tool('read', { readOnly: true, repeatable: true, returns: 'untrusted', private_to: 'user:1' }),
  know: tool('know', { readOnly: true, repeatable: true, costs: { tokens: 7 } }),
  pay: tool('pay', { money: 'amount', destinations: ['to'], costs: { money_micros: 3 } }),
  mail: tool('mail', { destinations: ['to'] }),
};
export const NAMES = Object.keys(TOOLS);

export type Kind = Effect['kind'];
export interface Wish {
  readonly kind: Kind;
  readonly n: number;
  readonly m: number;
}
/** Facts about the run that an effect can refer to, besides two random numbers. */
export interface Material extends Wish {
  /** The number of the last effect with a reply, and the next number, once for each call. */
  readonly last: number;
  readonly next: () => number;
  /** One of the run's handles, if it has any. */
  readonly handle: number | undefined;
  /** A request that the run has not answered, if there is one. */
  readonly asked: () => string | undefined;
  /** Calls whose streams are open, those of this crank included. */
  readonly streams: number[];
  /** The next index of its c-list. */
  readonly caps: number;
}
/** Makes the effects of a wish, by kind: none if the run has nothing to make it of. */
export const MAKERS: Readonly<Record<Kind, (of: Material) => object[]>> = {
  call({ kind, n, m, next, handle, streams }) {
    const held = handle !== undefined && n % 3 === 0;
    const input = {
      to: `somebody${m % 4}@example.com`,
      amount: (m % 50) / 100,
      note: `ref A${n % 50}-77${n % 13}`,
      ...(held ? { in: null } : {}),
    };
    const id = next();
    if (m % 4 === 1) streams.push(id);
    return [
      {
        kind,
        id,
        cap: 1 + (n % NAMES.length),
        input,
        ...(held ? { handles: [{ path: ['input', 'in'], handle }] } : {}),
        ...(m % 4 === 0 ? { as_handle: true } : {}),
        ...(m % 4 === 1 ? { stream: true } : {}),
        ...(m % 3 === 0 ? { timeout_ms: 9_000 } : {}),
      },
    ];
  },
  send: ({ kind, n, m, next }) => [
    {
      kind,
      id: next(),
      cap: 1 + NAMES.length,
      body: { n },
      ...(m % 2 === 0 ? { request: {} } : {}),
      ...(m % 3 === 0 ? { caps: { x: { cap: 2, uses: 3 } } } : {}),
    },
  ],
  spawn: ({ kind, n, next }) => [{ kind, id: next(), agent: n % 5 === 0 ? 'nobody' : 'kid', input: n, caps: {}, budget: { calls: 1 } }],
  timer: ({ kind, n, next }) => [{ kind, id: next(), ms: n }],
  open: ({ kind, next, handle }) => (handle === undefined ? [] : [{ kind, id: next(), handle }]),
  drop: ({ kind, handle }) => (handle === undefined ? [] : [{ kind, handle }]),
  pull: ({ kind, n, streams }) => (streams.length === 0 ? [] : [{ kind, id: streams[n % streams.length] }]),
  abort: ({ kind, n, last }) => (last > 0 ? [{ kind, id: 1 + (n % last) }] : []),
  dispose: ({ kind, n, m, caps }) => (n % 7 === 0 ? [{ kind, cap: 1 + (m % (caps - 1)) }] : []),
  reply({ kind, n, asked }) {
    const to = asked();
    return to === undefined ? [] : [{ kind, to, value: n }];
  },
  listen: ({ kind, n }) => [{ kind, on: n % 2 === 0 }],
  log: ({ kind, n }) => [{ kind, level: 'info', text: 'x'.repeat(n % 30) }],
  emit: ({ kind, n }) => [{ kind, event: 'e', data: n }],
  // Made when the run is given a message and waits for nothing.
  checkpoint: () => [],
  // The books of a run that is over are not compared.
  finish: () => [],
};
