/** `npm run eval -- NAME --data DIR [--json]`: replays recorded behaviour and prints what was reached. It judges nothing. */

type Eval = { run: (args: readonly string[]) => Promise<unknown> };

const EVALS: Readonly<Record<string, () => Promise<Eval>>> = {
  containment: () => import('./containment.ts'),
};

const [name = '', ...args] = process.argv.slice(2);
const load = EVALS[name];
if (load === undefined) {
  console.error(`There is no evaluation '${name}'. There are: ${Object.keys(EVALS).join(', ')}.`);
  process.exit(2);
}
await (await load()).run(args);
