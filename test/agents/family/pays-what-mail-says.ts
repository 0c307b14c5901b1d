/** Has a child read mail and private data, and pay to where the mail says, with a note of the private data. */
import { defineAgent } from '@corral/guest';

const uses = { mail: 'tool:mail.read', hr: 'tool:hr.read', pay: 'tool:pay' } as const;

const payer = defineAgent({
  name: 'payer',
  uses,
  async run({ caps }) {
    const mail = await caps.mail({});
    const hr = await caps.hr({});
    const to = /DE[0-9-]+/.exec(mail.messages[1].text)?.[0];
    return caps.pay({ to, note: hr.messages[1].text });
  },
});

export default defineAgent({
  name: 'boss',
  uses,
  spawns: { payer },
  async run({ caps, spawn }) {
    return (await spawn(payer, { task: 'as you see fit' }, { caps }).ended).kind;
  },
});
