/** A parent that gives children parts of its memories, by each kind of predicate; they say what lists and recalls show them. */
import { defineAgent } from '@corral/guest';

const code = (error: unknown) => (error as { code: string }).code;
const textOf = (names: readonly string[]) => names.toSorted().join(' ');

const looks = defineAgent({
  name: 'looks',
  uses: { notes: 'kv:notes', papers: 'files:papers', facts: 'memory:facts' },
  async run({ caps: { notes, papers, facts } }) {
    const keys = (key: string) => notes.list({ key }).then(({ items }) => textOf(items.map((one) => one.key)), code);
    const paths = (path: string) => papers.list({ path }).then(({ items }) => textOf(items.map((one) => one.path)), code);
    const topics = (about: string) => facts.recall({ about }).then(({ items }) => textOf(items.map((one) => one.about)), code);
    return {
      keys: await Promise.all(['', 'orders/7', 'users/1'].map(keys)),
      paths: await Promise.all(['.', 'may'].map(paths)),
      topics: await Promise.all(['', 'debts'].map(topics)),
      words: await facts.recall({ about: 'debts', words: 'money' }).then(({ items }) => textOf(items.map((one) => one.about)), code),
    };
  },
});

export default defineAgent({
  name: 'narrows',
  uses: { notes: 'kv:notes', papers: 'files:papers', facts: 'memory:facts' },
  spawns: { looks },
  async run({ caps: { notes, papers, facts }, spawn }) {
    for (const key of ['orders/7', 'orders/70', 'users/1', 'users/1/a', 'users/10/a', 'users/1/../2/a', 'x'])
      await notes.put({ key, value: 1 });
    for (const path of ['may', 'may/a', 'may/b', 'may2/a']) await papers.write({ path, text: 'x' });
    for (const about of ['', 'debts', 'debts/acme', 'debts2']) await facts.remember({ text: 'owes money', about });
    const narrowed = [
      { key: { equals: 'orders/7' }, path: { equals: 'may/a' }, about: { equals: 'debts' } },
      { key: { in: ['', 'orders/7', 'users/1'] }, path: { in: ['may', 'may/b'] }, about: { in: ['', 'debts'] } },
      { key: { under: 'users/1' }, path: { under: 'may' }, about: { under: 'debts' } },
      { key: { max_length: 8 }, path: { prefix: 'may' }, about: { max_length: 5 } },
    ];
    const seen = [];
    for (const { key, path, about } of narrowed) {
      const given = {
        notes: notes.attenuate({ where: { key } }),
        papers: papers.attenuate({ where: { path } }),
        facts: facts.attenuate({ where: { about } }),
      };
      const end = await spawn(looks, {}, { caps: given }).ended;
      seen.push(end.kind === 'completed' ? end.output : end);
    }
    return seen;
  },
});
