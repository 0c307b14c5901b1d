/** Goes on from a state that holds some of its handles, and tries one that it left out, by its index. */
import { defineAgent, type Handle } from '@corral/guest';
import { codeOf } from '../outcomes.ts';
import { uses } from './uses.ts';

export default defineAgent({
  name: 'planner',
  uses,
  async run({ input, caps, open, checkpoint, state }) {
    if (state === undefined) {
      const h = await caps.mail.handle({});
      (globalThis as { lost?: unknown }).lost = await caps.mail.handle({});
      await checkpoint({ list: [1, h.part('text')], h });
    }
    const { list, h } = state as { list: [number, Handle<string>]; h: Handle };
    await caps.pay({ to: 'someone-new', amount: 3 });
    const { corral } = globalThis as unknown as { corral: { effect: (one: object) => Promise<unknown> } };
    const lost = await corral.effect({ kind: 'open', id: 'next', handle: 2 }).catch(codeOf);
    await caps.send({ to: (input as { to: string }).to, text: list[1] });
    const fresh = await caps.mail.handle({});
    const texts = [await open(list[1]), await open(fresh.part('text'))];
    return [lost, list[1].type, h.type, ...texts, await caps.pay({ to: 'other', amount: 1 }).catch(codeOf)];
  },
});
