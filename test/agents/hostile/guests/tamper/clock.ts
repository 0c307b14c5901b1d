/** Replaces `Reflect.construct` and asks for the time. It gains the machine’s clock, by which it measures what others do. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'completed', output: true };

export default defineAgent({
  name: 'clock',
  ceilings: { wall_ms: 20_000 },
  run() {
    let Real: unknown;
    const { construct } = Reflect;
    Reflect.construct = ((target: never, args: never, as: never) => {
      Real ??= target;
      return construct(target, args, as);
    }) as never;
    const before = new Date().getTime();
    const found = Real as (new () => Date) | undefined;
    let x = 0;
    for (let i = 0; i < 3e7; i++) x += i;
    const after = found === undefined ? before : new found().getTime();
    return after === before && x > 0;
  },
});
