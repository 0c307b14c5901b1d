/** Asks its model each of the prompts of its input, all at once, and says what came of each. */
import { CorralError, defineAgent, type ModelRequest } from '@corral/guest';

interface Input {
  readonly prompts: readonly ModelRequest['prompt'][];
  readonly more?: Partial<ModelRequest>;
}

export default defineAgent({
  name: 'asks',
  purpose: 'asks a model',
  uses: { model: 'model:default' },
  async run({ caps, input }) {
    const { prompts, more = {} } = input as Input;
    const said = (error: unknown) =>
      error instanceof CorralError ? { code: error.code, message: error.message } : { code: String(error) };
    return Promise.all(prompts.map((prompt) => caps.model({ prompt, ...more }).catch(said)));
  },
});
