/** Hands on a capability for one use twice. It gains a second use, if each copy counts by itself. */
import { defineAgent } from '@corral/guest';
import { code, type Given } from '../../code.ts';

export default defineAgent({
  name: 'owner',
  uses: { read: 'tool:fs.read', pay: 'tool:bank.pay' },
  async run({ caps, mailbox, messages }) {
    const next = async () => (await messages.next()).caps['a'] as Given;
    await mailbox.send('', { caps: { a: caps.read.attenuate({ uses: 1 }) } });
    const got = await next();
    await mailbox.send('', { caps: { a: got } });
    await mailbox.send('', { caps: { a: got } });
    const [x, y] = [await next(), await next()];
    return [await code(x({})), await code(y({})), await code(got({}))];
  },
});
