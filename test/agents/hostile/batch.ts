/**
 * Replaces the function by which the prelude puts a crank's effects together, so that the crank leaves a text that no SDK makes:
 * deeper, longer or with more effects than the host wants to read. It gains whatever a parser that falls over leaves open.
 */
import { defineAgent } from '@corral/guest';

const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);

const TEXTS: Readonly<Record<string, () => string>> = {
  'deep predicate': () =>
    `{"kind":"spawn","id":1,"agent":"kid","input":null,"caps":{"out":{"cap":0,"where":{"x":{"equals":${nested(2500)}}}}},"budget":{}}`,
  'deep output': () => `{"kind":"finish","output":${nested(2e5)}}`,
  'many timers': () =>
    Array.from({ length: 99_000 }, (_, i) => `{"kind":"timer","id":${i + 1},"ms":100000}`).reduce((all, one) => `${all},${one}`),
  'many values': () => `{"kind":"emit","event":"x","data":[${'[],'.repeat(5e6)}0]}`,
  'large effect': () => `{"kind":"emit","event":"x","data":"${'x'.repeat(1e6)}"}`,
};

export default defineAgent({
  name: 'batch',
  async run({ input, emit }) {
    emit('x');
    const text = TEXTS[(input as { text: string }).text]?.();
    if (text === undefined) throw new Error('no such text');
    Array.prototype.join = () => text;
    await new Promise(() => undefined);
  },
});
