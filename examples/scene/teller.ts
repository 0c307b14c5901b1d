/**
 * scene/teller: pays for a story once, then has a model tell it word by word. Where its host is killed in between, the payment is in the journal
 * and is not made again, and the model is asked to go on after the last word that the run was given.
 */
import { defineAgent, type ModelMessage } from '@corral/guest';
import * as z from 'zod/mini';

export default defineAgent({
  name: 'scene/teller',
  purpose: 'Tell a story, and pay for it once.',
  output: z.object({ text: z.string(), lost: z.int() }),
  uses: { model: 'model:story', pay: 'tool:payments.send' },
  budget: { tokens: 100_000, money_micros: 1_000_000 },
  async run({ caps }) {
    await caps.pay({ to: 'storyteller', amount: 1, reference: 'a story' });
    let text = '';
    for (let lost = 0; ; lost++) {
      const prompt: ModelMessage[] = [{ role: 'user', content: [{ type: 'text', text: 'Tell me a story.' }] }];
      if (text !== '') prompt.push({ role: 'assistant', content: [{ type: 'text', text }] });
      try {
        for await (const part of caps.model.stream({ prompt })) if (part.type === 'text-delta') text += part.delta;
        return { text, lost };
      } catch (error) {
        if ((error as { code?: string }).code !== 'CORRAL_STREAM_LOST') throw error;
      }
    }
  },
});
