/**
 * A support agent with the AI SDK as it is on npm: it looks up the orders that its model asks for, and answers in a stream. Where a stream is
 * lost with its host, the agent goes on from the last step that was finished.
 */
import { aiModel, CorralError, defineAgent } from '@corral/guest';
import { tool, ToolLoopAgent, type ModelMessage } from 'ai';
import { z } from 'zod';

export default defineAgent({
  name: 'resumes',
  purpose: 'answers customers',
  uses: { model: 'model:default', orders: 'tool:orders.get' },
  // A busy machine takes its time over the first crank, in which the SDK is loaded.
  ceilings: { crank_cpu_ms: 5000, wall_ms: 3_600_000 },
  async run({ caps, input, log }) {
    const look = tool({ description: 'An order', inputSchema: z.object({ id: z.string() }), execute: (order) => caps.orders(order) });
    const messages: ModelMessage[] = [{ role: 'user', content: (input as { readonly question: string }).question }];
    for (let lost = 0; ; lost++) {
      let text = '';
      let error: unknown;
      const agent = new ToolLoopAgent({
        model: aiModel(caps.model),
        tools: { look },
        onStepFinish: ({ response, finishReason }) => void (finishReason === 'error' || messages.push(...response.messages)),
      });
      const before = messages.length;
      const { fullStream } = await agent.stream({ messages: [...messages] });
      for await (const part of fullStream) {
        if (part.type === 'text-delta') text += part.text;
        if (part.type === 'error') ({ error } = part);
      }
      if (error === undefined) return { text, lost };
      if (!(error instanceof CorralError)) throw new Error('The stream ended with an error of the SDK.', { cause: error });
      if (error.code !== 'CORRAL_STREAM_LOST') throw error;
      log(`a stream was lost after ${messages.length - before} messages`);
    }
  },
});
