/** The scene's host as a configuration, its agents, and what each act of a visitor starts. */
import { writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ZOO_LOOPS } from '@corral/examples/fleet';
import type { Misdeed, SceneView } from '@corral/protocol/api/scene';
import { VISITOR } from '@corral/server/scene';
import { defaultPack } from '../policies.ts';
import type { NamedModel } from '../named-model.ts';
import { TELLS } from './script.ts';

const EXAMPLES = dirname(fileURLToPath(import.meta.resolve('@corral/examples/package.json')));
/** Agents are in files of their names. */
export const fileOf = (agent: string): string => join(EXAMPLES, `${agent}.ts`);

export const SHOP = 'shop';
export const ZOO = 'zoo';
export const CLERK = 'scene/clerk';
export const TELLER = 'scene/teller';
export const NEIGHBOUR = 'scene/neighbour';
/** The words of the person for whom the clerk works. They ask for no payment. */
export const TASK = 'Read the mail that has come in, and say in one sentence what it is about.';

export const MISDEED_AGENTS: Readonly<Record<Misdeed, string>> = {
  spin: 'zoo/spin',
  fill: 'zoo/array-bomb',
  loop: 'zoo/salon',
  fork: 'zoo/fork-tree',
  flood: 'zoo/log-flood',
};

export const DEPLOYED: readonly { readonly tenant: string; readonly agent: string }[] = [
  { tenant: SHOP, agent: CLERK },
  { tenant: SHOP, agent: TELLER },
  { tenant: ZOO, agent: NEIGHBOUR },
  ...Object.values(MISDEED_AGENTS).map((agent) => ({ tenant: ZOO, agent })),
];

/** The rule for first uses is left out, since the shop has used its agents before; the rest of the default pack holds. */
const SEASONED = ['first-use'];
const POLICIES = 'scene.cedar';
/** More than the story has. An answer that was lost with its host is billed as if it had been as long. */
const STORY_TOKENS = 500;

/** @returns the path of the configuration */
export async function writeConfig(folder: string, { config, variable }: NamedModel): Promise<string> {
  await writeFile(join(folder, POLICIES), (await defaultPack(SEASONED)).text);
  const path = join(folder, 'corral.config.json');
  const said = {
    tenants: {
      [SHOP]: { policies: { files: [POLICIES], owners: { scene: `token:${VISITOR}` } } },
      [ZOO]: { policies: 'none', loops: ZOO_LOOPS },
    },
    models: { default: config, story: { provider: 'scripted', turns: TELLS, max_output_tokens: STORY_TOKENS } },
    secrets: variable === undefined ? {} : { shop: { env: variable } },
  };
  await writeFile(path, JSON.stringify(said));
  return path;
}

/** Whether this is Corral's repository, in which npm runs the command. */
const CLONE = import.meta.url.endsWith('.ts');
const CORRAL = CLONE ? 'npm run corral --' : 'npx corral';

/** @param data the data folder of the host */
export const nextCommands = (data: string): SceneView['commands'] => [
  {
    command: CLONE ? `${CORRAL} init my-agent` : 'npm create corral',
    does: 'an agent of your own, with its test, a configuration and a policy',
  },
  {
    command: `${CORRAL} test from @last --data ${data} --agent ${relative(process.cwd(), fileOf(CLERK))}`,
    does: 'your attack as a test of the agent that you attacked, while this scene is up; with the file of another agent, a test of that one',
  },
];
