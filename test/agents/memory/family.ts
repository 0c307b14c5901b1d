/** A parent that gives its child a part of its memory. */
import { defineAgent } from '@corral/guest';

const code = (error: unknown) => (error as { code: string }).code;

const child = defineAgent({
  name: 'child',
  uses: { notes: 'kv:notes' },
  async run({ caps: { notes } }) {
    return [
      await notes.put({ key: 'child/a', value: 1 }).then(({ done }) => done, code),
      await notes.put({ key: 'other', value: 1 }).catch(code),
      await notes.list({ key: 'child/' }).then(({ items }) => items.length, code),
      await notes.list({}).catch(code),
      await notes.delete({ key: 'child/a' }).then(({ done }) => done, code),
    ];
  },
});

export default defineAgent({
  name: 'parent',
  uses: { notes: 'kv:notes' },
  spawns: { child },
  async run({ caps: { notes }, spawn }) {
    await notes.put({ key: 'child/z', value: 7 });
    const below = notes.attenuate({ where: { key: { prefix: 'child/' } } });
    const ends = [];
    for (const given of [below, below.attenuate({ rights: ['read'] })]) ends.push(await spawn(child, {}, { caps: { notes: given } }).ended);
    const kept = (await notes.get({ key: 'child/z' }))?.value as unknown;
    return { kept, children: ends.map((end) => (end.kind === 'completed' ? end.output : end)) };
  },
});
