/** Talks to its model until it asks for no more functions; does what it asks for; says each text that the model said. */
import { CorralError, defineAgent, type ModelFunction, type ModelMessage, type ToolResultPart } from '@corral/guest';

const fn = (name: string, properties: object): ModelFunction => ({ type: 'function', name, inputSchema: { type: 'object', properties } });
const TOOLS = [fn('read', {}), fn('pay', { to: { type: 'string' }, amount: { type: 'number' } })];

export default defineAgent({
  name: 'talks',
  purpose: 'does what its model asks for',
  uses: { model: 'model:default', read: 'tool:mail.read', pay: 'tool:bank.pay' },
  budget: { money_micros: 10_000_000_000 },
  async run({ caps, input }) {
    const prompt: ModelMessage[] = [{ role: 'user', content: [{ type: 'text', text: (input as { task: string }).task }] }];
    const said: string[] = [];
    const did = (tool: string, args: object): Promise<unknown> => (tool === 'read' ? caps.read({}) : caps.pay(args));
    for (;;) {
      const answer = await caps.model({ prompt, tools: TOOLS });
      said.push(answer.text);
      const results: ToolResultPart[] = [];
      for (const part of answer.content) {
        if (part.type !== 'tool-call') continue;
        const { toolCallId, toolName, input: args } = part;
        const result = (output: ToolResultPart['output']) => results.push({ type: 'tool-result', toolCallId, toolName, output });
        await did(toolName, JSON.parse(args) as object).then(
          (value) => result({ type: 'json', value }),
          (error: unknown) => result({ type: 'error-text', value: error instanceof CorralError ? error.code : String(error) }),
        );
      }
      if (results.length === 0) return said;
      prompt.push({ role: 'assistant', content: answer.content }, { role: 'tool', content: results });
    }
  },
});
