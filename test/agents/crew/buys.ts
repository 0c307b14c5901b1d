/** Buys as often as its input says, and says how far it came and why it stopped. */
import { defineAgent } from '@corral/guest';

interface Refusal {
  readonly code: string;
  readonly limit: string;
  readonly retryable: boolean;
}

/** @param name by which the accounts of agents differ */
export const buyer = (name: string) =>
  defineAgent({
    name,
    purpose: 'buys',
    uses: { pay: 'tool:pay' },
    async run({ input, caps }) {
      const { times, amount } = input as { times: number; amount: number };
      for (let i = 0; i < times; i++) {
        try {
          await caps.pay({ amount });
        } catch (error) {
          const { code, limit, retryable } = error as Refusal;
          return { code, limit, retryable, bought: i };
        }
      }
      return { bought: times };
    },
  });

export default buyer('buyer');
