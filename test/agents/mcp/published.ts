/** Uses three published servers: adds, writes and reads files, and remembers. */
import { defineAgent } from '@corral/guest';

type Text = { content: [{ text: string }] };

export default defineAgent({
  name: 'published',
  onUnknown: 'tell',
  uses: {
    sum: 'tool:everything.get-sum',
    read: 'tool:files.read_text_file',
    write: 'tool:files.write_file',
    add: 'tool:memory.create_entities',
    find: 'tool:memory.search_nodes',
  },
  async run({ input, caps }) {
    const folder = input as string;
    await caps.add({ entities: [{ name: 'Ana', entityType: 'person', observations: ['likes tea'] }] });
    await caps.write({ path: `${folder}/new.txt`, content: 'new' });
    const refused = await caps.read({ path: '/etc/hostname' }).catch((error: Error) => error.message);
    const sum = ((await caps.sum({ a: 2, b: 3 })) as Text).content[0].text;
    const hello = ((await caps.read({ path: `${folder}/hello.txt` })) as { content: unknown }).content;
    const found = ((await caps.find({ query: 'tea' })) as { entities: [{ name: string }] }).entities[0].name;
    return [sum, hello, found, refused];
  },
});
