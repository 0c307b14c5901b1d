/** `npm run eval -- NAME [--data DIR] [--json] [--plots DIR]`: measures Corral on recorded or made-up behaviour, and prints what it measured. */
import { loops } from './loops.ts';
import { synthetic } from './synthetic.ts';

export interface EvalOptions {
  /** Folder of the recorded runs. */
  readonly data: string | undefined;
  /** Folder that figures are drawn into. */
  readonly plots: string | undefined;
}
/** What is printed: as JSON, or as text for people. */
export interface Measured {
  readonly json: unknown;
  readonly text: string;
}

const EVALS: Readonly<Record<string, (options: EvalOptions) => Measured | Promise<Measured>>> = { loops, synthetic };

const args = process.argv.slice(2);
const value = (flag: string) => (args.includes(flag) ? args[args.indexOf(flag) + 1] : undefined);
const [name] = args;
const run = name === undefined ? undefined : EVALS[name];
if (run === undefined) {
  console.error(`${name === undefined ? 'Which?' : `There is no eval ${name}.`} There are: ${Object.keys(EVALS).join(', ')}.`);
  process.exit(2);
}
const measured = await run({ data: value('--data'), plots: value('--plots') });
console.log(args.includes('--json') ? JSON.stringify(measured.json, null, 2) : measured.text);
