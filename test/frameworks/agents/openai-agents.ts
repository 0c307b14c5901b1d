/** The OpenAI Agents SDK with the models of its own provider, which asks `api.openai.com` for responses. */
import { agentsTools, defineAgent } from '@corral/guest';
import { Agent, run, setDefaultOpenAIKey } from '@openai/agents';
import { z } from 'zod';
import { CEILINGS, failure, patience, QUESTIONS, type Input } from './common.ts';

setDefaultOpenAIKey('none');

export default defineAgent({
  name: 'openai-agents',
  uses: { model: 'model:default', weather: 'tool:weather.get' },
  ceilings: CEILINGS,
  async run({ caps, input }) {
    const { what } = input as Input;
    const question = QUESTIONS[what];
    const agent = new Agent({ name: 'helper', instructions: 'You help.', tools: what === 'tools' ? agentsTools(caps) : [] });
    switch (what) {
      case 'stream': {
        const streamed = await run(agent, question, { stream: true });
        let text = '';
        for await (const part of streamed.toTextStream()) text += part;
        await streamed.completed;
        return text;
      }
      case 'abort':
        return failure(run(agent, question, { signal: patience() }));
      case 'error':
        return failure(run(agent, question));
      case 'structured': {
        const strict = new Agent({ name: 'strict', instructions: 'You help.', outputType: z.object({ city: z.string() }) });
        return (await run(strict, question)).finalOutput;
      }
      default:
        return (await run(agent, question)).finalOutput;
    }
  },
});
