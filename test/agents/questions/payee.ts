/** Reads a stranger's mail, asks its owner whom to pay, and pays them. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'payee',
  uses: { owner: 'tool:owner.ask', mail: 'tool:mail.read', hr: 'tool:hr.read', pay: 'tool:pay.send' },
  async run({ ask, caps }) {
    const { text } = await caps.mail({});
    const to = await ask(`A mail says: ${text}. Whom do I pay?`);
    await caps.hr({});
    await ask('Go on?', 'boolean');
    return caps.pay({ to, amount: 3 }).catch((error: { code: string }) => error.code);
  },
});
