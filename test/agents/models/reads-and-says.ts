/** Logs, reads two tools, asks a model twice, once in parts, and logs again. Its second line and its second question follow from what the second tool said. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'reader',
  uses: { mail: 'tool:mail.read', pay: 'tool:hr.read', model: 'model:default' },
  async run({ input, caps, log }) {
    const { name } = input as { name: string };
    console.warn(`looks for ${name}`);
    await caps.mail({ of: name });
    const parts: unknown[] = [];
    for await (const part of caps.model.stream({ prompt: [{ role: 'user', content: [{ type: 'text', text: `Who is ${name}?` }] }] }))
      parts.push(part);
    const { salary } = (await caps.pay({})) as { salary: string };
    log(`earns ${salary}`);
    await caps.model({ prompt: `Is ${salary} much?` });
    return parts.length > 0;
  },
});
