/** Uses every verb of the memories, and says what each answered. */
import { defineAgent } from '@corral/guest';

const code = (error: unknown) => (error as { code: string }).code;

export default defineAgent({
  name: 'verbs',
  uses: { notes: 'kv:notes', papers: 'files:papers', facts: 'memory:facts' },
  async run({ caps: { notes, papers, facts } }) {
    const first = await notes.put({ key: 'n', value: { a: [1, null, 'x'] }, version: 0 });
    const lost = await notes.put({ key: 'n', value: 2, version: 0 });
    const won = await notes.put({ key: 'n', value: 3, version: first.version });
    for (let i = 0; i < 5; i++) await notes.put({ key: `page/${i}`, value: { i } });
    const one = await notes.list({ key: 'page/', limit: 3 });
    const two = await notes.list({ key: 'page/', limit: 3, ...(one.next === undefined ? {} : { after: one.next }) });
    const value = (await notes.get({ key: 'page/4' }))?.value as unknown;
    const gone = await notes.delete({ key: 'n' });
    const kv = {
      lost,
      won: won.done,
      gone: gone.done,
      twice: (await notes.delete({ key: 'n' })).done,
      value,
      after: await notes.get({ key: 'n' }),
    };

    await papers.write({ path: 'a//b/./c.txt', text: 'ünï' });
    await papers.write({ path: 'a/bytes', text: 'AAH/', encoding: 'base64' });
    const long = 'é'.repeat(100_000);
    await papers.write({ path: 'long', text: long });
    let text = '';
    for (let offset: number | undefined = 0; offset !== undefined;) {
      const part = await papers.read({ path: 'long', offset });
      text += part?.text ?? '';
      offset = part?.next;
    }
    const files = {
      text: (await papers.read({ path: 'a/b/c.txt' }))?.text,
      bytes: (await papers.read({ path: 'a/bytes', encoding: 'base64' }))?.text,
      whole: text === long,
      below: (await papers.list({ path: 'a' })).items.map(({ path }) => path),
      refused: [
        await papers.read({ path: '../x' }).catch(code),
        await papers.read({ path: '/etc/passwd' }).catch(code),
        await papers.write({ path: 'x', text: '!', encoding: 'base64' }).catch(code),
        await notes.put({ key: 'a\u0000b', value: 1 }).catch(code),
      ],
      removed: (await papers.remove({ path: 'a/../long' })).done,
      after: await papers.read({ path: 'long' }),
    };

    await facts.remember({ text: 'Acme pays late', about: 'customers/acme' });
    const { id } = await facts.remember({ text: 'Brix pays at once', about: 'customers/brix' });
    const found = async (of: { readonly words?: string; readonly about?: string }) =>
      (await facts.recall(of)).items.map((each) => each.text);
    const texts = {
      best: await found({ words: 'who PAYS late?', about: 'customers' }),
      below: await found({ about: 'customers/brix' }),
      elsewhere: (await facts.forget({ id })).done,
      forgot: (await facts.forget({ id, about: 'customers/brix' })).done,
      after: await found({ words: 'pays', about: 'customers' }),
    };
    return { kv, pages: [one, two].map(({ items, next }) => [items.length, next ?? null]), files, texts };
  },
});
