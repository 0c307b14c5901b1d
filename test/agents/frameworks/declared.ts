/** Tells what its tools say of themselves, or calls one as a model would. */
import { declaredTools, defineAgent, type ToolsOptions } from '@corral/guest';

interface Input extends ToolsOptions {
  readonly asked?: object;
}

const large = 'tool:large.get';
const much = defineAgent({
  name: 'much-declared',
  uses: { a: large, b: large, c: large, d: large, e: large, f: large },
  run: ({ caps }) => declaredTools(caps).length,
});

export default defineAgent({
  name: 'declared',
  uses: { model: 'model:default', weather: 'tool:weather.get' },
  spawns: { much },
  run({ caps, input }) {
    const { asked, ...options } = input as Input;
    const tools = declaredTools(caps, options);
    if (asked !== undefined) return tools[0]?.call(asked);
    return tools.map(({ name, description, inputSchema }) => ({ name, description, inputSchema }));
  },
});
