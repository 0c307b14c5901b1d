/** The rows of docs/frameworks.md, and why a cell of them is not green: the test of the table fails where one is red without a reason. */
import type { What } from './table.ts';

export interface Row {
  /** Name of the file in `agents`, and of the agent in it. */
  readonly name: string;
  readonly title: string;
  /** In package.json. */
  readonly packages: readonly string[];
  /** How the agent asks its model. */
  readonly by: string;
  /** It has interrupts, and the agent tries them. */
  readonly interrupts?: true;
  /** The reason, in one clause, for each cell that does not hold in all four ways. */
  readonly lacks: Readonly<Partial<Record<What, string>>>;
}

const FETCH = '`fetch`';

export const ROWS: readonly Row[] = [
  { name: 'ai-sdk-7', title: 'AI SDK 7', packages: ['ai'], by: '`aiModel(caps.model)`', lacks: {} },
  {
    name: 'ai-sdk-6',
    title: 'AI SDK 6',
    packages: ['ai-6'],
    by: "`aiModel(caps.model, { specification: 'v3' })`",
    lacks: {},
  },
  { name: 'openai-agents', title: 'OpenAI Agents SDK', packages: ['@openai/agents'], by: FETCH, lacks: {} },
  {
    name: 'langgraph',
    title: 'LangGraph',
    packages: ['@langchain/langgraph', '@langchain/openai'],
    by: FETCH,
    interrupts: true,
    lacks: {},
  },
  { name: 'langchain', title: 'LangChain (`createAgent`)', packages: ['langchain', '@langchain/openai'], by: FETCH, lacks: {} },
  {
    name: 'mastra',
    title: 'Mastra',
    packages: ['@mastra/core'],
    by: "`aiModel(caps.model, { specification: 'v3' })`",
    lacks: {},
  },
  { name: 'openai', title: 'OpenAI SDK', packages: ['openai'], by: FETCH, lacks: {} },
  { name: 'anthropic', title: 'Anthropic SDK', packages: ['@anthropic-ai/sdk'], by: FETCH, lacks: {} },
];
