/** The kinds of effects are those that the SDK makes: a kind that no agent can make, or that is made otherwise than said here, is an error. */
import { expect, test } from 'vitest';
import type { Effect } from '@corral/protocol/wire/effect';
import { isolate, message, type Seen } from './fixtures/isolate.ts';

/** The code with which an agent makes each kind. `input.kept` is a handle; the run receives one request while it waits. */
const MADE: Readonly<Record<Effect['kind'], string>> = {
  call: `void caps.t({})`,
  open: `void open(input.kept)`,
  drop: `input.kept.dispose()`,
  send: `void mailbox.send(1)`,
  reply: `(await messages.next()).reply(1)`,
  spawn: `spawn(kid, {})`,
  timer: `void sleep(5)`,
  pull: `void caps.t.stream({}).next()`,
  abort: `clearTimeout(setTimeout(() => 1, 5))`,
  dispose: `caps.t.dispose()`,
  listen: `await messages.next()`,
  emit: `emit('event')`,
  log: `log('line')`,
  checkpoint: `await checkpoint(1)`,
  finish: `return 1`,
};

test.each(Object.entries(MADE))('%s: %s', (kind, code) => {
  const one = isolate(code);
  const first = one.start({ input: { kept: null }, handles: [{ path: ['input', 'kept'], type: 'object', bytes: 2 }] });
  const isOver = first.some((effect) => effect.kind === 'finish' || effect.kind === 'checkpoint');
  const effects: readonly Seen[] = isOver ? first : [...first, ...one.crank({ ...message('hi'), request: 1 })];
  expect(effects.map((effect) => effect.kind)).toContain(kind);
});
