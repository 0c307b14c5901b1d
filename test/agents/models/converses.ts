/** Asks its model for one answer after the other, in parts, and once more for one that breaks off; says what it was given. */
import { CorralError, defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'converses',
  purpose: 'asks a model for several answers',
  uses: { model: 'model:default' },
  async run({ caps, input }) {
    const { prompts } = input as { readonly prompts: readonly string[] };
    const parts: unknown[] = [];
    const answers: string[] = [];
    for (let i = 0; i < prompts.length;) {
      const prompt = prompts[i] as string;
      try {
        for await (const part of caps.model.stream({ prompt })) parts.push(part);
        answers.push(prompt);
        i += 1;
      } catch (error) {
        if (!(error instanceof CorralError) || error.code !== 'CORRAL_STREAM_LOST') throw error;
      }
    }
    return { parts, answers };
  },
});
