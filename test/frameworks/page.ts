/** Writes docs/frameworks.md from what was measured. */
import type { Row } from './rows.ts';
import { HOWS, WHATS, type Cell, type What } from './table.ts';

/** The measured cells of a framework, without those for things that it does not have. */
export type Measured = Readonly<Partial<Record<What, Cell>>>;

const HEADS: Readonly<Record<What, string>> = {
  generate: 'generate',
  stream: 'stream',
  tools: 'tools',
  abort: 'abort',
  error: 'error',
  structured: 'structured output',
  interrupt: 'interrupt and resume',
};

export const isGreen = (cell: Cell): boolean => HOWS.every((how) => cell[how] === 'ok');

/** @param versions of the packages, by name */
export function pageOf(rows: readonly (readonly [Row, Measured])[], versions: Readonly<Record<string, string>>): string {
  const notes: string[] = [];
  const noted = (note: string): string => `(${notes.push(note)})`;
  const shown = ({ title, lacks }: Row, what: What, cell: Cell | undefined): string => {
    if (cell === undefined) return '–';
    if (isGreen(cell)) return '✓';
    const held = HOWS.filter((how) => cell[how] === 'ok');
    return `${held.join(', ') || '✗'} ${noted(`${title}, ${HEADS[what]}: ${lacks[what]}.`)}`;
  };
  const cellsOf = (row: Row, measured: Measured): string[] => WHATS.map((what) => shown(row, what, measured[what]));
  // An alias is written as `npm:ai@6.0.326`.
  const packageOf = (name: string): string => {
    const [, of = name, version = versions[name]] = /^npm:(.+)@(.+)$/.exec(versions[name] ?? '') ?? [];
    return `\`${of}\` ${version}`;
  };
  const lines = rows.map(([row, measured]) => [row.title, row.packages.map(packageOf).join(', '), row.by, ...cellsOf(row, measured)]);
  const head = ['framework', 'packages', 'asks its model by', ...WHATS.map((what) => HEADS[what])];
  const table = [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`);
  return [BEFORE, table.join('\n'), notes.map((note, i) => `${i + 1}. ${note}`).join('\n'), AFTER]
    .filter((part) => part !== '')
    .join('\n\n');
}

const BEFORE = `# Frameworks

This table is written by \`npm run test:long -- frameworks\`. It installs the packages as they are on npm, in these versions, and runs
[an agent in each](../test/frameworks/agents) on a host, with a server that has OpenAI's API behind the model capability. A ✓ says that all of
this was seen:

- **live**: the run ended with the answer that was expected;
- **replay**: its journal, replayed in a new isolate, gave the same effects;
- **park**: a policy asked people about each call of the model, the run left memory until they had answered, and the answer was the same;
- **kill**: its cell was killed by SIGKILL while the model was thinking; the answer was the same, and the model was asked no more often.

Otherwise the cell has those of the four that held, and the reason. A – stands for what a framework does not have, or what was not tried.`;

const AFTER = `*Error* is a request that the provider refuses, which has to reach the agent as an error with the host's code; *abort* is an \`AbortSignal\`
after five seconds, while the model says nothing, or while people are still asked about the call; *tools* are the agent's capabilities
([\`aiTools\`, \`agentsTools\`, \`langchainTools\`, \`declaredTools\`](guides/model.md#with-the-ai-sdk)). A stream that is killed after its first part
is [another matter](bus.md#streams): it is lost, or goes on where the host lives.

Loading the bundle of such an agent takes up to half a second of CPU time on a slow machine. The load has a limit of its own, 1 s for each MiB of
the bundle, and does not count towards that of a crank; so agents of the table have no \`crank_cpu_ms\` in their \`ceilings\`.

How to write them: [AI SDK](guides/model.md#with-the-ai-sdk), [OpenAI Agents SDK](guides/openai-agents.md), [LangGraph](guides/langgraph.md),
[LangChain](guides/langchain.md), [Mastra](guides/mastra.md), [OpenAI SDK](guides/openai-sdk.md), [Anthropic SDK](guides/anthropic-sdk.md).
`;
