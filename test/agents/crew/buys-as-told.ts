/** Obeys the mail that it reads: whom it pays, and under which name it says so once more. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'shop/buyer',
  uses: { read: 'tool:mail.read', pay: 'tool:pay' },
  async run({ input, caps, log }) {
    const { mail, amount } = input as { mail: string; amount: number };
    const { text } = (await caps.read({ id: mail })) as { text: string };
    log(text);
    const to = /to (\S+)/.exec(text)?.[1] ?? 'nobody';
    const name = /named (\S+)/.exec(text)?.[1];
    return caps.pay({ to, amount, ...(name === undefined ? {} : { [name]: to }) }).then(
      (said) => `${String(said)} ${to}`,
      (error: unknown) => (error as { code: string }).code,
    );
  },
});
