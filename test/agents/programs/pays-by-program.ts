/** Reads its mail, or keeps it as a handle, and leaves the rest to a program, as a model would write it. */
import { defineAgent } from '@corral/guest';

interface Job {
  readonly how: 'reads' | 'keeps';
  /** `ACCOUNT` in it stands for the account in the mail. */
  readonly source: string;
  readonly narrow?: boolean;
}

export default defineAgent({
  name: 'planner',
  uses: { mail: 'tool:mail.read', pay: 'tool:payments.send' },
  code: true,
  budget: { money_micros: 2_000_000_000 },
  async run({ input, caps, spawn }) {
    const { how, source, narrow } = input as Job;
    const mail = how === 'keeps' ? await caps.mail.handle({}) : await caps.mail({});
    const account = 'text' in mail ? (/account ([A-Z0-9]+)/.exec(String(mail.text))?.[1] ?? '') : '';
    const program = source.replaceAll('ACCOUNT', account);
    const end = await spawn.code(program, {
      caps: { pay: caps.pay },
      budget: { money_micros: 1_000_000_000 },
      input: how === 'keeps' ? { mail } : { account },
      ...(narrow === true ? { output: ['yes', 'no'] } : {}),
    }).ended;
    if (how === 'reads') return end;
    return [
      end.kind,
      await caps.pay({ to: 'DE00', amount: 1 }).then(
        () => 'paid',
        (error: { code: string }) => error.code,
      ),
    ];
  },
});
