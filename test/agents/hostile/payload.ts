/** Runs the text that it is given, and gives back what that returns or throws, as text. It gains whatever the text can reach. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'payload',
  async run({ input }) {
    const { stringify } = JSON;
    const text = String;
    const Parse = SyntaxError;
    const evaluate = eval;
    const AsyncFunction = (async () => {}).constructor as new (code: string) => () => Promise<unknown>;
    const shown = (value: unknown): string => {
      try {
        return (typeof value === 'string' ? value : (stringify(value) ?? text(value))).slice(0, 100_000);
      } catch {
        return 'unsayable';
      }
    };
    const { canary, code } = input as { canary: unknown; code: string };
    (globalThis as { canary?: unknown }).canary = canary;
    try {
      let value: unknown;
      try {
        value = evaluate(code);
      } catch (error) {
        if (!(error instanceof Parse)) throw error;
        value = new AsyncFunction(code)();
      }
      return { returned: shown(await value) };
    } catch (error) {
      let told: string;
      try {
        told = shown((error as Error).stack ?? error);
      } catch {
        told = 'unsayable';
      }
      return { threw: told, unparsed: error instanceof Parse };
    }
  },
});
