/** Pays twice an hour before midnight, once a minute before it, and twice after it; says what was paid or why not. */
import { CorralError, defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'payer',
  purpose: 'x',
  uses: { pay: 'tool:bank.pay' },
  budget: { money_micros: 10_000_000_000 },
  ceilings: { wall_ms: 7_200_000 },
  async run({ caps, sleep }) {
    const said: unknown[] = [];
    const pay = async () => {
      try {
        await caps.pay({ to: 'bob', amount: 100 });
        said.push('paid');
      } catch (error) {
        said.push(error instanceof CorralError ? error.code : String(error));
      }
    };
    await pay();
    await pay();
    await sleep(3_540_000);
    await pay();
    await sleep(61_000);
    await pay();
    await pay();
    return said;
  },
});
