/** Tries what a part of a handle is like, without opening it, and then pays as a clean run. It gains the part, one answer at a time. */
import { defineAgent, type Attenuation, type Grantable } from '@corral/guest';
import { code, type Given } from '../code.ts';
import { uses } from '../handles/uses.ts';

interface Job {
  readonly probe: string;
  /** Bytes of its purse that it has left when it probes; absent: all. */
  readonly left?: number;
}

/** Holds what its parent does not want to have. */
const holder = defineAgent({ name: 'holder', run: ({ messages }) => messages.next() });

export default defineAgent({
  name: 'planner',
  uses,
  spawns: { holder },
  async run({ input, caps, mailbox, messages, open, spawn }) {
    const { probe, left } = input as Job;
    const give = (bytes: number) => spawn(holder, null, { budget: { bytes } });
    const keep = async (bytes: number): Promise<void> => {
      const refusal = await give(2 ** 40).ended;
      const all = Number(/(\d+) of \d+ are left/.exec(JSON.stringify(refusal))?.[1]);
      give(all - bytes);
    };
    const limit = async (cap: Grantable, terms: Attenuation): Promise<Given> => {
      await mailbox.send('', { caps: { it: cap.attenuate(terms) } });
      return (await messages.next()).caps['it'];
    };
    const pay = await limit(caps.pay, { only_clean: true });
    const few = await limit(caps.send, { bytes: 60 });
    const many = await limit(caps.send, { bytes: 6_000 });
    const h = await caps.mail.handle({});
    const to = 'ann@example.com';
    if (left !== undefined) await keep(left);
    const probes: Readonly<Record<string, () => Promise<unknown>>> = {
      'opens it': () => open(h.part('text')),
      'opens nothing': () => open(h.part('nothing')),
      'sends nothing': () => caps.send({ to, text: h.part('nothing') }),
      'tells nothing': () => mailbox.send({ a: h.part('nothing') }),
      'sends by few bytes': () => few({ to, text: h.part('text') }),
      'sends by many bytes': () => many({ to, text: h.part('text') }),
      'passes it on': () => caps.send({ to, text: h.part('text') }),
    };
    const said = await code(probes[probe]?.() ?? Promise.reject(new Error(probe)));
    return [said, await code(pay({ to, amount: 1 }))];
  },
});
