/** `npm run eval -- NAME --data DIR [--json] [--plots DIR]`: measures Corral on recorded or synthetic behaviour. It has no pass or fail. */
import { readdirSync } from 'node:fs';
import type { EvalOptions, Measured } from './options.ts';

/** Each prints its result itself, or returns it. */
type Eval = (args: readonly string[], options: EvalOptions) => Promise<Measured | void>;
const EVALS: Readonly<Record<string, Eval>> = {
  containment: async (args) => (await import('./containment.ts')).run(args),
  fields: async (args, options) => (await import('./fields.ts')).run(args, options.data),
  loops: async (_, options) => (await import('./loops.ts')).loops(options),
  probing: async (args, options) => (await import('./probing.ts')).run(args, options),
  robustness: async (args, options) => (await import('./robustness.ts')).run(args, options.data),
  synthetic: async (_, options) => (await import('./synthetic.ts')).synthetic(options),
};

const [name, ...args] = process.argv.slice(2);
const value = (flag: string) => (args.includes(flag) ? args[args.indexOf(flag) + 1] : undefined);
const run = name === undefined ? undefined : EVALS[name];
if (run === undefined) {
  console.error(`${name === undefined ? 'Which?' : `There is no evaluation ${name}.`} There are: ${Object.keys(EVALS).join(', ')}.`);
  process.exit(2);
}
const data = value('--data');
if (data !== undefined) {
  try {
    readdirSync(data);
  } catch {
    console.error(`--data names no folder: ${data}`);
    process.exit(2);
  }
}
const measured = await run(args, { data, plots: value('--plots') });
if (measured !== undefined) console.log(args.includes('--json') ? JSON.stringify(measured.json, null, 2) : measured.text);
