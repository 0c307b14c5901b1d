/**
 * A support agent with the AI SDK as it is on npm. Its model has the tools of two MCP servers, a program and an address, and requests by HTTP with a
 * key of the host.
 */
import { aiModel, aiTools, defineAgent } from '@corral/guest';
import { stepCountIs, ToolLoopAgent } from 'ai';

export default defineAgent({
  name: 'supports',
  purpose: 'answers customers, and does what they ask for',
  uses: {
    model: 'model:default',
    desk_look: 'tool:desk.look',
    desk_act: 'tool:desk.act',
    far_look: 'tool:far.look',
    far_act: 'tool:far.act',
    crm: 'http:crm',
  },
  // A busy machine takes its time over the first crank, in which the SDK is loaded.
  ceilings: { crank_cpu_ms: 5000, wall_ms: 3_600_000 },
  async run({ caps, input }) {
    const { question } = input as { readonly question: string };
    const agent = new ToolLoopAgent({ model: aiModel(caps.model), tools: aiTools(caps), stopWhen: stepCountIs(100) });
    const { text } = await agent.generate({ prompt: question });
    return { text };
  },
});
