/**
 * The default provider of the AI SDK in an isolate: `generateText({ model: 'openai/gpt-5' })` asks a model capability of the run. Its
 * configuration says which model answers; a run with several is asked for the one that is named.
 */
import type { Capability, ModelAnswer, ModelPart, ModelRequest } from '@corral/guest';
import { providerBy } from '@corral/guest/ai';
import { modelIn, modelsIn, type Reach } from './route.ts';

interface Needs {
  readonly reach: Pick<Reach, 'held' | 'error'>;
}

export default function make({ reach }: Needs): Record<string, unknown> {
  const refused = (message: string) => reach.error('CORRAL_CAP_NOT_GRANTED', message);
  const choose = (modelId: string) => {
    const { held } = reach;
    if (held === undefined)
      throw refused(`${modelId} is asked for before the agent’s run function is called, which brings its capabilities.`);
    const found = modelIn(held, modelId);
    if (found !== undefined) return found.tool as unknown as Capability<ModelRequest, ModelAnswer, ModelPart, ModelAnswer>;
    const models = modelsIn(held).map(({ alias }) => alias);
    throw refused(
      models.length === 0
        ? `${modelId} is asked for, and this run holds no model: \`uses: { model: 'model:default' }\` asks for one.`
        : `${modelId} is asked for, and this run holds several models: name one of ${models.join(', ')}, or use aiModel(caps.…).`,
    );
  };
  return { AI_SDK_DEFAULT_PROVIDER: providerBy(choose) };
}
