/** LangGraph: a graph with a node for the model and one for tools, and one that asks a person, with LangChain's own model of OpenAI. */
import { defineAgent, langchainTools } from '@corral/guest';
import { HumanMessage, type AIMessage } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { Command, END, interrupt, MemorySaver, MessagesAnnotation, START, StateGraph } from '@langchain/langgraph';
import { ToolNode } from '@langchain/langgraph/prebuilt';
import { ChatOpenAI } from '@langchain/openai';
import { z } from 'zod';
import { CEILINGS, failure, patience, QUESTIONS, type Input } from './common.ts';

const chat = new ChatOpenAI({ model: 'gpt-5', apiKey: 'none' });
const lastOf = ({ messages }: { readonly messages: readonly { readonly content: unknown }[] }) => messages.at(-1)?.content;

export default defineAgent({
  name: 'langgraph',
  uses: { model: 'model:default', weather: 'tool:weather.get', desk: 'tool:desk.ask' },
  ceilings: CEILINGS,
  async run({ caps, input }) {
    const { what } = input as Input;
    const tools = langchainTools(caps, tool, { only: ['weather'] });
    const model = what === 'tools' ? chat.bindTools(tools) : chat;
    const graph = new StateGraph(MessagesAnnotation)
      .addNode('model', async ({ messages }, config) => ({ messages: [await model.invoke(messages, config)] }))
      .addNode('tools', new ToolNode(tools))
      .addNode('person', ({ messages }) => ({
        messages: [new HumanMessage(`${String(messages.at(-1)?.content)} ${interrupt('May it?')}`)],
      }))
      .addEdge(START, 'model')
      .addConditionalEdges('model', ({ messages }) => {
        if ((messages.at(-1) as AIMessage).tool_calls?.length) return 'tools';
        return what === 'interrupt' ? 'person' : END;
      })
      .addEdge('tools', 'model')
      .addEdge('person', END)
      .compile({ checkpointer: new MemorySaver() });
    const thread = { configurable: { thread_id: '1' } };
    const asked = { messages: [new HumanMessage(QUESTIONS[what])] };
    switch (what) {
      case 'stream': {
        let text = '';
        for await (const [chunk] of await graph.stream(asked, { ...thread, streamMode: 'messages' })) text += chunk.content;
        return text;
      }
      case 'abort':
        return failure(graph.invoke(asked, { ...thread, signal: patience() }));
      case 'error':
        return failure(graph.invoke(asked, thread));
      case 'structured':
        return chat.withStructuredOutput(z.object({ city: z.string() })).invoke(QUESTIONS[what]);
      case 'interrupt': {
        const stopped = await graph.invoke(asked, thread);
        const [question] = (stopped as unknown as { readonly __interrupt__: readonly { readonly value: unknown }[] }).__interrupt__;
        const resume = await caps.desk({ question: question?.value });
        return `${String(question?.value)} ${lastOf(await graph.invoke(new Command({ resume }), thread))}`;
      }
      default:
        return lastOf(await graph.invoke(asked, thread));
    }
  },
});
