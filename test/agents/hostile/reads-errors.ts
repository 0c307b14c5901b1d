/** Gives handles to tools that fail and repeat their input in what they say. It gains the words of a handle that it never opened. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'a',
  onUnknown: 'tell',
  uses: { mail: 'tool:mail.read', fails: 'tool:fails', loses: 'tool:loses', broken: 'tool:broken' },
  async run({ caps }) {
    const h = await caps.mail.handle({});
    const text = h.part('text');
    const tried: string[] = [];
    for (const one of [() => caps.fails(h), () => caps.fails({ text }), () => caps.loses({ text }), () => caps.broken.handle({})])
      tried.push(await one().catch((e: { code: string; message: string }) => e.code + e.message));
    return tried;
  },
});
